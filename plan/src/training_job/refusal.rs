//! The status of a run after the API server refused for good what the run needs.

use jiff::Timestamp;
use millwright_crds::{
    TrainingJob, TrainingJobStatus,
    training_job::{FailureReason, TrainingJobPhase},
};

use super::{Observed, failure};
use crate::{
    Reason,
    conditions::{self, Verdict},
    time,
};

/// Whether a refusal is about the spec: it met the first Job. Of what has trained, nothing is thrown
/// away because a policy of the cluster is in the way.
pub fn is_last_word(seen: &Observed, message: &str) -> bool {
    let attempts = seen.object.status.as_ref().map_or(0, |s| s.attempts);
    attempts == 0 && seen.jobs.is_empty() && message.starts_with("create Job ")
}

/// What Kubernetes says of a Job when it is asked to create it is the last word on the spec, which
/// can't be changed: the run has failed.
pub fn after_refusal(run: &TrainingJob, message: &str, now: Timestamp) -> TrainingJobStatus {
    let mut status = run.status.clone().unwrap_or_default();
    let generation = run.metadata.generation.unwrap_or(1);
    let reason = FailureReason::InvalidSpec;
    status.observed_generation = generation;
    status.phase = TrainingJobPhase::Failed;
    status.completion_time = Some(time::format(now));
    status.failure = Some(failure::plain(reason, message.into(), status.attempts, now));
    status.conditions = conditions::set(
        &status.conditions,
        &Verdict::Failed,
        Reason::InvalidSpec,
        message,
        generation,
        now,
    );
    status
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refused_run_has_failed_for_all_who_wait_for_it() {
        let run: TrainingJob = serde_json::from_value(json!({
            "apiVersion": "millwright.dev/v1alpha1", "kind": "TrainingJob",
            "metadata": {"name": "run", "generation": 3},
            "spec": {"template": {"spec": {"containers": [{"name": "a"}]}}},
            "status": {"attempts": 2},
        }))
        .unwrap();
        let words = "create Job run-3: spec.template.spec.containers[0].ports: Invalid value";
        let long = format!("{words}{}", "x".repeat(5_000));
        let status = after_refusal(&run, &long, Timestamp::UNIX_EPOCH);
        assert_eq!(
            (status.phase, status.observed_generation),
            (TrainingJobPhase::Failed, 3)
        );
        let is = |kind: &str| {
            status
                .conditions
                .iter()
                .any(|c| c.type_ == kind && c.status == "True")
        };
        assert!(is("Failed") && is("Stalled") && !is("Ready"));
        let failure = status.failure.unwrap();
        assert_eq!(
            (failure.reason, failure.attempt),
            (FailureReason::InvalidSpec, 2)
        );
        assert!(failure.message.starts_with(words) && failure.message.len() == 1_024);
    }
}
