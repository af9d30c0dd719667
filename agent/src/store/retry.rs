//! Waiting for a store that fails for a while.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use backon::{ExponentialBuilder, Retryable};

use super::{Problem, StoreError};

/// How long a failing store is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// Until then, also for what only people can mend: work would be lost.
    Until(Instant),
    /// This long from the first failure on. What only people can mend is not waited for.
    Failing(Duration),
}

impl Patience {
    /// Until this long from now.
    pub fn of(time: Duration) -> Self {
        Self::Until(Instant::now() + time)
    }
}

impl Default for Patience {
    /// A minute: pods that only read or sync are tried again by the operator.
    fn default() -> Self {
        Self::Failing(Duration::from_secs(60))
    }
}

/// Does something with the store, and again while it fails and patience is left: after 0.2 s, then
/// twice as long each time, at most 10 s, with jitter. This is the one place where the store is
/// tried again; what it asks for ends within the bounds of [`crate::remote::client`], or the
/// kernel's.
///
/// # Errors
/// The last error, or at once one that time doesn't heal.
pub(crate) async fn with_retry<T, F, W>(patience: Patience, what: W) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
    W: FnMut() -> F,
{
    // With a time after the first failure, that failure is when this is asked for the first time.
    let end = OnceLock::new();
    let left = || {
        let end = end.get_or_init(|| match patience {
            Patience::Until(end) => end,
            Patience::Failing(time) => Instant::now() + time,
        });
        end.saturating_duration_since(Instant::now())
    };
    what.retry(
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(10))
            .with_jitter()
            .without_max_times(),
    )
    .when(|error| heals(error.problem, patience) && !left().is_zero())
    .adjust(|_, delay| {
        let left = left();
        delay
            .map(|delay| delay.min(left))
            .filter(|_| !left.is_zero())
    })
    .notify(|error, delay| {
        tracing::warn!("{error}; trying again in {:.1} s", delay.as_secs_f64());
    })
    .await
}

/// Whether waiting can help.
fn heals(problem: Problem, patience: Patience) -> bool {
    match problem {
        Problem::Transient | Problem::Conflict => true,
        Problem::Denied => matches!(patience, Patience::Until(_)),
        Problem::Absent
        | Problem::Corrupted
        | Problem::Changed
        | Problem::File
        | Problem::Refused => false,
    }
}
