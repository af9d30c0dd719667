//! How a policy stands: phase, conditions and what they say.

use millwright_crds::{
    RetrainPolicy, RetrainPolicyStatus,
    retrain_policy::{RetrainPolicyPhase, Trigger, TriggerMode, TriggerStatus},
};

use super::{figure, firing::Decision};
use crate::{Reason, SpecError, conditions::Verdict, time};

/// How a policy stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Standing {
    /// One word for people.
    pub phase: RetrainPolicyPhase,
    /// From which the conditions follow.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// In words.
    pub message: String,
}

impl Standing {
    fn new(
        phase: RetrainPolicyPhase,
        verdict: Verdict,
        reason: Reason,
        message: impl Into<String>,
    ) -> Self {
        Self {
            phase,
            verdict,
            reason,
            message: message.into(),
        }
    }

    /// The template can't work.
    pub fn invalid(error: &SpecError) -> Self {
        Self::new(
            RetrainPolicyPhase::Stalled,
            Verdict::Stalled,
            Reason::InvalidSpec,
            error.to_string(),
        )
    }

    /// A person has stopped it.
    pub fn suspended() -> Self {
        Self::new(
            RetrainPolicyPhase::Suspended,
            Verdict::Suspended,
            Reason::Suspended,
            "spec.suspend is true: set it to false to evaluate and to start runs again",
        )
    }

    /// What shall be watched doesn't exist. `stages` are those that the deployment has, `None`
    /// when it doesn't exist either.
    pub fn stage_missing(policy: &RetrainPolicy, stages: Option<&[&str]>) -> Self {
        let wanted = &policy.spec.deployment;
        let message = match stages {
            None => format!(
                "spec.deployment.name: ModelDeployment {} doesn't exist",
                wanted.name
            ),
            Some(stages) => format!(
                "spec.deployment.stage: ModelDeployment {} has no stage {}; it has {}",
                wanted.name,
                wanted.stage,
                stages.join(", ")
            ),
        };
        Self::new(
            RetrainPolicyPhase::Stalled,
            Verdict::Stalled,
            Reason::StageMissing,
            message,
        )
    }

    /// The stage serves nothing yet.
    pub fn waiting(policy: &RetrainPolicy) -> Self {
        let wanted = &policy.spec.deployment;
        Self::new(
            RetrainPolicyPhase::Pending,
            Verdict::Waiting,
            Reason::WaitingForVersion,
            format!(
                "waits until stage {} of ModelDeployment {} serves a version",
                wanted.stage, wanted.name
            ),
        )
    }

    /// Watches a version; `run` is the one that was just started.
    pub fn watching(
        policy: &RetrainPolicy,
        status: &RetrainPolicyStatus,
        decision: &Decision,
        run: Option<&str>,
        hold: Option<&str>,
    ) -> Self {
        use RetrainPolicyPhase::{CoolingDown, Watching};
        let seen = describe(policy, status);
        let hold = hold.map_or_else(String::new, |hold| format!("; {hold}"));
        let ready = Verdict::Ready;
        match decision {
            Decision::Running(name) => Self::retraining(name, &seen, &hold),
            Decision::Fire(_) => Self::retraining(run.unwrap_or_default(), &seen, &hold),
            Decision::CoolingDown { trigger, until } => Self::new(
                CoolingDown,
                ready,
                Reason::CoolingDown,
                format!(
                    "{trigger} is breached; a run can start at {}, {} after the end of the last \
                     one; {seen}{hold}",
                    time::format(*until),
                    policy.spec.cooldown
                ),
            ),
            Decision::Observing(trigger) => Self::new(
                Watching,
                ready,
                Reason::Watching,
                format!(
                    "{trigger} is breached, but spec.mode is Observe: no run is started; \
                     {seen}{hold}"
                ),
            ),
            Decision::Quiet => {
                Self::new(Watching, ready, Reason::Watching, format!("{seen}{hold}"))
            }
        }
    }

    fn retraining(run: &str, seen: &str, hold: &str) -> Self {
        Self::new(
            RetrainPolicyPhase::Retraining,
            // Its spec is in force and traffic is watched: that a run takes hours keeps nobody
            // waiting who has applied the policy.
            Verdict::Ready,
            Reason::Retraining,
            format!("TrainingJob {run} is under way; {seen}{hold}"),
        )
    }
}

/// `v3 in production: quality 9.1 of 11.83 Clear, weather 1.32 of 0.2 Breached (Observe)`.
fn describe(policy: &RetrainPolicy, status: &RetrainPolicyStatus) -> String {
    let version = status.version.unwrap_or(0);
    let triggers: Vec<String> = status
        .triggers
        .iter()
        .zip(&policy.spec.triggers)
        .map(|(status, trigger)| describe_trigger(status, trigger))
        .collect();
    format!(
        "v{version} in {}: {}",
        policy.spec.deployment.stage,
        triggers.join(", ")
    )
}

fn describe_trigger(status: &TriggerStatus, trigger: &Trigger) -> String {
    let mut text = status.name.clone();
    if let (Some(value), Some(threshold)) = (status.value, status.threshold) {
        text = format!(
            "{text} {} of {}",
            figure::text(value),
            figure::text(threshold)
        );
    }
    text = format!("{text} {:?}", status.state);
    if trigger.mode == TriggerMode::Observe {
        text += " (Observe)";
    }
    if let Some(why) = &status.message {
        text = format!("{text} ({why})");
    }
    text
}
