//! Clients that never stop asking.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use millwright_e2e::http::Http;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Clients side by side: half of them keep their connections, half make a new one for each request.
const CLIENTS: usize = 4;
/// Time between two requests of a client.
const PAUSE: Duration = Duration::from_millis(20);
/// Most failures in a report.
const SHOWN: usize = 10;

/// Requests under way.
pub struct Traffic {
    stop: Arc<AtomicBool>,
    clients: JoinSet<Report>,
}

/// What came of the requests.
#[derive(Debug, Default)]
pub struct Report {
    /// How often each answer came.
    pub answers: BTreeMap<String, usize>,
    /// Requests without a good answer.
    pub failures: Vec<String>,
}

impl Traffic {
    /// Starts to ask a model at this address.
    pub fn start(url: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let (url, stop) = (url.to_owned(), stop.clone());
            clients.spawn(async move { ask(&url, client % 2 == 0, &stop).await });
        }
        Self { stop, clients }
    }

    /// Stops asking and says what came of it.
    pub async fn stop(mut self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        let mut whole = Report::default();
        while let Some(client) = self.clients.join_next().await {
            match client {
                Ok(report) => whole.add(report),
                Err(error) => whole.failures.push(format!("a client ended: {error}")),
            }
        }
        whole.failures.truncate(SHOWN);
        whole
    }
}

impl Report {
    fn add(&mut self, other: Self) {
        for (answer, count) in other.answers {
            *self.answers.entry(answer).or_default() += count;
        }
        self.failures.extend(other.failures);
    }

    /// Requests that were answered.
    pub fn answered(&self) -> usize {
        self.answers.values().sum()
    }
}

async fn ask(url: &str, keeps: bool, stop: &AtomicBool) -> Report {
    let mut report = Report::default();
    let mut http = Http::default();
    let body = json!({"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1.0]}]});
    while !stop.load(Ordering::Relaxed) {
        if !keeps {
            http = Http::default();
        }
        match answer(&http, url, &body).await {
            Ok(Ok(answer)) => *report.answers.entry(answer).or_default() += 1,
            Ok(Err(failure)) => report.failures.push(failure),
            Err(error) => report.failures.push(format!("{error:#}")),
        }
        tokio::time::sleep(PAUSE).await;
    }
    report
}

/// The first value that the model predicts, or what it said instead.
async fn answer(http: &Http, url: &str, body: &Value) -> Result<Result<String, String>> {
    let (status, text) = http.post(url, body).await?;
    let answer: Value = serde_json::from_str(&text).unwrap_or_default();
    let value = answer["outputs"][0]["data"][0].as_str();
    Ok(match value {
        Some(value) if status.is_success() => Ok(value.to_owned()),
        _ => Err(format!("HTTP {status}: {text}")),
    })
}
