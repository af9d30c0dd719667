//! Whether the operator works, and what keeps it from working.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A watch that has been down for so long won't come back by itself: a restart might help. Longer
/// than an API server's upgrade takes.
const DEAD_AFTER: Duration = Duration::from_secs(30 * 60);

/// State of all watches.
#[derive(Clone, Default)]
pub(crate) struct Health {
    streams: Arc<Mutex<BTreeMap<String, Stream>>>,
    news: Arc<Notify>,
}

struct Stream {
    listed: bool,
    problem: Option<String>,
    up: Option<Instant>,
    started: Instant,
}

impl Health {
    /// A watch is starting.
    pub(crate) fn expect(&self, stream: &str) {
        let state = Stream {
            listed: false,
            problem: None,
            up: None,
            started: Instant::now(),
        };
        self.streams.lock().insert(stream.into(), state);
    }

    /// A watch has answered; `listed` when it has all objects.
    pub(crate) fn up(&self, stream: &str, listed: bool) {
        if let Some(state) = self.streams.lock().get_mut(stream) {
            state.listed |= listed;
            state.problem = None;
            state.up = Some(Instant::now());
        }
        self.news.notify_waiters();
    }

    /// A watch has failed.
    pub(crate) fn down(&self, stream: &str, problem: String) {
        if let Some(state) = self.streams.lock().get_mut(stream) {
            state.problem = Some(problem);
        }
    }

    /// What keeps the operator from being ready; empty when nothing does.
    pub(crate) fn problems(&self) -> Vec<String> {
        let streams = self.streams.lock();
        streams
            .iter()
            .filter_map(|(name, state)| match (&state.problem, state.listed) {
                (Some(problem), _) => Some(format!("{name}: {problem}")),
                (None, false) => Some(format!("{name}: waits for the first list")),
                (None, true) => None,
            })
            .collect()
    }

    /// Waits until every watch has its objects.
    pub(crate) async fn all_listed(&self) {
        loop {
            let news = self.news.notified();
            if self.streams.lock().values().all(|state| state.listed) {
                return;
            }
            news.await;
        }
    }

    /// Watches that are down for too long.
    pub(crate) fn dead(&self) -> Vec<String> {
        let streams = self.streams.lock();
        let dead = |state: &&Stream| {
            state.problem.is_some() && state.up.unwrap_or(state.started).elapsed() > DEAD_AFTER
        };
        streams
            .iter()
            .filter(|(_, state)| dead(state))
            .map(|(name, _)| name.clone())
            .collect()
    }
}
