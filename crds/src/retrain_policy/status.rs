//! What is known of a RetrainPolicy.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{common::Condition, schema};

/// What is known of a RetrainPolicy.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RetrainPolicyStatus {
    /// Generation that this status speaks of; -1 before the first pass.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// `Ready`, `Reconciling`, `Stalled`, `Suspended`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// One word for people.
    #[serde(default)]
    pub phase: RetrainPolicyPhase,
    /// The version in the stage that the triggers speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Triggers, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub triggers: Vec<TriggerStatus>,
    /// The run that was started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<PolicyRun>,
    /// Value of the annotation `millwright.dev/retrain` that was answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub answered: Option<String>,
}

impl Default for RetrainPolicyStatus {
    fn default() -> Self {
        Self {
            observed_generation: -1,
            conditions: vec![],
            phase: RetrainPolicyPhase::Pending,
            version: None,
            triggers: vec![],
            last_run: None,
            answered: None,
        }
    }
}

/// One word about a RetrainPolicy.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RetrainPolicyPhase {
    /// Waits for a version in the stage.
    #[default]
    Pending,
    /// Watches.
    Watching,
    /// A run is under way.
    Retraining,
    /// A trigger is breached and the cooldown isn't over.
    CoolingDown,
    /// `spec.suspend` is true.
    Suspended,
    /// Waits for a person: see the Stalled condition.
    Stalled,
}

/// What is known of a trigger.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TriggerStatus {
    /// Name of the trigger.
    pub name: String,
    /// How it stands.
    pub state: TriggerState,
    /// What was measured last: the metric, or the worst column's distance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// What the value is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// A hash of what is measured: the metric; or the method, the columns and the share of them. The
    /// evaluations are of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub measures: Option<String>,
    /// Evaluations made for this version.
    #[serde(default)]
    pub evaluations: u64,
    /// End of the last window that was evaluated (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
    /// The last evaluations, newest first, at most `spec.evaluate.of`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub recent: Vec<Evaluation>,
    /// The columns with the largest distance at the last evaluation, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub columns: Vec<ColumnDrift>,
    /// Why the state is Unknown, or what can't be evaluated, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
}

/// How a trigger stands.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerState {
    /// No evaluation yet for this version.
    Unknown,
    /// The last evaluation was no breach, and not enough before it were.
    Clear,
    /// Evaluations were breaches, but not enough yet.
    Pending,
    /// Enough evaluations were breaches.
    Breached,
}

/// One evaluation of a trigger.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// Whether it was a breach.
    pub breach: bool,
    /// What was measured.
    pub value: f64,
    /// Labels or rows it was measured on.
    pub samples: u64,
    /// End of its last window (RFC 3339).
    pub through: String,
}

/// Distance of one column.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ColumnDrift {
    /// Name of the column.
    pub name: String,
    /// Its distance.
    pub value: f64,
    /// Whether that is above the threshold.
    pub drifted: bool,
}

/// A run that a policy started.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRun {
    /// Name of the TrainingJob.
    pub training_job: String,
    /// Number of the firing, counted over the life of the policy.
    pub firing: u32,
    /// The trigger that asked for it; `manual` for a person.
    pub trigger: String,
    /// When it was started (RFC 3339).
    pub started_at: String,
    /// When it ended (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<RunOutcome>,
    /// Name of the ModelVersion it registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_version: Option<String>,
}

/// How a run ended.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunOutcome {
    /// It registered a ModelVersion.
    Succeeded,
    /// It failed.
    Failed,
    /// Its TrainingJob is gone.
    Deleted,
}
