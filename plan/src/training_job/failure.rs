//! Why an attempt failed, in one word and with its last lines.

use std::time::Duration;

use jiff::Timestamp;
use millwright_crds::{
    training_job::{Failure, FailureReason},
    wire::{self, attempt::AgentFailure},
};

use super::outcome::pod_of;
use crate::{
    Reason,
    observed::{ContainerState, JobPhase, JobState, Lifecycle, PodState, Terminated},
    pod::start,
    time,
};

/// How long an image that can't be pulled, or a container that can't be started, may stay so until
/// the attempt counts as failed: registries and Secrets come back within minutes, or not at all.
pub(super) const PATIENCE: Duration = Duration::from_secs(300);

/// Most bytes of a message in status.
pub(super) const MESSAGE_LIMIT: usize = 1_024;
/// Most bytes of a log in status.
const LOG_LIMIT: usize = 2_048;

/// The condition's reason for a failure.
pub(super) fn reason(reason: FailureReason) -> Reason {
    match reason {
        FailureReason::InvalidSpec => Reason::InvalidSpec,
        FailureReason::InputUnavailable => Reason::InputUnavailable,
        FailureReason::ImagePull => Reason::ImagePull,
        FailureReason::ContainerStart => Reason::ContainerStart,
        FailureReason::OOMKilled => Reason::OOMKilled,
        FailureReason::ExitCode => Reason::ExitCode,
        FailureReason::Evicted => Reason::Evicted,
        FailureReason::PodDeleted => Reason::PodDeleted,
        FailureReason::DeadlineExceeded => Reason::DeadlineExceeded,
        FailureReason::PublishFailed => Reason::PublishFailed,
        FailureReason::EvaluationFailed => Reason::EvaluationFailed,
        FailureReason::PodRefused => Reason::PodRefused,
        FailureReason::Unknown => Reason::Unknown,
    }
}

/// A failure without a container.
pub(super) fn plain(
    reason: FailureReason,
    message: String,
    attempt: u32,
    now: Timestamp,
) -> Failure {
    Failure {
        reason,
        message: cut(&message, MESSAGE_LIMIT),
        attempt,
        exit_code: None,
        pod: None,
        container: None,
        log: None,
        at: time::format(now),
    }
}

/// Why a pod that hasn't ended gets nowhere; `None` when nothing is wrong with it.
pub(super) fn of_stuck_pod(
    attempt: u32,
    job: &JobState,
    pods: &[PodState],
    now: Timestamp,
) -> Option<Failure> {
    let pod = pod_of(job, pods)?;
    pod.containers.iter().find_map(|container| {
        let Lifecycle::Waiting { reason, message } = &container.state else {
            return None;
        };
        let (reason, words) = match reason.as_str() {
            "ImagePullBackOff"
            | "ErrImagePull"
            | "ErrImageNeverPull"
            | "InvalidImageName"
            | "ImageInspectError"
            | "RegistryUnavailable" => (FailureReason::ImagePull, "the image can't be pulled"),
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => (
                FailureReason::ContainerStart,
                "the container can't be started",
            ),
            _ => return None,
        };
        let message = start::explain(message);
        let text = format!("container {}: {words}: {message}", container.name);
        Some(Failure {
            pod: Some(pod.name.clone()),
            container: Some(container.name.clone()),
            ..plain(reason, text, attempt, now)
        })
    })
}

/// Whether the pod of a Job, being stuck, has had its time. That it waited for a node, or fetched its
/// inputs, is not held against it.
pub(super) fn is_hopeless(job: &JobState, pods: &[PodState], now: Timestamp) -> bool {
    let moved = pod_of(job, pods).and_then(PodState::moved);
    let since = job.created.max(moved);
    since.is_some_and(|since| time::between(since, now) >= PATIENCE)
}

/// The failure of an attempt whose node is lost.
pub(super) fn of_lost_pod(attempt: u32, pod: &PodState, now: Timestamp) -> Failure {
    let text = format!(
        "pod {} was to be gone and is not: nothing is heard of its node. It does not count as a \
         failure",
        pod.name
    );
    Failure {
        pod: Some(pod.name.clone()),
        ..plain(FailureReason::Evicted, text, attempt, now)
    }
}

/// Why a Job that failed did so.
pub(super) fn of_job(attempt: u32, job: &JobState, pods: &[PodState], now: Timestamp) -> Failure {
    let at = job.finished.unwrap_or(now);
    let JobPhase::Failed {
        reason: job_reason,
        message: job_message,
    } = &job.phase
    else {
        return plain(
            FailureReason::Unknown,
            "the Job has not failed".into(),
            attempt,
            at,
        );
    };
    let pod = pod_of(job, pods);
    if job_reason == "PodFailurePolicy" {
        let why = pod.and_then(|pod| pod.disrupted.clone().or_else(|| pod.reason.clone()));
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        let text = format!("the pod was evicted or preempted{why}: it does not count as a failure");
        return Failure {
            pod: pod.map(|pod| pod.name.clone()),
            ..plain(FailureReason::Evicted, text, attempt, at)
        };
    }
    let Some(pod) = pod else {
        let text = format!("the pod was deleted before it ended: {job_message}");
        return plain(FailureReason::PodDeleted, text, attempt, at);
    };
    match culprit(pod) {
        Some((container, end)) => Failure {
            pod: Some(pod.name.clone()),
            ..of_container(container, end, pod, attempt, at)
        },
        None => {
            let deleted = pod.deleting;
            let reason = if deleted {
                FailureReason::PodDeleted
            } else {
                FailureReason::Unknown
            };
            let text = pod.message.clone().unwrap_or_else(|| job_message.clone());
            let text = if deleted {
                format!("the pod was deleted: {text}")
            } else {
                text
            };
            Failure {
                pod: Some(pod.name.clone()),
                ..plain(reason, text, attempt, at)
            }
        }
    }
}

/// The container that ended badly first. Sidecars are stopped by the kubelet when all is over, so
/// they come last.
fn culprit(pod: &PodState) -> Option<(&ContainerState, &Terminated)> {
    let bad =
        |container: &&ContainerState| container.terminated().is_some_and(|end| end.exit_code != 0);
    let containers = &pod.containers;
    containers
        .iter()
        .filter(|c| !c.init)
        .find(bad)
        .or_else(|| containers.iter().filter(|c| c.init).find(bad))
        .and_then(|container| Some((container, container.terminated()?)))
}

fn of_container(
    container: &ContainerState,
    end: &Terminated,
    pod: &PodState,
    attempt: u32,
    at: Timestamp,
) -> Failure {
    let name = &container.name;
    let code = end.exit_code;
    let (reason, text, log) = if end.reason == "OOMKilled" {
        let text = format!("container {name} went over its memory limit and was killed");
        (FailureReason::OOMKilled, text, Some(end.message.clone()))
    } else if let Ok(said) = wire::read::<AgentFailure>(end.message.as_bytes()) {
        (said.reason, said.message, None)
    } else if matches!(end.reason.as_str(), "StartError" | "ContainerCannotRun") {
        let text = format!("container {name} can't be started: {}", end.message);
        (FailureReason::ContainerStart, text, None)
    } else if pod.deleting && (code == 143 || code == 137) {
        let text = format!("the pod was deleted while container {name} ran");
        (FailureReason::PodDeleted, text, Some(end.message.clone()))
    } else {
        let text = format!(
            "container {name} ended with exit code {code}{}",
            meaning(code)
        );
        (FailureReason::ExitCode, text, Some(end.message.clone()))
    };
    Failure {
        exit_code: Some(code),
        container: Some(name.clone()),
        log: log
            .filter(|log| !log.is_empty())
            .map(|log| tail(&log, LOG_LIMIT)),
        ..plain(reason, text, attempt, at)
    }
}

/// What an exit code says by custom.
fn meaning(code: i32) -> &'static str {
    match code {
        126 => ": the command can't be executed",
        127 => ": the command was not found",
        137 => ": it was killed (SIGKILL)",
        139 => ": it crashed (SIGSEGV)",
        143 => ": it was asked to end (SIGTERM)",
        _ => "",
    }
}

pub(super) fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// The end of a text, at most `limit` bytes.
fn tail(text: &str, limit: usize) -> String {
    let mut start = text.len().saturating_sub(limit);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}
