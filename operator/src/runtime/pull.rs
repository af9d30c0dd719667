//! What pods answer over HTTP, within bounds: no redirects, no endless bodies, no long waits.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use millwright_crds::wire::{self, Versioned};
use parking_lot::Mutex;
use tokio::net::TcpStream;

/// Longest time that an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most bytes of an answer: windows of about 2,000 columns with the default number of windows.
const LIMIT: usize = 16 << 20;

/// A pod that does not answer is asked this much later than usual at most.
const SILENCE: Duration = Duration::from_secs(300);
/// A pod that was not asked for so long is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(900);

/// When pods were asked, and how long those that were silent are left alone.
#[derive(Default)]
pub(crate) struct Pace(Mutex<HashMap<String, Asked>>);

struct Asked {
    at: Instant,
    silent: u32,
}

impl Pace {
    /// Whether a pod that is usually asked at this interval may be asked now. A silent one is asked
    /// half as often after each try.
    pub(crate) fn is_due(&self, pod_uid: &str, every: Duration) -> bool {
        let asked = self.0.lock();
        asked.get(pod_uid).is_none_or(|asked| {
            let wait = every.saturating_mul(1 << asked.silent.min(10));
            asked.at.elapsed() >= wait.min(every + SILENCE)
        })
    }

    /// A pod was asked, and answered or did not.
    pub(crate) fn answered(&self, pod_uid: &str, well: bool) {
        let mut asked = self.0.lock();
        asked.retain(|_, asked| asked.at.elapsed() < FORGOTTEN);
        let before = asked.get(pod_uid).map_or(0, |asked| asked.silent);
        let now = Asked {
            at: Instant::now(),
            silent: if well { 0 } else { before.saturating_add(1) },
        };
        asked.insert(pod_uid.into(), now);
    }
}

/// Reads a document from a pod.
///
/// # Errors
/// When the pod doesn't answer in time, answers something else than 200, or more than 16 MiB.
pub(crate) async fn document<T: Versioned>(ip: &str, port: u16, path: &str) -> anyhow::Result<T> {
    let bytes = tokio::time::timeout(PATIENCE, get(ip, port, path))
        .await
        .with_context(|| format!("no answer within {} s", PATIENCE.as_secs()))??;
    Ok(wire::read(&bytes)?)
}

async fn get(ip: &str, port: u16, path: &str) -> anyhow::Result<Bytes> {
    let stream = TcpStream::connect((ip, port))
        .await
        .context("no connection")?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", format!("{ip}:{port}"))
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    ensure!(
        response.status() == StatusCode::OK,
        "it answered {}",
        response.status()
    );
    let body = Limited::new(response.into_body(), LIMIT)
        .collect()
        .await
        .map_err(|error| anyhow::anyhow!("the body can't be read: {error}"))?;
    connection.abort();
    Ok(body.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_pod_is_asked_less_often() {
        let pace = Pace::default();
        let every = Duration::ZERO;
        assert!(pace.is_due("a", Duration::from_secs(15)));
        pace.answered("a", true);
        assert!(!pace.is_due("a", Duration::from_secs(15)));
        assert!(pace.is_due("a", every) && pace.is_due("b", Duration::from_secs(15)));
        for _ in 0..3 {
            pace.answered("a", false);
        }
        assert_eq!(pace.0.lock()["a"].silent, 3);
        pace.answered("a", true);
        assert_eq!(pace.0.lock()["a"].silent, 0);
    }
}
