//! What is known of a TrainingJob.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{common::Condition, schema};

/// What is known of a TrainingJob.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TrainingJobStatus {
    /// Generation that this status speaks of; -1 before the first pass.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// `Ready`, `Reconciling`, `Stalled`, `Suspended`, `Complete`, `Failed`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// One word for people.
    #[serde(default)]
    pub phase: TrainingJobPhase,
    /// When the first attempt started (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<String>,
    /// When the run ended (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<String>,
    /// Attempts started so far.
    #[serde(default)]
    pub attempts: u32,
    /// Attempts that failed and count against `spec.retry.limit`.
    #[serde(default)]
    pub failures: u32,
    /// What the trainer last said of its progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// What the run was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
    /// Final metrics.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::metrics")]
    pub metrics: BTreeMap<String, f64>,
    /// What the evaluation pod found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<EvaluationResult>,
    /// Name of the ModelVersion that was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_version: Option<String>,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl Default for TrainingJobStatus {
    fn default() -> Self {
        Self {
            observed_generation: -1,
            conditions: vec![],
            phase: TrainingJobPhase::Pending,
            start_time: None,
            completion_time: None,
            attempts: 0,
            failures: 0,
            progress: None,
            resolved: None,
            metrics: BTreeMap::new(),
            evaluation: None,
            model_version: None,
            failure: None,
        }
    }
}

/// One word about a TrainingJob.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TrainingJobPhase {
    /// Waits for its inputs, or for its next attempt.
    #[default]
    Pending,
    /// The pod is being placed and its inputs fetched.
    Preparing,
    /// The trainer runs.
    Running,
    /// The trainer has ended well; its model is being published or collected.
    Publishing,
    /// The evaluation pod runs.
    Evaluating,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// `spec.suspend` is true.
    Suspended,
}

impl TrainingJobPhase {
    /// Whether the run has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// What the trainer says of its progress; asked for every 15 s while it runs.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    /// The last value of each name in `metrics.jsonl`, or `metrics.json` where there is no such
    /// file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::metrics")]
    pub metrics: BTreeMap<String, f64>,
    /// When it last moved (RFC 3339).
    pub updated_at: String,
}

/// What a run was made from.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// Inputs, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 11))]
    pub inputs: Vec<ResolvedInput>,
    /// Image of the trainer: the digest it ran with when the node says so, else as in the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// SHA-256 of the parameters' canonical JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters_digest: Option<String>,
}

/// One input, as it was used.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedInput {
    /// Name of the input; `data` is the evaluation's.
    #[schemars(schema_with = "schema::part_name")]
    pub name: String,
    /// Name of the Dataset.
    #[schemars(schema_with = "schema::object_name")]
    pub dataset: String,
    /// Version that was used.
    #[schemars(length(max = 12))]
    pub version: String,
    /// Its digest.
    #[schemars(schema_with = "schema::digest")]
    pub digest: String,
}

/// What the evaluation pod found.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EvaluationResult {
    /// The data that all were scored on.
    pub data: ResolvedInput,
    /// Metrics of the new model.
    #[schemars(schema_with = "schema::metrics")]
    pub metrics: BTreeMap<String, f64>,
    /// Number of the version it was compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<u32>,
    /// Metrics of that version on the same data.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::metrics")]
    pub champion_metrics: BTreeMap<String, f64>,
}

/// Why an attempt failed.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// One word.
    pub reason: FailureReason,
    /// What happened and what to do, in words.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// Number of the attempt.
    pub attempt: u32,
    /// Exit code of the container that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Name of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Name of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The last lines it printed, at most 2 kB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub log: Option<String>,
    /// When it was seen (RFC 3339).
    pub at: String,
}

/// Why an attempt failed, in one word.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
)]
pub enum FailureReason {
    /// The spec can't work; the message names the field.
    InvalidSpec,
    /// A Dataset or one of its versions can't be had.
    InputUnavailable,
    /// An image can't be pulled.
    ImagePull,
    /// The container could not be started.
    ContainerStart,
    /// The container went over its memory limit.
    OOMKilled,
    /// The trainer ended with another exit code than 0.
    ExitCode,
    /// The pod was evicted or preempted.
    Evicted,
    /// The pod was deleted.
    PodDeleted,
    /// The run took longer than `spec.activeDeadline`.
    DeadlineExceeded,
    /// The model could not be put into the artifact store.
    PublishFailed,
    /// The evaluation failed.
    EvaluationFailed,
    /// The pod could not be created.
    PodRefused,
    /// None of the above; the message has what is known.
    Unknown,
}
