//! Whether the operator works, and what keeps it from working.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// What has shown no sign of life for so long hangs, and only a restart can help: a watch is opened anew
/// every five minutes, and one that fails is tried every few seconds.
const HANGS_AFTER: Duration = Duration::from_secs(15 * 60);
/// Longest wait of a new leader for watches that are still down. One that is broken must not keep the
/// rest from work.
const SETTLES: Duration = Duration::from_secs(15);

/// State of all that speaks to the API server by itself: the watches and the election.
#[derive(Clone, Default)]
pub(crate) struct Health {
    parts: Arc<Mutex<BTreeMap<String, Part>>>,
    news: Arc<Notify>,
}

struct Part {
    /// The namespace that it is about, when it is about one.
    namespace: Option<String>,
    /// Whether the API server refuses it: the namespace may be gone, and the rights in it.
    refused: bool,
    /// Whether it has been up once, with all objects.
    listed: bool,
    problem: Option<String>,
    down_since: Option<Instant>,
    active: Instant,
}

impl Health {
    /// A watch, or the election, is starting.
    pub(crate) fn expect(&self, part: &str, namespace: Option<&str>) {
        let state = Part {
            namespace: namespace.map(ToOwned::to_owned),
            refused: false,
            listed: false,
            problem: None,
            down_since: None,
            active: Instant::now(),
        };
        self.parts.lock().insert(part.into(), state);
    }

    /// It was answered; `listed` when it has all objects. Says how long it was down.
    pub(crate) fn up(&self, part: &str, listed: bool) -> Option<Duration> {
        let down_since = {
            let mut parts = self.parts.lock();
            let state = parts.get_mut(part)?;
            state.listed |= listed;
            state.refused = false;
            state.problem = None;
            state.active = Instant::now();
            state.down_since.take()
        };
        self.news.notify_waiters();
        down_since.map(|since| since.elapsed())
    }

    /// It has failed. Says whether that is news, and not the same problem again.
    pub(crate) fn down(&self, part: &str, problem: String) -> bool {
        let mut parts = self.parts.lock();
        let Some(state) = parts.get_mut(part) else {
            return false;
        };
        state.active = Instant::now();
        state.down_since.get_or_insert(state.active);
        state.problem.replace(problem) != state.problem
    }

    /// The API server refuses it.
    pub(crate) fn refused(&self, part: &str) {
        if let Some(state) = self.parts.lock().get_mut(part) {
            state.refused = true;
        }
        self.news.notify_waiters();
    }

    /// Whether all objects of a namespace are known.
    pub(crate) fn knows(&self, namespace: &str) -> bool {
        let parts = self.parts.lock();
        let about = |part: &&Part| part.namespace.as_deref().is_none_or(|of| of == namespace);
        parts.values().filter(about).all(|part| part.listed)
    }

    /// What keeps the operator from being ready; empty when nothing does.
    pub(crate) fn problems(&self) -> Vec<String> {
        let parts = self.parts.lock();
        parts
            .iter()
            .filter_map(|(name, state)| match (&state.problem, state.listed) {
                (Some(problem), _) => Some(format!("{name}: {problem}")),
                (None, false) => Some(format!("{name}: waits for the first answer")),
                (None, true) => None,
            })
            .collect()
    }

    /// Waits until every watch has had its objects, then, but not for ever, until none is down. A
    /// namespace that is refused keeps only itself waiting.
    pub(crate) async fn settled(&self) {
        self.listed().await;
        let up = self.until(|part| part.problem.is_none());
        // Those that are down are named by `/readyz`.
        let _ = tokio::time::timeout(SETTLES, up).await;
    }

    async fn listed(&self) {
        let refused = |part: &Part| part.refused && part.namespace.is_some();
        self.until(|part| part.listed || refused(part)).await;
    }

    async fn until(&self, holds: impl Fn(&Part) -> bool) {
        loop {
            let mut news = std::pin::pin!(self.news.notified());
            news.as_mut().enable();
            if self.parts.lock().values().all(&holds) {
                return;
            }
            news.await;
        }
    }

    /// How long ago each last heard of the API server, be it a refusal.
    pub(crate) fn ages(&self) -> Vec<(String, Duration)> {
        let parts = self.parts.lock();
        let ages = parts.iter();
        ages.map(|(name, state)| (name.clone(), state.active.elapsed()))
            .collect()
    }

    /// What hangs.
    pub(crate) fn hanging(&self) -> Vec<String> {
        let parts = self.parts.lock();
        parts
            .iter()
            .filter(|(_, state)| state.active.elapsed() > HANGS_AFTER)
            .map(|(name, _)| name.clone())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_problem_is_news_once() {
        let health = Health::default();
        health.expect("jobs", None);
        assert_eq!(health.problems(), ["jobs: waits for the first answer"]);
        assert_eq!(health.up("jobs", true), None);
        assert!(health.problems().is_empty());
        assert!(health.down("jobs", "no answer".into()));
        assert!(!health.down("jobs", "no answer".into()));
        assert!(health.down("jobs", "refused".into()));
        assert_eq!(health.problems(), ["jobs: refused"]);
        assert!(health.up("jobs", false).is_some());
        assert!(health.problems().is_empty());
        assert!(health.hanging().is_empty());
        let ages = health.ages();
        assert!(ages.len() == 1 && ages[0].0 == "jobs" && ages[0].1 < HANGS_AFTER);
    }

    #[tokio::test]
    async fn a_new_leader_waits_for_every_first_list() {
        let health = Health::default();
        health.expect("jobs", None);
        health.expect("pods", None);
        health.up("jobs", true);
        let settled = tokio::spawn({
            let health = health.clone();
            async move { health.settled().await }
        });
        health.up("pods", false);
        tokio::task::yield_now().await;
        assert!(!settled.is_finished());
        health.up("pods", true);
        settled.await.unwrap();
    }

    #[tokio::test]
    async fn a_namespace_that_is_refused_keeps_only_itself_waiting() {
        let health = Health::default();
        health.expect("jobs in a", Some("a"));
        health.expect("jobs in b", Some("b"));
        health.up("jobs in a", true);
        health.down("jobs in b", "not allowed".into());
        health.refused("jobs in b");
        tokio::time::timeout(SETTLES, health.listed())
            .await
            .unwrap();
        assert!(health.knows("a") && !health.knows("b"));
        health.up("jobs in b", true);
        assert!(health.knows("b"));
    }
}
