//! How an attempt stands, from its Job and its pod.

use std::time::Duration;

use jiff::Timestamp;
use millwright_crds::{
    training_job::{Failure, FailureReason, TrainingJobPhase},
    wire::{self, attempt::AttemptResult},
};

use super::{
    COLLECT, failure,
    lost::{self, Kept},
    progress,
};
use crate::{
    Reason,
    observed::{
        ContainerState, JobPhase, JobState, LABEL_JOB, Lifecycle, PodState, SETTLING, Terminated,
    },
    pod::{agent, refused},
    time,
};

/// Most pods run by then. For one that doesn't yet, the status says what it does.
const SLOW: Duration = Duration::from_secs(60);

/// How an attempt stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Not ended.
    Waiting(Waiting),
    /// Its pod was to be gone and is not: nothing is heard of its node.
    NodeLost(Failure),
    /// Ended, and its pod's end should be seen within this time.
    Settling(Duration),
    /// Ended well, but its message wasn't read before the pod was gone.
    Lost(Kept<AttemptResult>),
    /// Ended well.
    Succeeded(AttemptResult),
    /// Ended badly.
    Failed(Failure),
}

/// Where an attempt that hasn't ended stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Waiting {
    /// Phase of the run.
    pub phase: TrainingJobPhase,
    /// Why.
    pub reason: Reason,
    /// In words.
    pub message: String,
    /// Something a person should see although the attempt may still end well.
    pub failure: Option<Failure>,
    /// Name of the pod.
    pub pod: Option<String>,
    /// Image that the trainer runs, with its digest when known.
    pub image: Option<String>,
    /// When to look again: for what no event tells.
    pub look_again: Option<Duration>,
}

/// How attempt `attempt` stands.
pub(super) fn of_attempt(
    attempt: u32,
    job: &JobState,
    jobs: &[JobState],
    pods: &[PodState],
    now: Timestamp,
) -> Outcome {
    if let Some(left) = settling(job, pods, now) {
        return Outcome::Settling(left);
    }
    if let Some(pod) = lost(job, pods, now) {
        return Outcome::NodeLost(failure::of_lost_pod(attempt, pod, now));
    }
    match &job.phase {
        JobPhase::Active => match failure::of_stuck_pod(attempt, job, pods, now) {
            Some(failure) if failure::is_hopeless(job, pods, now) => Outcome::Failed(failure),
            stuck => Outcome::Waiting(waiting(attempt, job, stuck, pod_of(job, pods), now)),
        },
        JobPhase::Complete => match message_of(job, pods) {
            Some(text) => match wire::read(text.as_bytes()) {
                Ok(result) => Outcome::Succeeded(result),
                Err(error) => Outcome::Failed(failure::plain(
                    FailureReason::PublishFailed,
                    error.to_string(),
                    attempt,
                    now,
                )),
            },
            None => match lost::kept(attempt, COLLECT, jobs, pods, now) {
                Kept::Found(result) => Outcome::Succeeded(result),
                Kept::Nothing(failure) => Outcome::Failed(failure),
                kept => Outcome::Lost(kept),
            },
        },
        JobPhase::Failed { .. } => Outcome::Failed(failure::of_job(attempt, job, pods, now)),
    }
}

/// Whether a Job has ended and its pod has not been seen to end yet; how long that may take.
pub(super) fn settling(job: &JobState, pods: &[PodState], now: Timestamp) -> Option<Duration> {
    let ended = job.finished.filter(|_| job.phase != JobPhase::Active)?;
    pod_of(job, pods).filter(|pod| trainer_runs(pod) || has_failed_unseen(job, pod))?;
    SETTLING
        .checked_sub(time::between(ended, now))
        .filter(|left| !left.is_zero())
}

/// Whether a Job has failed by its pod, of which no container was seen to end yet.
fn has_failed_unseen(job: &JobState, pod: &PodState) -> bool {
    let by_pod =
        matches!(&job.phase, JobPhase::Failed { reason, .. } if reason != "PodFailurePolicy");
    let open = |container: &ContainerState| container.terminated().is_none();
    by_pod && !pod.containers.is_empty() && pod.containers.iter().all(open)
}

/// The pod of a Job under way, if nothing is heard of its node any more.
pub(super) fn lost<'a>(
    job: &JobState,
    pods: &'a [PodState],
    now: Timestamp,
) -> Option<&'a PodState> {
    pod_of(job, pods).filter(|pod| job.phase == JobPhase::Active && pod.lost(now))
}

/// Whether the main container of a pod runs.
pub(super) fn trainer_runs(pod: &PodState) -> bool {
    pod.containers
        .iter()
        .any(|c| !c.init && matches!(c.state, Lifecycle::Running { .. }))
}

/// The pod of a Job.
pub(super) fn pod_of<'a>(job: &JobState, pods: &'a [PodState]) -> Option<&'a PodState> {
    pods.iter()
        .find(|pod| pod.label(LABEL_JOB) == Some(job.uid.as_str()))
}

/// The termination message of the main container of a Job's pod, if it ended well.
pub(super) fn message_of(job: &JobState, pods: &[PodState]) -> Option<String> {
    said(pod_of(job, pods)?)
}

/// The termination message of the main container, if it ended well.
pub(super) fn said(pod: &PodState) -> Option<String> {
    pod.containers
        .iter()
        .filter(|container| !container.init)
        .filter_map(ContainerState::terminated)
        .find(|end| end.exit_code == 0 && end.message.starts_with('{'))
        .map(|end| end.message.clone())
}

fn waiting(
    attempt: u32,
    job: &JobState,
    stuck: Option<Failure>,
    pod: Option<&PodState>,
    now: Timestamp,
) -> Waiting {
    let name = pod.map(|pod| pod.name.clone());
    let refused = refused::explain(job, now).filter(|_| pod.is_none());
    let refused = refused.map(|why| failure::plain(FailureReason::PodRefused, why, attempt, now));
    if let Some(failure) = stuck.or(refused) {
        return Waiting {
            phase: TrainingJobPhase::Preparing,
            reason: failure::reason(failure.reason),
            message: failure.message.clone(),
            failure: Some(failure),
            pod: name,
            image: None,
            look_again: pod.map(|_| failure::PATIENCE),
        };
    }
    let plain = |phase, reason, message: String| Waiting {
        phase,
        reason,
        message,
        failure: None,
        pod: name.clone(),
        image: None,
        look_again: None,
    };
    let Some(pod) = pod else {
        let message = format!("attempt {attempt}: waits for its pod");
        return Waiting {
            look_again: refused::patience_left(job, now),
            ..plain(TrainingJobPhase::Pending, Reason::Preparing, message)
        };
    };
    if let Some(why) = &pod.unschedulable {
        let message = format!("attempt {attempt}: the pod can't be placed: {why}");
        return plain(TrainingJobPhase::Preparing, Reason::Unschedulable, message);
    }
    let trainer = pod
        .containers
        .iter()
        .find(|c| !c.init && !matches!(c.state, Lifecycle::Waiting { .. }));
    match trainer.map(|container| (&container.state, container)) {
        Some((Lifecycle::Running { .. }, container)) => Waiting {
            image: container.image_id.clone(),
            look_again: Some(progress::EVERY),
            ..plain(
                TrainingJobPhase::Running,
                Reason::Running,
                format!("attempt {attempt} runs"),
            )
        },
        Some((Lifecycle::Terminated(Terminated { exit_code: 0, .. }), _)) => plain(
            TrainingJobPhase::Publishing,
            Reason::Publishing,
            format!("attempt {attempt} has ended; its result is being read"),
        ),
        _ => {
            let fetching = pod
                .container(agent::FETCH)
                .is_some_and(|c| matches!(c.state, Lifecycle::Running { .. }));
            let what = if fetching {
                "its inputs are being fetched".to_owned()
            } else {
                format!(
                    "its pod is starting; if it takes long, its Events say why (kubectl describe \
                     pod {})",
                    pod.name
                )
            };
            let age = job.started.map(|started| time::between(started, now));
            let left = age.and_then(|age| SLOW.checked_sub(age));
            let slow = age.is_some() && left.is_none_or(|left| left.is_zero());
            let phase = if slow {
                TrainingJobPhase::Preparing
            } else {
                TrainingJobPhase::Pending
            };
            Waiting {
                look_again: left.filter(|left| !left.is_zero()),
                ..plain(
                    phase,
                    Reason::Preparing,
                    format!("attempt {attempt}: {what}"),
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::Labels;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn job() -> JobState {
        JobState {
            name: "run-1".into(),
            uid: "j".into(),
            labels: Labels::default(),
            resolved: None,
            created: Some(at(0)),
            started: Some(at(0)),
            phase: JobPhase::Active,
            finished: None,
            deleting: false,
        }
    }

    fn pod() -> PodState {
        PodState {
            name: "run-1-0-x".into(),
            uid: "p".into(),
            labels: Labels::from_iter([(LABEL_JOB, "j")]),
            ip: None,
            phase: "Pending".into(),
            reason: None,
            message: None,
            ready: false,
            unschedulable: None,
            disrupted: None,
            deleting: false,
            gone_by: None,
            placed: None,
            containers: vec![],
        }
    }

    /// An attempt that doesn't get on says so after a while, and is silent before.
    #[test]
    fn what_keeps_an_attempt_from_running() {
        use TrainingJobPhase::{Pending, Preparing};
        for (pods, second, phase, reason, words, again) in [
            (
                vec![],
                4,
                Pending,
                Reason::Preparing,
                "waits for its pod",
                Some(6),
            ),
            (
                vec![],
                10,
                Preparing,
                Reason::PodRefused,
                "describe job run-1",
                None,
            ),
            (
                vec![pod()],
                20,
                Pending,
                Reason::Preparing,
                "is starting",
                Some(40),
            ),
            (
                vec![pod()],
                60,
                Preparing,
                Reason::Preparing,
                "describe pod run-1-0-x",
                None,
            ),
        ] {
            let Outcome::Waiting(waiting) = of_attempt(1, &job(), &[], &pods, at(second)) else {
                panic!("it has ended after {second} s");
            };
            assert_eq!(
                (waiting.phase, waiting.reason),
                (phase, reason),
                "{second} s"
            );
            assert!(waiting.message.contains(words), "{}", waiting.message);
            assert_eq!(
                waiting.look_again,
                again.map(Duration::from_secs),
                "{second} s"
            );
        }
        let unseen = JobState {
            started: None,
            ..job()
        };
        let Outcome::Waiting(waiting) = of_attempt(1, &unseen, &[], &[], at(1_000)) else {
            panic!("it has ended");
        };
        assert_eq!((waiting.phase, waiting.look_again), (Pending, None));
    }

    /// A training that is done isn't thrown away because its evaluation can't start at once.
    #[test]
    fn what_keeps_an_evaluation_from_running() {
        use super::super::evaluation;
        let mut stuck = pod();
        stuck.containers = vec![ContainerState {
            name: "evaluator".into(),
            init: false,
            image_id: None,
            state: Lifecycle::Waiting {
                reason: "ErrImagePull".into(),
                message: "no answer".into(),
            },
            last: None,
            restarts: 0,
        }];
        let outcome =
            |pods: &[PodState], second| match evaluation::outcome(1, &job(), &[], pods, at(second))
            {
                evaluation::Outcome::Waiting(obstacle) => (false, obstacle.map(|why| why.reason)),
                evaluation::Outcome::Failed(failure) => (true, Some(failure.reason)),
                other => panic!("{other:?}"),
            };
        let stuck = [stuck];
        let pull = Some(FailureReason::ImagePull);
        assert_eq!(outcome(&stuck, 1), (false, pull));
        assert_eq!(outcome(&stuck, 300), (true, pull));
        assert_eq!(outcome(&[], 1), (false, None));
        assert_eq!(outcome(&[], 10), (false, Some(FailureReason::PodRefused)));
    }
}
