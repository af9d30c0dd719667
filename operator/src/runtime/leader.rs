//! Whether this replica leads, and until when a write of it may take effect.
//!
//! Two replicas must never write at once, though neither knows the other's clock and either may be
//! paused at any point. All times count from before the request that renewed the Lease was sent, and
//! another replica counts from after it has seen that renewal, so only the rates of the clocks matter:
//!
//! | time | what |
//! |---|---|
//! | [`PERIOD`] | the Lease is renewed |
//! | [`DEADLINE`] | without a renewal no write starts any more |
//! | [`WRITES_END`] | the API server gives up on writes that started before (its `timeout` parameter) |
//! | [`DURATION`] | another replica may lead |
//!
//! A killed leader has renewed at most one request before; the other sees that within [`PERIOD`] and
//! leads [`DURATION`] later: in 12.5 s.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

/// How long a lease lasts without renewal.
pub(crate) const DURATION: Duration = Duration::from_secs(10);
/// A leader that could not renew for so long starts no write.
pub(crate) const DEADLINE: Duration = Duration::from_secs(6);
/// Writes are done or given up by then. What is left to [`DURATION`] is for clocks that go faster.
const WRITES_END: Duration = Duration::from_secs(8);
/// Time between two looks at the Lease; a tenth more at most, so that replicas don't keep step.
pub(crate) const PERIOD: Duration = Duration::from_secs(2);

/// More writes at once than there ever are.
const WRITES: u32 = 4_096;

/// Whether this replica leads.
#[derive(Clone)]
pub(crate) struct Leadership(Arc<State>);

struct State {
    identity: String,
    renewed: Mutex<Option<Renewal>>,
    holder: Mutex<String>,
    leads: watch::Sender<bool>,
    resigns: AtomicBool,
    writes: Semaphore,
}

/// When the Lease was renewed. The monotonic clock stands still while a machine sleeps, and the wall
/// clock may be set back: the one that has gone further counts.
#[derive(Clone, Copy)]
pub(crate) struct Renewal {
    at: Instant,
    wall: SystemTime,
}

impl Renewal {
    /// Now; to be taken before the request is sent.
    pub(crate) fn now() -> Self {
        Self {
            at: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// How long ago it was.
    pub(crate) fn elapsed(&self) -> Duration {
        let wall = self.wall.elapsed().unwrap_or_default();
        self.at.elapsed().max(wall)
    }
}

impl Leadership {
    /// Of a replica that doesn't lead yet.
    pub(crate) fn new(identity: String) -> Self {
        Self(Arc::new(State {
            identity,
            renewed: Mutex::new(None),
            holder: Mutex::new(String::new()),
            leads: watch::Sender::new(false),
            resigns: AtomicBool::new(false),
            writes: Semaphore::new(WRITES as usize),
        }))
    }

    /// The name under which this replica takes part in the election.
    pub(crate) fn identity(&self) -> &str {
        &self.0.identity
    }

    /// Whether a write may start now.
    pub(crate) fn may_write(&self) -> bool {
        self.time_to_write().is_some()
    }

    /// How long a write that starts now may take; nothing when none may start.
    pub(crate) fn time_to_write(&self) -> Option<Duration> {
        if self.0.resigns.load(Ordering::SeqCst) {
            return None;
        }
        let elapsed = (*self.0.renewed.lock())?.elapsed();
        (elapsed < DEADLINE).then(|| WRITES_END - elapsed)
    }

    /// To be held by a write until it is answered.
    pub(crate) async fn writing(&self) -> Option<SemaphorePermit<'_>> {
        self.0.writes.acquire().await.ok()
    }

    /// Waits until this replica leads.
    pub(crate) async fn acquired(&self) {
        self.turns(true).await;
    }

    /// Waits until this replica doesn't lead.
    pub(crate) async fn lost(&self) {
        self.turns(false).await;
    }

    async fn turns(&self, leads: bool) {
        // The sender is part of this, so it is there.
        let _ = self.0.leads.subscribe().wait_for(|now| *now == leads).await;
    }

    /// The Lease was renewed, which counts unless the answer took too long.
    pub(crate) fn renewed(&self, renewal: Renewal) {
        self.holds(&self.0.identity);
        *self.0.renewed.lock() = Some(renewal);
        self.expire();
        if self.may_write() {
            self.turn(true);
        }
    }

    /// The Lease is another's, or was lost.
    pub(crate) fn gone(&self) {
        *self.0.renewed.lock() = None;
        self.turn(false);
    }

    /// Ends leading when the last renewal is too long ago.
    pub(crate) fn expire(&self) {
        let overdue = self
            .0
            .renewed
            .lock()
            .is_some_and(|renewed| renewed.elapsed() >= DEADLINE);
        if overdue {
            self.gone();
        }
    }

    fn turn(&self, leads: bool) {
        self.0
            .leads
            .send_if_modified(|now| std::mem::replace(now, leads) != leads);
    }

    /// Who has the Lease, as last seen.
    pub(crate) fn holds(&self, holder: &str) {
        holder.clone_into(&mut self.0.holder.lock());
    }

    /// Who leads, for people.
    pub(crate) fn describe(&self) -> String {
        if *self.0.leads.borrow() {
            return "this replica leads".into();
        }
        let holder = self.0.holder.lock();
        match holder.as_str() {
            "" => "nobody leads yet".into(),
            // Its own name: it could not renew.
            holder if holder == self.0.identity => "this replica stands by".into(),
            holder => format!("{holder} leads, this replica stands by"),
        }
    }

    /// Starts no more writes, and waits for those that have started.
    pub(crate) async fn finish_writes(&self) {
        self.0.resigns.store(true, Ordering::SeqCst);
        let all = self.0.writes.acquire_many(WRITES);
        // Past that they are over in any case.
        if let Ok(Ok(permits)) = tokio::time::timeout(WRITES_END, all).await {
            permits.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(time: Duration) -> Renewal {
        Renewal {
            at: Instant::now().checked_sub(time).unwrap(),
            wall: SystemTime::now() - time,
        }
    }

    fn leader(renewal: Renewal) -> Leadership {
        let leadership = Leadership::new("a".into());
        leadership.renewed(renewal);
        leadership
    }

    #[test]
    fn a_write_ends_before_another_may_lead() {
        assert!(PERIOD < DEADLINE && DEADLINE < WRITES_END && WRITES_END < DURATION);
        let fresh = leader(Renewal::now()).time_to_write().unwrap();
        assert!(fresh <= WRITES_END && fresh > DEADLINE);
        let late = leader(ago(DEADLINE - Duration::from_secs(1)));
        assert!(late.time_to_write().unwrap() <= WRITES_END - DEADLINE + Duration::from_secs(1));
    }

    #[test]
    fn a_renewal_that_was_answered_too_late_counts_for_nothing() {
        let leadership = leader(ago(DEADLINE));
        assert!(!leadership.may_write());
        assert_eq!(leadership.describe(), "this replica stands by");
    }

    #[test]
    fn the_clock_that_went_further_counts() {
        let slept = Renewal {
            at: Instant::now(),
            wall: SystemTime::now() - DEADLINE,
        };
        assert!(!leader(slept).may_write());
        let set_back = Renewal {
            at: Instant::now().checked_sub(DEADLINE).unwrap(),
            wall: SystemTime::now() + DEADLINE,
        };
        assert!(!leader(set_back).may_write());
    }

    #[tokio::test]
    async fn who_resigns_waits_for_its_writes() {
        let leadership = leader(Renewal::now());
        let write = leadership.writing().await.unwrap();
        let finishing = tokio::spawn({
            let leadership = leadership.clone();
            async move { leadership.finish_writes().await }
        });
        while leadership.may_write() {
            tokio::task::yield_now().await;
        }
        assert!(!finishing.is_finished());
        drop(write);
        finishing.await.unwrap();
    }
}
