//! RetrainPolicy: when to train again.

mod status;
mod trigger;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{common::Duration, schema, training_job::TrainingJobSpec};

pub use status::{
    ColumnDrift, Evaluation, PolicyRun, RetrainPolicyPhase, RetrainPolicyStatus, RunOutcome,
    TriggerState, TriggerStatus,
};
pub use trigger::{
    DriftMethod, DriftTrigger, Limit, QualityMetric, QualityTrigger, Trigger, TriggerMode,
};

/// When to train again: live traffic of a stage is compared with the training data and with
/// labels, and when the model has got worse a TrainingJob is started from the template.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "millwright.dev",
    version = "v1alpha1",
    kind = "RetrainPolicy",
    namespaced,
    status = "RetrainPolicyStatus",
    derive = "PartialEq",
    shortname = "mwrp",
    category = "millwright",
    plural = "retrainpolicies",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Last-Run", type_ = "string", json_path = ".status.lastRun.trainingJob"),
    printcolumn(name = "Outcome", type_ = "string", json_path = ".status.lastRun.outcome"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[0].message"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new(schema::NAME_RULE).message(schema::NAME_MESSAGE),
    doc = "When to train again: what is watched, when it counts, and what is run."
)]
#[serde(rename_all = "camelCase")]
pub struct RetrainPolicySpec {
    /// The stage that is watched.
    pub deployment: StageReference,
    /// The TrainingJob that is started. Every run has this spec; only the versions that its
    /// references resolve to differ.
    pub template: TrainingJobTemplate,
    /// What is watched. Any acting trigger that is breached starts a run.
    #[schemars(length(min = 1, max = 10))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub triggers: Vec<Trigger>,
    /// When a trigger counts as breached.
    #[serde(default)]
    pub evaluate: Evaluate,
    /// `Auto` starts runs; `Observe` only shows what it would do.
    #[serde(default)]
    pub mode: PolicyMode,
    /// Shortest time from the end of one run to the start of the next.
    #[serde(default = "default_cooldown")]
    pub cooldown: Duration,
    /// Starts nothing and evaluates nothing while true.
    #[serde(default)]
    pub suspend: bool,
}

/// A stage of a ModelDeployment.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StageReference {
    /// Name of the ModelDeployment.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Name of the stage.
    #[schemars(schema_with = "schema::part_name")]
    pub stage: String,
}

/// The TrainingJob that is started.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TrainingJobTemplate {
    /// Its spec.
    pub spec: TrainingJobSpec,
}

/// When a trigger counts as breached.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.breaches <= self.of").message("evaluate.breaches must not be larger than evaluate.of").field_path(".breaches"))]
pub struct Evaluate {
    /// Time between two looks at the gateways; at least 1 s.
    #[serde(default = "default_interval")]
    #[x_kube(validation = Rule::new("self != '0s'").message("evaluate.interval must be at least 1s"))]
    pub interval: Duration,
    /// A trigger is breached when this many …
    #[serde(default = "default_breaches")]
    #[schemars(range(min = 1, max = 20))]
    pub breaches: u32,
    /// … of its last so many evaluations were.
    #[serde(default = "default_of")]
    #[schemars(range(min = 1, max = 20))]
    pub of: u32,
}

impl Default for Evaluate {
    fn default() -> Self {
        Self {
            interval: default_interval(),
            breaches: default_breaches(),
            of: default_of(),
        }
    }
}

/// What a policy may do.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PolicyMode {
    /// Starts runs.
    #[default]
    Auto,
    /// Only shows what it would do.
    Observe,
}

fn default_cooldown() -> Duration {
    Duration::from_secs(6 * 3_600)
}

fn default_interval() -> Duration {
    Duration::from_secs(300)
}

fn default_breaches() -> u32 {
    3
}

fn default_of() -> u32 {
    5
}
