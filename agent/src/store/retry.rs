//! Waiting for a store that fails for a while.

use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};

use super::{Problem, StoreError};

/// How long a failing store is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    until: Instant,
}

impl Patience {
    /// Until this long from now.
    pub fn of(time: Duration) -> Self {
        Self {
            until: Instant::now() + time,
        }
    }

    /// What is left.
    pub fn left(self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

impl Default for Patience {
    /// A minute: pods that only read or sync are tried again by the operator.
    fn default() -> Self {
        Self::of(Duration::from_secs(60))
    }
}

/// Does something with the store, and again while it fails and patience is left: after 0.2 s, then
/// twice as long each time, at most 10 s, with jitter.
///
/// # Errors
/// The last error, or at once one that time doesn't heal.
pub(crate) async fn with_retry<T, F, W>(patience: Patience, what: W) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
    W: FnMut() -> F,
{
    what.retry(
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(10))
            .with_jitter()
            .without_max_times(),
    )
    .when(|error| error.problem == Problem::Transient && !patience.left().is_zero())
    .adjust(move |_, delay| {
        let left = patience.left();
        delay
            .map(|delay| delay.min(left))
            .filter(|_| !left.is_zero())
    })
    .notify(|error, delay| {
        tracing::warn!("{error}; trying again in {:.1} s", delay.as_secs_f64());
    })
    .await
}
