//! How an attempt stands, from its Job and its pod.

use std::time::Duration;

use jiff::Timestamp;
use millwright_crds::{
    LABEL_ATTEMPT, LABEL_ROLE,
    training_job::{Failure, FailureReason, TrainingJobPhase},
    wire::{self, attempt::AttemptResult},
};

use super::{COLLECT, TRAINING, failure};
use crate::{
    Reason,
    observed::{ContainerState, JobPhase, JobState, Lifecycle, PodState, Terminated},
    pod::agent,
};

/// How an attempt stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Not ended.
    Waiting(Waiting),
    /// Ended well, but its message wasn't read before the pod was gone.
    Lost,
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
    pods: &[PodState],
    now: Timestamp,
) -> Outcome {
    match &job.phase {
        JobPhase::Active => match failure::of_stuck_pod(attempt, TRAINING, pods, now) {
            Some(failure) if failure::is_hopeless(&failure, job, now) => Outcome::Failed(failure),
            stuck => Outcome::Waiting(waiting(attempt, stuck, pod_of(attempt, TRAINING, pods))),
        },
        JobPhase::Complete => {
            let message =
                message_of(attempt, TRAINING, pods).or_else(|| message_of(attempt, COLLECT, pods));
            match message.as_deref().map(|text| wire::read(text.as_bytes())) {
                Some(Ok(result)) => Outcome::Succeeded(result),
                Some(Err(error)) => Outcome::Failed(failure::plain(
                    FailureReason::PublishFailed,
                    error.to_string(),
                    attempt,
                    now,
                )),
                None => Outcome::Lost,
            }
        }
        JobPhase::Failed { .. } => {
            Outcome::Failed(failure::of_job(attempt, TRAINING, job, pods, now))
        }
    }
}

/// The pod of an attempt with this role.
pub(super) fn pod_of<'a>(attempt: u32, role: &str, pods: &'a [PodState]) -> Option<&'a PodState> {
    let number = attempt.to_string();
    pods.iter().find(|pod| {
        pod.label(LABEL_ROLE) == Some(role) && pod.label(LABEL_ATTEMPT) == Some(number.as_str())
    })
}

/// The termination message of the main container that ended well.
pub(super) fn message_of(attempt: u32, role: &str, pods: &[PodState]) -> Option<String> {
    let pod = pod_of(attempt, role, pods)?;
    pod.containers
        .iter()
        .filter(|container| !container.init)
        .filter_map(ContainerState::terminated)
        .find(|end| end.exit_code == 0 && end.message.starts_with('{'))
        .map(|end| end.message.clone())
}

fn waiting(attempt: u32, stuck: Option<Failure>, pod: Option<&PodState>) -> Waiting {
    let name = pod.map(|pod| pod.name.clone());
    if let Some(failure) = stuck {
        return Waiting {
            phase: TrainingJobPhase::Preparing,
            reason: failure::reason(failure.reason),
            message: failure.message.clone(),
            failure: Some(failure),
            pod: name,
            image: None,
            look_again: Some(failure::PATIENCE),
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
        return plain(TrainingJobPhase::Pending, Reason::Preparing, message);
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
                "its inputs are being fetched"
            } else {
                "its pod is starting"
            };
            plain(
                TrainingJobPhase::Pending,
                Reason::Preparing,
                format!("attempt {attempt}: {what}"),
            )
        }
    }
}
