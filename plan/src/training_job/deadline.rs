//! `spec.activeDeadline`: the operator times, because when the Job controller's own deadline passes
//! the trainer's message can be read for a second or two only.

use std::time::Duration;

use jiff::Timestamp;
use millwright_crds::{
    common::Duration as Text,
    training_job::{Failure, FailureReason},
};

use super::{EVALUATION, Run, TRAINING, failure, lost};
use crate::{observed::JobPhase, time};

/// Time until the deadline; zero when it has passed, `None` when there is none or the run hasn't
/// started.
pub(super) fn left(
    limit: Option<Duration>,
    started: Option<Timestamp>,
    now: Timestamp,
) -> Option<Duration> {
    Some(limit?.saturating_sub(time::between(started?, now)))
}

/// The failure of a run that took too long.
pub(super) fn failure(limit: Duration, attempt: u32, now: Timestamp) -> Failure {
    let limit = Text::from_secs(limit.as_secs());
    let message = format!(
        "the run took longer than spec.activeDeadline ({limit}): raise it in a new TrainingJob, \
         or give the run less to do"
    );
    failure::plain(FailureReason::DeadlineExceeded, message, attempt, now)
}

impl Run<'_> {
    /// The limit, when the run has taken longer.
    pub(super) fn deadline_passed(&self) -> Option<Duration> {
        let limit = self.seen.object.spec.active_deadline?.as_std();
        (self.time_to_deadline()? == Duration::ZERO).then_some(limit)
    }

    /// Whether the last pod of the run had ended well before the deadline: that nobody looked then is
    /// not its fault.
    pub(super) fn ended_in_time(&self) -> bool {
        let spec = &self.seen.object.spec;
        let latest = self.latest(TRAINING);
        let last = latest.and_then(|(attempt, job)| match spec.evaluation {
            None => Some(job),
            Some(_) => lost::job(attempt, EVALUATION, &self.seen.jobs),
        });
        let limit = spec.active_deadline.map(|limit| limit.as_std());
        let ended = last.filter(|job| job.phase == JobPhase::Complete);
        let left = ended.and_then(|job| left(limit, self.started(), job.finished?));
        left.is_some_and(|left| !left.is_zero())
    }

    /// Time until the deadline, when it is known.
    pub(super) fn time_to_deadline(&self) -> Option<Duration> {
        left(
            self.seen
                .object
                .spec
                .active_deadline
                .map(|limit| limit.as_std()),
            self.started(),
            self.now,
        )
    }

    /// When the first attempt started.
    pub(super) fn started(&self) -> Option<Timestamp> {
        self.before
            .start_time
            .as_deref()
            .and_then(time::parse)
            .or_else(|| self.seen.jobs.iter().filter_map(|job| job.created).min())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let limit = Some(Duration::from_secs(60));
        assert_eq!(left(None, Some(at(0)), at(10)), None);
        assert_eq!(left(limit, None, at(10)), None);
        assert_eq!(
            left(limit, Some(at(0)), at(10)),
            Some(Duration::from_secs(50))
        );
        assert_eq!(left(limit, Some(at(0)), at(60)), Some(Duration::ZERO));
        assert_eq!(left(limit, Some(at(0)), at(600)), Some(Duration::ZERO));
        assert_eq!(left(limit, Some(at(10)), at(0)), limit);
    }
}
