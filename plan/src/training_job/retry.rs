//! Whether an attempt that failed is followed by another.

use std::time::Duration;

use millwright_crds::{
    LABEL_ROLE, TrainingJobStatus,
    training_job::{Failure, FailureReason, Retry},
};

use super::{Run, TRAINING, inputs};
use crate::{
    Plan, SpecError,
    observed::{JobPhase, JobState},
    time,
};

/// Attempts that count against the limit: those that failed and were not disrupted. Status and Jobs
/// may each have lost some of them, so the greater number counts.
///
/// `before` is what status knew, and `is_new` whether it did not know the last failure.
pub(super) fn count_failures(
    jobs: &[JobState],
    before: u32,
    last: FailureReason,
    is_new: bool,
) -> u32 {
    let failed = jobs.iter().filter(|job| {
        job.label(LABEL_ROLE) == Some(TRAINING)
            && matches!(&job.phase, JobPhase::Failed { reason, .. } if reason != "PodFailurePolicy")
    });
    let known = before.saturating_add(u32::from(is_new && last != FailureReason::Evicted));
    u32::try_from(failed.count()).unwrap_or(u32::MAX).max(known)
}

/// Attempts that were disrupted. They don't count against the limit, but each waits longer than the
/// one before: what fills its node does so on the next one, too.
pub(super) fn count_disruptions(jobs: &[JobState]) -> u32 {
    let disrupted = jobs.iter().filter(|job| {
        job.label(LABEL_ROLE) == Some(TRAINING)
            && matches!(&job.phase, JobPhase::Failed { reason, .. } if reason == "PodFailurePolicy")
    });
    u32::try_from(disrupted.count()).unwrap_or(u32::MAX)
}

/// How long to wait before the next attempt; `None` when there is none.
///
/// `failures` counts this one, of its sort: disruptions, or the others. The wait is `initial · 2^(failures − 1)`, at most `max`: the
/// binary exponential backoff that Jobs use, with the run's own bounds.
pub(super) fn decide(retry: &Retry, failure: &Failure, failures: u32) -> Option<Duration> {
    match failure.reason {
        FailureReason::Evicted => return Some(wait(retry, failures)),
        // The kubelet has tried these again and again already.
        FailureReason::ImagePull | FailureReason::ContainerStart => return None,
        FailureReason::InvalidSpec | FailureReason::DeadlineExceeded => return None,
        FailureReason::ExitCode if !retry.on_exit_codes.is_empty() => {
            let worth = failure
                .exit_code
                .is_some_and(|code| retry.on_exit_codes.contains(&code));
            if !worth {
                return None;
            }
        }
        _ => {}
    }
    if failures > retry.limit {
        return None;
    }
    Some(wait(retry, failures))
}

fn wait(retry: &Retry, times: u32) -> Duration {
    let doublings = times.saturating_sub(1).min(31);
    let wait = retry
        .backoff
        .initial
        .as_std()
        .saturating_mul(1 << doublings);
    wait.min(retry.backoff.max.as_std())
}

impl Run<'_> {
    /// Another attempt, now or later, or the end of the run.
    pub(super) fn retry_or_fail(
        &self,
        attempt: u32,
        job: &JobState,
        failure: Failure,
    ) -> Result<Plan<TrainingJobStatus>, SpecError> {
        let failures = count_failures(
            &self.seen.jobs,
            self.before.failures,
            failure.reason,
            !self.knows_failure_of(attempt),
        );
        let times = match failure.reason {
            FailureReason::Evicted => count_disruptions(&self.seen.jobs),
            _ => failures,
        };
        let decision = decide(&self.seen.object.spec.retry, &failure, times);
        let ended = job.finished.unwrap_or(self.now);
        let Some(delay) = decision else {
            let mut plan = self.fail(failure);
            plan.status.failures = failures;
            return Ok(plan);
        };
        let between = self.between_attempts(attempt, failures, failure, delay);
        let left = delay.saturating_sub(time::between(ended, self.now));
        if !left.is_zero() {
            return Ok(between.within(left));
        }
        // The inputs of the first attempt are the inputs of the run.
        let resolved = inputs::read(job.resolved.as_deref());
        let mut plan = self.start_attempt(&resolved)?;
        // A failure that is only seen when its time is over is told all the same.
        plan.status = between.status;
        plan.events.splice(0..0, between.events);
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use millwright_crds::{common::Duration as Text, training_job::Backoff};
    use proptest::prelude::*;

    use super::*;
    use crate::training_job::failure::plain;

    fn retry(limit: u32, on_exit_codes: Vec<i32>) -> Retry {
        let backoff = Backoff {
            initial: Text::from_secs(10),
            max: Text::from_secs(60),
        };
        Retry {
            limit,
            backoff,
            on_exit_codes,
        }
    }

    fn failed(reason: FailureReason, exit_code: Option<i32>) -> Failure {
        Failure {
            exit_code,
            ..plain(reason, String::new(), 1, Timestamp::UNIX_EPOCH)
        }
    }

    #[test]
    fn table() {
        use FailureReason::{
            DeadlineExceeded, Evicted, ExitCode, ImagePull, InvalidSpec, OOMKilled,
        };
        let seconds = |s| Some(Duration::from_secs(s));
        for (reason, code, codes, limit, failures, expected) in [
            (ExitCode, Some(3), vec![], 3, 1, seconds(10)),
            (ExitCode, Some(3), vec![], 3, 3, seconds(40)),
            (ExitCode, Some(3), vec![], 9, 5, seconds(60)),
            (ExitCode, Some(3), vec![], 3, 4, None),
            (ExitCode, Some(3), vec![], 0, 1, None),
            (ExitCode, Some(3), vec![7], 3, 1, None),
            (ExitCode, Some(7), vec![7], 3, 1, seconds(10)),
            (OOMKilled, Some(137), vec![7], 3, 1, seconds(10)),
            (Evicted, None, vec![], 0, 1, seconds(10)),
            (Evicted, None, vec![], 0, 2, seconds(20)),
            (Evicted, None, vec![], 0, 9, seconds(60)),
            (InvalidSpec, None, vec![], 3, 1, None),
            (ImagePull, None, vec![], 3, 0, None),
            (DeadlineExceeded, None, vec![], 3, 1, None),
        ] {
            let decision = decide(&retry(limit, codes), &failed(reason, code), failures);
            assert_eq!(decision, expected, "{reason:?} {failures} of {limit}");
        }
    }

    proptest! {
        #[test]
        fn waits_are_bounded_and_attempts_too(failures in any::<u32>(), limit in 0u32..=20) {
            let decision =
                decide(&retry(limit, vec![]), &failed(FailureReason::ExitCode, Some(1)), failures);
            prop_assert_eq!(decision.is_some(), failures <= limit);
            prop_assert!(decision.is_none_or(|wait| wait <= Duration::from_secs(60)));
        }
    }
}
