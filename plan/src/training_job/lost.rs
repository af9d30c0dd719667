//! What an attempt left in the artifact store, when its pod was gone before anybody read its
//! message: a small Job reads the record there and says it again, so that what was published is
//! never trained again.

use std::time::Duration;

use jiff::Timestamp;
use millwright_crds::{
    LABEL_ATTEMPT, LABEL_ROLE, TrainingJobStatus,
    training_job::{Failure, FailureReason},
    wire::{self, Versioned},
};

use super::{Run, failure, job as pod, outcome::message_of};
use crate::{
    Operation, Plan,
    observed::{JobPhase, JobState, PodState},
    time,
};

/// How long after a store that can't be read is tried again: the pod itself has tried for a minute.
const AGAIN: Duration = Duration::from_secs(60);

/// What is known of a record in the store.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kept<T> {
    /// Nobody has looked.
    Unknown,
    /// A Job looks; when something keeps it from that, what.
    Looking(Option<Failure>),
    /// It is there.
    Found(T),
    /// It is not there, or is none.
    Nothing(Failure),
    /// The store could not be read.
    Unreadable {
        /// Why.
        failure: Failure,
        /// Time until the next try; zero when it is due.
        left: Duration,
    },
}

/// The Job with this role that looks for an attempt's record.
pub(super) fn job<'a>(attempt: u32, role: &str, jobs: &'a [JobState]) -> Option<&'a JobState> {
    let number = attempt.to_string();
    jobs.iter().find(|job| {
        job.label(LABEL_ROLE) == Some(role) && job.label(LABEL_ATTEMPT) == Some(&number)
    })
}

/// What is known of the record that a Job with this role looks for.
pub(super) fn kept<T: Versioned>(
    attempt: u32,
    role: &str,
    jobs: &[JobState],
    pods: &[PodState],
    now: Timestamp,
) -> Kept<T> {
    let Some(job) = job(attempt, role, jobs) else {
        return Kept::Unknown;
    };
    if job.deleting {
        return Kept::Looking(None);
    }
    let unreadable = |failure: Failure| {
        let ended = job.finished.or(job.created).unwrap_or(now);
        Kept::Unreadable {
            left: AGAIN.saturating_sub(time::between(ended, now)),
            failure,
        }
    };
    match &job.phase {
        JobPhase::Active => match failure::of_stuck_pod(attempt, job, pods, now) {
            Some(stuck) if failure::is_hopeless(job, pods, now) => unreadable(stuck),
            stuck => Kept::Looking(stuck),
        },
        JobPhase::Complete => match message_of(job, pods) {
            Some(text) => match wire::read(text.as_bytes()) {
                Ok(document) => Kept::Found(document),
                // Said by an agent of another version: the next one may be understood.
                Err(error) => unreadable(failure::plain(
                    FailureReason::Unknown,
                    error.to_string(),
                    attempt,
                    now,
                )),
            },
            None => unreadable(failure::plain(
                FailureReason::Unknown,
                "the pod that read it is gone".into(),
                attempt,
                now,
            )),
        },
        JobPhase::Failed { .. } => {
            let failure = failure::of_job(attempt, job, pods, now);
            match failure.reason {
                FailureReason::PublishFailed | FailureReason::EvaluationFailed => {
                    Kept::Nothing(failure)
                }
                _ => unreadable(failure),
            }
        }
    }
}

impl Run<'_> {
    /// The pod is gone and nobody read its message: a small Job reads the record in the store.
    pub(super) fn collect<T>(
        &self,
        attempt: u32,
        role: &str,
        kept: &Kept<T>,
    ) -> Plan<TrainingJobStatus> {
        match kept {
            Kept::Unknown => {
                let job = pod::collect(&self.seen.object, attempt, role, self.settings);
                let mut plan = Plan::status(self.collecting(attempt));
                self.claim_then(&mut plan, Operation::Create(crate::Object::built_in(&job)));
                plan
            }
            Kept::Unreadable { failure, left } => {
                let mut plan = self.unreadable(attempt, failure);
                match job(attempt, role, &self.seen.jobs) {
                    Some(job) if left.is_zero() => plan.operations.push(self.delete(job)),
                    _ => plan = plan.within(*left),
                }
                plan
            }
            Kept::Looking(Some(stuck)) => self.unreadable(attempt, stuck).within(failure::PATIENCE),
            Kept::Looking(None) | Kept::Found(_) | Kept::Nothing(_) => {
                Plan::status(self.collecting(attempt))
            }
        }
    }
}
