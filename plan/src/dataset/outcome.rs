//! How a sync stands, from its Job and its pod.

use std::time::Duration;

use jiff::Timestamp;
use millwright_crds::{
    training_job::FailureReason,
    wire::{self, attempt::AgentFailure, sync::SyncResult},
};

use super::SYNC;
use crate::{
    Reason,
    observed::{
        ContainerState, JobPhase, JobState, LABEL_JOB, Lifecycle, PodState, SETTLING, Terminated,
    },
    pod::{refused, start},
    time,
};

/// How long the kubelet may try to pull an image or to start a container before the sync counts as
/// failed: the next one is made from the settings of that time.
const PATIENCE: Duration = Duration::from_secs(300);
/// Most characters of a log in a message.
const LOG_LIMIT: usize = 400;

/// How a sync stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Under way; when something is in its way, what.
    Running {
        /// What keeps it from starting.
        obstacle: Option<Obstacle>,
        /// Whether its container has started.
        started: bool,
        /// When to look again, for what no event tells.
        look_again: Option<Duration>,
    },
    /// Ended, and its pod's end should be seen within this time.
    Settling(Duration),
    /// Ended well, but nobody read what it found.
    Lost,
    /// Ended badly, or got nowhere for too long.
    Failed(Obstacle),
    /// Ended well.
    Succeeded(Box<SyncResult>),
}

/// What keeps a sync from its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// One word.
    pub reason: Reason,
    /// In words.
    pub message: String,
}

impl Obstacle {
    fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// How the sync of this Job stands.
pub(super) fn of(job: &JobState, pods: &[PodState], now: Timestamp) -> Outcome {
    let pod = pods
        .iter()
        .find(|pod| pod.label(LABEL_JOB) == Some(job.uid.as_str()));
    let end = pod.and_then(|pod| pod.container(SYNC)?.terminated());
    if job.phase == JobPhase::Active {
        if pod.is_some_and(|pod| pod.lost(now)) {
            return Outcome::Lost;
        }
        return active(job, pod, now);
    }
    if end.is_none() {
        let ended = job.finished.or(job.created);
        let waited = ended.map_or(SETTLING, |ended| time::between(ended, now));
        if let Some(left) = SETTLING.checked_sub(waited).filter(|left| !left.is_zero()) {
            return Outcome::Settling(left);
        }
    }
    match (&job.phase, end) {
        (JobPhase::Failed { message, .. }, end) => Outcome::Failed(failure(pod, end, message)),
        (_, None) => Outcome::Lost,
        (_, Some(end)) => match wire::read::<SyncResult>(end.message.as_bytes()) {
            Ok(result) => Outcome::Succeeded(Box::new(result)),
            Err(error) => Outcome::Failed(Obstacle::new(
                Reason::SyncFailed,
                format!("the sync ended well, but {error}"),
            )),
        },
    }
}

fn active(job: &JobState, pod: Option<&PodState>, now: Timestamp) -> Outcome {
    let since = job.created.max(pod.and_then(PodState::moved));
    let age = since.map_or(Duration::ZERO, |since| time::between(since, now));
    let left = |limit: Duration| limit.checked_sub(age).filter(|left| !left.is_zero());
    let running = |obstacle, started, look_again| Outcome::Running {
        obstacle,
        started,
        look_again,
    };
    let Some(pod) = pod else {
        let obstacle =
            refused::explain(job, now).map(|message| Obstacle::new(Reason::PodRefused, message));
        return running(obstacle, false, refused::patience_left(job, now));
    };
    if let Some(why) = &pod.unschedulable {
        let message = format!("the sync's pod can't be placed: {why}");
        return running(
            Some(Obstacle::new(Reason::Unschedulable, message)),
            false,
            None,
        );
    }
    let container = pod.container(SYNC);
    if let Some(obstacle) = container.and_then(stuck) {
        return match left(PATIENCE) {
            Some(left) => running(Some(obstacle), false, Some(left)),
            None => Outcome::Failed(obstacle),
        };
    }
    let started = container.is_some_and(|c| !matches!(c.state, Lifecycle::Waiting { .. }));
    running(None, started, None)
}

/// Why a container doesn't start although its pod was placed.
fn stuck(container: &ContainerState) -> Option<Obstacle> {
    let Lifecycle::Waiting { reason, message } = &container.state else {
        return None;
    };
    let (word, text) = match reason.as_str() {
        "ImagePullBackOff"
        | "ErrImagePull"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "ImageInspectError"
        | "RegistryUnavailable" => (Reason::ImagePull, "the agent's image can't be pulled"),
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => (
            Reason::ContainerStart,
            "the sync's container can't be started",
        ),
        _ => return None,
    };
    let message = start::explain(message);
    Some(Obstacle::new(word, format!("{text}: {message}")))
}

/// Why a sync ended badly.
fn failure(pod: Option<&PodState>, end: Option<&Terminated>, job: &str) -> Obstacle {
    let Some(pod) = pod else {
        return Obstacle::new(
            Reason::PodDeleted,
            format!("the sync's pod is gone and nobody read why it failed: {job}"),
        );
    };
    if let Some(why) = pod
        .disrupted
        .as_ref()
        .or(pod.reason.as_ref().filter(|reason| *reason == "Evicted"))
    {
        let said = pod.message.as_deref().unwrap_or_default();
        let text = format!("the sync's pod was evicted ({why}) {said}");
        return Obstacle::new(Reason::Evicted, text.trim_end());
    }
    let Some(end) = end else {
        let said = pod.message.as_deref().unwrap_or(job);
        return if pod.deleting {
            Obstacle::new(Reason::PodDeleted, "the sync's pod was deleted")
        } else {
            Obstacle::new(Reason::SyncFailed, format!("the sync's pod failed: {said}"))
        };
    };
    if end.reason == "OOMKilled" {
        return Obstacle::new(
            Reason::OOMKilled,
            "the sync went over its memory limit and was killed: raise agent.resources in the \
             chart's values",
        );
    }
    if let Ok(said) = wire::read::<AgentFailure>(end.message.as_bytes()) {
        return Obstacle::new(word(said.reason), said.message);
    }
    if matches!(end.reason.as_str(), "StartError" | "ContainerCannotRun") {
        return Obstacle::new(
            Reason::ContainerStart,
            format!("the sync's container can't be started: {}", end.message),
        );
    }
    if pod.deleting {
        return Obstacle::new(Reason::PodDeleted, "the sync's pod was deleted");
    }
    let log = tail(end.message.trim(), LOG_LIMIT);
    let log = if log.is_empty() {
        log
    } else {
        format!("; its last lines: {log}")
    };
    Obstacle::new(
        Reason::SyncFailed,
        format!("the sync ended with exit code {}{log}", end.exit_code),
    )
}

/// The condition's reason for what the agent said.
fn word(reason: FailureReason) -> Reason {
    match reason {
        FailureReason::OOMKilled => Reason::OOMKilled,
        FailureReason::PublishFailed => Reason::PublishFailed,
        // Whatever else the agent says, to a Dataset it is that its source could not be synced.
        _ => Reason::SyncFailed,
    }
}

/// The last `limit` characters.
fn tail(text: &str, limit: usize) -> String {
    let skipped = text.chars().count().saturating_sub(limit);
    text.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::fixtures::{at, ended, failed_job, job, pod, result, waiting};

    fn obstacle(outcome: Outcome) -> (Reason, String) {
        match outcome {
            Outcome::Failed(obstacle)
            | Outcome::Running {
                obstacle: Some(obstacle),
                ..
            } => (obstacle.reason, obstacle.message),
            other => panic!("{other:?} has no obstacle"),
        }
    }

    #[test]
    fn what_keeps_a_sync_from_starting() {
        let active = JobState {
            finished: None,
            phase: JobPhase::Active,
            ..job("12345678", 1)
        };
        let placed = |reason: &str| pod(&active, waiting(reason, "no such thing"));
        let unplaced = PodState {
            unschedulable: Some("persistentvolumeclaim \"feed\" not found".into()),
            ..placed("")
        };
        for (pods, reason, part, failed_after) in [
            (
                vec![unplaced],
                Reason::Unschedulable,
                "\"feed\" not found",
                None,
            ),
            (
                vec![placed("ErrImagePull")],
                Reason::ImagePull,
                "no such thing",
                Some(300),
            ),
            (
                vec![placed("CreateContainerConfigError")],
                Reason::ContainerStart,
                "no such thing",
                Some(300),
            ),
        ] {
            let (seen, message) = obstacle(of(&active, &pods, at(1)));
            assert_eq!(seen, reason);
            assert!(message.contains(part), "{message}");
            let late = of(&active, &pods, at(300));
            assert_eq!(
                matches!(late, Outcome::Failed(_)),
                failed_after.is_some(),
                "{reason:?}"
            );
        }
        let alone = of(&active, &[], at(1));
        assert!(matches!(
            alone,
            Outcome::Running {
                obstacle: None,
                look_again: Some(_),
                ..
            }
        ));
        let (reason, message) = obstacle(of(&active, &[], at(61)));
        assert_eq!(reason, Reason::PodRefused);
        assert!(message.contains(&active.name), "{message}");
    }

    #[test]
    fn why_a_sync_failed() {
        let failed = failed_job("12345678", 1);
        let said = r#"{"v":1,"reason":"InputUnavailable","message":"folder 2013 does not exist"}"#;
        let evicted = PodState {
            reason: Some("Evicted".into()),
            message: Some("the node was low on memory".into()),
            ..pod(&failed, ended(137, "Error", ""))
        };
        let deleted = PodState {
            deleting: true,
            ..pod(&failed, ended(143, "Error", ""))
        };
        for (pods, reason, part) in [
            (
                vec![pod(&failed, ended(69, "Error", said))],
                Reason::SyncFailed,
                "folder 2013",
            ),
            (
                vec![pod(&failed, ended(137, "OOMKilled", ""))],
                Reason::OOMKilled,
                "memory limit",
            ),
            (
                vec![pod(&failed, ended(101, "Error", "panicked"))],
                Reason::SyncFailed,
                "exit code 101; its last lines: panicked",
            ),
            (
                vec![pod(&failed, ended(128, "StartError", "exec format"))],
                Reason::ContainerStart,
                "exec format",
            ),
            (vec![evicted], Reason::Evicted, "low on memory"),
            (vec![deleted], Reason::PodDeleted, "deleted"),
            (vec![], Reason::PodDeleted, "gone"),
        ] {
            let (seen, message) = obstacle(of(&failed, &pods, at(1_000)));
            assert_eq!(seen, reason, "{message}");
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn what_a_sync_that_ended_well_says() {
        let job = job("12345678", 1);
        let text = serde_json::to_string(&result(1, &[], Some("v1"))).unwrap();
        let read = of(&job, &[pod(&job, ended(0, "Completed", &text))], at(1_000));
        assert!(matches!(read, Outcome::Succeeded(found) if found.version.number == 1));
        let (_, message) = obstacle(of(
            &job,
            &[pod(&job, ended(0, "Completed", "{\"v\":9"))],
            at(1_000),
        ));
        assert!(message.contains("can't be read"), "{message}");
    }

    #[test]
    fn a_message_is_lost_only_when_the_pod_had_time_to_be_seen() {
        let job = job("12345678", 1);
        let finished = job.finished.unwrap();
        let soon = time::after(finished, Duration::from_secs(4));
        assert_eq!(
            of(&job, &[], soon),
            Outcome::Settling(Duration::from_secs(6))
        );
        let late = time::after(finished, SETTLING);
        assert_eq!(of(&job, &[], late), Outcome::Lost);
        let other = pod(&failed_job("87654321", 1), ended(0, "Completed", "{}"));
        assert_eq!(of(&job, &[other], late), Outcome::Lost);
    }
}
