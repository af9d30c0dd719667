//! Why pods do not serve.

use millwright_crds::{
    training_job::FailureReason,
    wire::{self, attempt::AgentFailure},
};

use super::text::{cut, last_lines};
use crate::{
    Reason,
    observed::{ContainerState, Lifecycle, PodState, Terminated},
    pod::start,
};

/// Why a pod does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// One word.
    pub reason: Reason,
    /// Pod, container and what happened, in words.
    pub message: String,
}

/// The worst that is known of these pods; `None` when nothing is wrong with them but time.
pub(super) fn of_pods<'a>(pods: impl Iterator<Item = &'a PodState>) -> Option<Problem> {
    let mut problems: Vec<(&str, Problem)> = pods
        .filter(|pod| !pod.deleting)
        .filter_map(|pod| Some((pod.name.as_str(), of_pod(pod)?)))
        .collect();
    // The order of a watch's cache is not stable, and messages should be.
    problems.sort_by(|a, b| a.0.cmp(b.0));
    problems.into_iter().map(|(_, problem)| problem).next()
}

/// Pods that could not be created, for this reason.
pub(super) fn of_refusal(why: &str) -> Problem {
    Problem {
        reason: Reason::PodRefused,
        message: cut(&format!("its pods can't be created: {why}")),
    }
}

/// Pods that wait because somebody has paused their Deployment.
pub(super) fn of_pause(namespace: &str, name: &str) -> Problem {
    Problem {
        reason: Reason::Unavailable,
        message: format!(
            "its Deployment is paused: kubectl -n {namespace} rollout resume deployment/{name}"
        ),
    }
}

/// What is wrong with a pod.
fn of_pod(pod: &PodState) -> Option<Problem> {
    if let Some(why) = &pod.unschedulable {
        return Some(Problem {
            reason: Reason::Unschedulable,
            message: cut(&format!("pod {} can't be placed: {why}", pod.name)),
        });
    }
    let (name, (reason, words)) = pod
        .containers
        .iter()
        .find_map(|container| Some((&container.name, of_container(container)?)))?;
    Some(Problem {
        reason,
        message: cut(&format!("container {name} of pod {}: {words}", pod.name)),
    })
}

fn of_container(container: &ContainerState) -> Option<(Reason, String)> {
    match &container.state {
        Lifecycle::Waiting { reason, message } => match reason.as_str() {
            "ImagePullBackOff"
            | "ErrImagePull"
            | "ErrImageNeverPull"
            | "InvalidImageName"
            | "ImageInspectError"
            | "RegistryUnavailable" => Some((
                Reason::ImagePull,
                format!("its image can't be pulled: {message}"),
            )),
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => Some((
                Reason::ContainerStart,
                format!("it can't be started: {}", start::explain(message)),
            )),
            // Waiting to be started again, after it ended.
            _ => container.last.as_ref().map(of_end),
        },
        // It has done what it should: an init container or a test. A server that ends like this is
        // started again, and then what it did before is read below.
        Lifecycle::Terminated(end) if end.exit_code == 0 => None,
        Lifecycle::Terminated(end) => Some(of_end(end)),
        // It runs again, but it has ended before: that is the best explanation there is.
        Lifecycle::Running { .. } => container.last.as_ref().map(of_end),
    }
}

/// How a container ended.
pub(super) fn of_end(end: &Terminated) -> (Reason, String) {
    if end.reason == "OOMKilled" {
        return (
            Reason::OOMKilled,
            "it went over its memory limit and was killed".into(),
        );
    }
    if let Ok(failure) = wire::read::<AgentFailure>(end.message.as_bytes()) {
        let reason = match failure.reason {
            FailureReason::InputUnavailable => Reason::InputUnavailable,
            _ => Reason::ExitCode,
        };
        return (reason, failure.message);
    }
    if matches!(end.reason.as_str(), "StartError" | "ContainerCannotRun") {
        let words = format!("it can't be started: {}", last_lines(&end.message));
        return (Reason::ContainerStart, words);
    }
    let log = match last_lines(&end.message) {
        lines if lines.is_empty() => "it wrote nothing".to_owned(),
        lines => lines,
    };
    let words = format!("it ended with exit code {}: {log}", end.exit_code);
    (Reason::ExitCode, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_deployment::fixtures;

    fn terminated(exit_code: i32, reason: &str, message: &str) -> Terminated {
        Terminated {
            exit_code,
            reason: reason.into(),
            message: message.into(),
            finished: None,
        }
    }

    fn waiting(reason: &str, message: &str) -> Lifecycle {
        Lifecycle::Waiting {
            reason: reason.into(),
            message: message.into(),
        }
    }

    #[test]
    fn every_way_not_to_serve() {
        let running = Lifecycle::Running { since: None };
        let crash = || Some(terminated(3, "Error", "line one\nKeyError: 'temp'\n"));
        let fetch = r#"{"v":1,"reason":"InputUnavailable","message":"model m v2: no manifest"}"#;
        for (init, state, last, expected) in [
            (false, running.clone(), None, None),
            (false, waiting("ContainerCreating", ""), None, None),
            (
                true,
                Lifecycle::Terminated(terminated(0, "Completed", "")),
                None,
                None,
            ),
            (
                false,
                Lifecycle::Terminated(terminated(0, "Completed", "")),
                None,
                None,
            ),
            // A server that ends by itself, again and again.
            (
                false,
                waiting("CrashLoopBackOff", "back-off"),
                Some(terminated(0, "Completed", "bye")),
                Some((Reason::ExitCode, "exit code 0: bye")),
            ),
            (
                false,
                Lifecycle::Terminated(terminated(2, "Error", "no")),
                None,
                Some((Reason::ExitCode, "exit code 2: no")),
            ),
            (
                false,
                waiting("ImagePullBackOff", "no such image"),
                None,
                Some((Reason::ImagePull, "no such image")),
            ),
            (
                false,
                waiting("CreateContainerConfigError", "secret \"x\" not found"),
                None,
                Some((Reason::ContainerStart, "secret \"x\" not found")),
            ),
            (
                false,
                waiting("CrashLoopBackOff", "back-off"),
                crash(),
                Some((Reason::ExitCode, "exit code 3: line one | KeyError: 'temp'")),
            ),
            (
                false,
                running,
                crash(),
                Some((Reason::ExitCode, "exit code 3")),
            ),
            (
                false,
                waiting("CrashLoopBackOff", "back-off"),
                Some(terminated(137, "OOMKilled", "")),
                Some((Reason::OOMKilled, "memory limit")),
            ),
            (
                true,
                Lifecycle::Terminated(terminated(69, "Error", fetch)),
                None,
                Some((Reason::InputUnavailable, "model m v2: no manifest")),
            ),
            (
                false,
                waiting("CrashLoopBackOff", ""),
                Some(terminated(128, "StartError", "exec: \"serve\": not found")),
                Some((Reason::ContainerStart, "exec: \"serve\": not found")),
            ),
        ] {
            let mut pod = fixtures::pod("p");
            pod.containers = vec![ContainerState {
                name: "c".into(),
                init,
                image_id: None,
                state: state.clone(),
                last,
                restarts: 0,
            }];
            let problem = of_pods([&pod].into_iter());
            assert_eq!(
                problem.as_ref().map(|p| p.reason),
                expected.map(|(reason, _)| reason),
                "{state:?}"
            );
            if let (Some(problem), Some((_, words))) = (problem, expected) {
                assert!(problem.message.contains(words), "{}", problem.message);
                assert!(problem.message.starts_with("container c of pod p: "));
            }
        }
    }

    #[test]
    fn a_pod_without_a_place_says_why() {
        let mut pod = fixtures::pod("p");
        pod.unschedulable = Some("0/1 nodes are available".into());
        let problem = of_pods([&pod].into_iter()).unwrap();
        assert_eq!(problem.reason, Reason::Unschedulable);
        assert!(problem.message.contains("0/1 nodes"));
        pod.deleting = true;
        assert_eq!(of_pods([&pod].into_iter()), None);
    }
}
