//! Every reason that a status, an Event or a gate can give, with what it means and how to mend it.
//! `kubectl millwright diagnose` prints from the same table.

/// One word that says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A write to the API server failed; it is tried again.
    ApplyFailed,
    /// The attempt is over and the next one starts.
    AttemptFailed,
    /// An attempt was started.
    AttemptStarted,
    /// Two objects want the same name.
    Conflict,
    /// The container could not be started.
    ContainerStart,
    /// A trigger is breached and the cooldown isn't over.
    CoolingDown,
    /// The run took too long.
    DeadlineExceeded,
    /// The run is being evaluated.
    Evaluating,
    /// The evaluation failed.
    EvaluationFailed,
    /// The pod was evicted or preempted.
    Evicted,
    /// The program ended with another exit code than 0.
    ExitCode,
    /// There is no evaluation to judge a version by.
    EvaluationMissing,
    /// The version was compared with another one than the stage runs.
    EvaluationOutdated,
    /// An expectation failed.
    ExpectationFailed,
    /// A trigger started a run.
    Fired,
    /// A gate refused the version.
    GateFailed,
    /// A gate lets the version in.
    GatePassed,
    /// Gates are being checked.
    Gating,
    /// Everything is as it should be.
    Healthy,
    /// An image can't be pulled.
    ImagePull,
    /// Data can't be had.
    InputUnavailable,
    /// The spec can't work.
    InvalidSpec,
    /// The version can't be found.
    ModelVersionMissing,
    /// Nothing to deploy yet.
    NoVersion,
    /// The container went over its memory limit.
    OOMKilled,
    /// `spec.paused` is true.
    Paused,
    /// The pod was deleted.
    PodDeleted,
    /// The pod could not be created.
    PodRefused,
    /// The pod is being placed and its inputs fetched.
    Preparing,
    /// A version entered a stage.
    Promoted,
    /// The model could not be put into the artifact store.
    PublishFailed,
    /// The model is being put into the artifact store.
    Publishing,
    /// A record of the registry.
    Registered,
    /// A version can't be read or used.
    Rejected,
    /// What somebody has changed of a child was put back.
    Restored,
    /// A run is under way.
    Retraining,
    /// The stage returned to the version before.
    RolledBack,
    /// Pods of a version are being rolled out.
    RollingOut,
    /// The trainer runs.
    Running,
    /// It serves.
    Serving,
    /// The stage that is watched doesn't exist.
    StageMissing,
    /// Ended well.
    Succeeded,
    /// `spec.suspend` is true.
    Suspended,
    /// The last sync failed.
    SyncFailed,
    /// A sync found a new version.
    Synced,
    /// A sync is running.
    Syncing,
    /// A trigger has nothing to compare with.
    TriggerUnusable,
    /// A pod did not start to serve in time.
    Unavailable,
    /// Nothing of the above.
    Unknown,
    /// The object does not have the form that this version reads.
    Unreadable,
    /// Waits for the pod to be placed.
    Unschedulable,
    /// Waits for a version in the stage.
    WaitingForVersion,
    /// Watches traffic.
    Watching,
}

/// Stands in a command for the one that changes the object's spec. That of a run can't be changed.
pub const CHANGE: &str = "{change}";

/// What a reason means and how to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What happened, in a sentence.
    pub cause: &'static str,
    /// A command that mends it, or shows what a person has to mend. `{namespace}`, `{kind}` and
    /// `{name}` are the object's, [`CHANGE`] is how its spec is changed.
    pub command: &'static str,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 53] = [
        Self::ApplyFailed,
        Self::AttemptFailed,
        Self::AttemptStarted,
        Self::Conflict,
        Self::ContainerStart,
        Self::CoolingDown,
        Self::DeadlineExceeded,
        Self::Evaluating,
        Self::EvaluationFailed,
        Self::EvaluationMissing,
        Self::EvaluationOutdated,
        Self::Evicted,
        Self::ExitCode,
        Self::ExpectationFailed,
        Self::Fired,
        Self::GateFailed,
        Self::GatePassed,
        Self::Gating,
        Self::Healthy,
        Self::ImagePull,
        Self::InputUnavailable,
        Self::InvalidSpec,
        Self::ModelVersionMissing,
        Self::NoVersion,
        Self::OOMKilled,
        Self::Paused,
        Self::PodDeleted,
        Self::PodRefused,
        Self::Preparing,
        Self::Promoted,
        Self::PublishFailed,
        Self::Publishing,
        Self::Registered,
        Self::Rejected,
        Self::Restored,
        Self::Retraining,
        Self::RolledBack,
        Self::RollingOut,
        Self::Running,
        Self::Serving,
        Self::StageMissing,
        Self::Succeeded,
        Self::Suspended,
        Self::SyncFailed,
        Self::Synced,
        Self::Syncing,
        Self::TriggerUnusable,
        Self::Unavailable,
        Self::Unknown,
        Self::Unreadable,
        Self::Unschedulable,
        Self::WaitingForVersion,
        Self::Watching,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApplyFailed => "ApplyFailed",
            Self::AttemptFailed => "AttemptFailed",
            Self::AttemptStarted => "AttemptStarted",
            Self::Conflict => "Conflict",
            Self::ContainerStart => "ContainerStart",
            Self::CoolingDown => "CoolingDown",
            Self::DeadlineExceeded => "DeadlineExceeded",
            Self::Evaluating => "Evaluating",
            Self::EvaluationFailed => "EvaluationFailed",
            Self::EvaluationMissing => "EvaluationMissing",
            Self::EvaluationOutdated => "EvaluationOutdated",
            Self::Evicted => "Evicted",
            Self::ExitCode => "ExitCode",
            Self::ExpectationFailed => "ExpectationFailed",
            Self::Fired => "Fired",
            Self::GateFailed => "GateFailed",
            Self::GatePassed => "GatePassed",
            Self::Gating => "Gating",
            Self::Healthy => "Healthy",
            Self::ImagePull => "ImagePull",
            Self::InputUnavailable => "InputUnavailable",
            Self::InvalidSpec => "InvalidSpec",
            Self::ModelVersionMissing => "ModelVersionMissing",
            Self::NoVersion => "NoVersion",
            Self::OOMKilled => "OOMKilled",
            Self::Paused => "Paused",
            Self::PodDeleted => "PodDeleted",
            Self::PodRefused => "PodRefused",
            Self::Preparing => "Preparing",
            Self::Promoted => "Promoted",
            Self::PublishFailed => "PublishFailed",
            Self::Publishing => "Publishing",
            Self::Registered => "Registered",
            Self::Rejected => "Rejected",
            Self::Restored => "Restored",
            Self::Retraining => "Retraining",
            Self::RolledBack => "RolledBack",
            Self::RollingOut => "RollingOut",
            Self::Running => "Running",
            Self::Serving => "Serving",
            Self::StageMissing => "StageMissing",
            Self::Succeeded => "Succeeded",
            Self::Suspended => "Suspended",
            Self::SyncFailed => "SyncFailed",
            Self::Synced => "Synced",
            Self::Syncing => "Syncing",
            Self::TriggerUnusable => "TriggerUnusable",
            Self::Unavailable => "Unavailable",
            Self::Unknown => "Unknown",
            Self::Unreadable => "Unreadable",
            Self::Unschedulable => "Unschedulable",
            Self::WaitingForVersion => "WaitingForVersion",
            Self::Watching => "Watching",
        }
    }

    /// The reason of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// What it means and how to mend it; `None` for reasons that need no mending.
    pub fn advice(self) -> Option<Advice> {
        const PODS: &str = "kubectl -n {namespace} get pods -l millwright.dev/owner-name={name}";
        const LOGS: &str = "kubectl -n {namespace} logs -l millwright.dev/owner-name={name} \
                            --all-containers --prefix --tail=50";
        const DESCRIBE: &str = "kubectl -n {namespace} describe {kind} {name}";
        const OWNERS: &str = "kubectl -n {namespace} describe jobs,replicasets \
                              -l millwright.dev/owner-name={name}";
        let (cause, command) = match self {
            Self::ApplyFailed => (
                "The API server refused or did not answer a write; it is tried again.",
                "kubectl -n {namespace} get events --field-selector involvedObject.name={name}",
            ),
            Self::Conflict => (
                "An object that Millwright wants to create exists already and belongs to somebody \
                 else: delete it, or rename one of the two.",
                DESCRIBE,
            ),
            Self::ContainerStart => (
                "A container could not be started: a missing Secret or ConfigMap, or a command \
                 that isn't in the image.",
                DESCRIBE,
            ),
            Self::DeadlineExceeded => (
                "The run took longer than spec.activeDeadline. Raise it in a new TrainingJob, or \
                 give the run less to do.",
                CHANGE,
            ),
            Self::EvaluationFailed => (
                "The evaluator failed, or wrote no metrics.json with the objective's metric.",
                LOGS,
            ),
            Self::Evicted => (
                "The node was short of something or was drained. It does not count against \
                 spec.retry.limit.",
                "kubectl describe nodes",
            ),
            Self::EvaluationMissing => (
                "The gate needs an evaluation, and the ModelVersion has none, or not of this \
                 metric: give the TrainingJob spec.evaluation and train again.",
                "kubectl -n {namespace} get mwmv -o custom-columns=NAME:.metadata.name,EVALUATION:.spec.evaluation.metrics",
            ),
            Self::EvaluationOutdated => (
                "The version was compared with another one than the stage runs now, on other \
                 data: train again, so that both are scored on the same data.",
                "kubectl -n {namespace} get mwtj,mwmv",
            ),
            Self::ExitCode | Self::AttemptFailed => (
                "The program ended with an error: its last lines are in status.failure.log.",
                LOGS,
            ),
            Self::ExpectationFailed | Self::Rejected => (
                "The newest data broke an expectation; the version before stays current.",
                "kubectl -n {namespace} get mwds {name} -o jsonpath='{.status.versions[0].failed}'",
            ),
            Self::GateFailed => (
                "A gate refused the version: its message has the values that were compared.",
                "kubectl -n {namespace} get mwmd {name} -o jsonpath='{.status.stages[*].next.gates}'",
            ),
            Self::ImagePull => (
                "The image can't be pulled: wrong name, missing tag, or no right to pull it \
                 (imagePullSecrets).",
                CHANGE,
            ),
            Self::InputUnavailable => (
                "A Dataset or one of its versions isn't there, or can't be read.",
                "kubectl -n {namespace} get mwds",
            ),
            Self::InvalidSpec => (
                "The spec can't work: the message names the field and what is allowed.",
                CHANGE,
            ),
            Self::ModelVersionMissing => (
                "The ModelVersion that spec.model names does not exist.",
                "kubectl -n {namespace} get mwmv",
            ),
            Self::NoVersion => (
                "The model has no version yet: train one.",
                "kubectl -n {namespace} get mwtj,mwmv",
            ),
            Self::OOMKilled => (
                "The container went over its memory limit: raise \
                 resources.limits.memory in the template.",
                CHANGE,
            ),
            Self::PodDeleted => ("The pod was deleted before it ended.", PODS),
            Self::PodRefused => (
                "The pod could not be created: a quota, a security policy or an admission rule.",
                OWNERS,
            ),
            Self::PublishFailed => (
                "The model could not be put into the artifact store: the message says why.",
                DESCRIBE,
            ),
            Self::RolledBack | Self::Unavailable => (
                "The new version's pods did not serve in time; the one before serves.",
                LOGS,
            ),
            Self::StageMissing => (
                "spec.deployment names a ModelDeployment or stage that does not exist.",
                CHANGE,
            ),
            Self::SyncFailed => ("The source could not be read; it is tried again.", LOGS),
            Self::TriggerUnusable => (
                "A trigger has nothing to compare live traffic with, so it never fires: the \
                 message says what the model in the stage lacks, or which column does not exist.",
                CHANGE,
            ),
            Self::Unschedulable => (
                "No node has room for the pod, none fits its selectors, or a claim of it has no \
                 volume (kubectl get pvc).",
                "kubectl describe nodes",
            ),
            Self::Unknown => ("What happened isn't known.", DESCRIBE),
            Self::Unreadable => (
                "A field does not have the form that this version of Millwright reads.",
                CHANGE,
            ),
            _ => return None,
        };
        Some(Advice { cause, command })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_read_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
        }
        let mut words: Vec<_> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Reason::ALL.len());
    }
}
