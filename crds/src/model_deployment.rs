//! ModelDeployment: a model on its way to production.

mod gate;
mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    common::{Duration, PodTemplate},
    schema,
};

pub use gate::{EvaluationGate, Gate, TestGate};
pub use status::{
    CurrentStageVersion, GateState, GateStatus, HistoryEntry, ModelDeploymentPhase,
    ModelDeploymentStatus, NextPhase, NextStageVersion, Outcome, Rollback, StageStatus,
};

/// A model on its way to production: stages in order, each with the gates that a version must pass
/// before it enters. Every stage is a Deployment of the model server with a gateway in front and a
/// Service of its own, `<name>-<stage>`.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "millwright.dev",
    version = "v1alpha1",
    kind = "ModelDeployment",
    namespaced,
    status = "ModelDeploymentStatus",
    derive = "PartialEq",
    shortname = "mwmd",
    category = "millwright",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Model", type_ = "string", json_path = ".spec.model.name"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[0].message"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new(schema::NAME_RULE).message(schema::NAME_MESSAGE),
    doc = "A model on its way to production: stages, and the gates between them."
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.model.name == oldSelf.model.name").message("model.name is immutable: create a new ModelDeployment").field_path(".model.name"))]
#[x_kube(validation = Rule::new("!has(self.stages[0].gates) || !self.stages[0].gates.exists(gate, has(gate.test))")
    .message("the first stage can't have a test gate: a test asks the stage before").field_path(".stages"))]
pub struct ModelDeploymentSpec {
    /// Which model, and which of its versions.
    pub model: ModelSelector,
    /// The model server.
    pub server: Server,
    /// Stages in order. A version enters a stage when the one before serves it and all gates of
    /// the stage pass.
    #[schemars(length(min = 1, max = 10))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub stages: Vec<Stage>,
    /// What the gateways measure.
    #[serde(default)]
    pub monitoring: Monitoring,
    /// How many entries `status.history` keeps.
    #[serde(default = "default_history")]
    #[schemars(range(min = 1, max = 50))]
    pub history: u32,
    /// Versions stay where they are while true.
    #[serde(default)]
    pub paused: bool,
}

/// Which model, and which of its versions.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.track) != has(self.version)")
    .message("model needs exactly one of track (Latest) and version (a number)"))]
pub struct ModelSelector {
    /// Name of the Model.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Follow the newest version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<Track>,
    /// Stay with this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub version: Option<u32>,
}

/// What a deployment follows.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// The version with the highest number.
    Latest,
}

/// The model server.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// The pod. The server is the container named `server`, else the only one; it finds the model
    /// at `/mnt/models`, read-only.
    pub template: PodTemplate,
    /// What the server speaks. With `OpenInference` (protocol v2, REST) the gateway profiles
    /// inputs and predictions; with `Http` it measures latency and errors only.
    #[serde(default)]
    pub protocol: Protocol,
    /// Port that the server listens on. 9000 and 9001 are the gateway's.
    #[serde(default = "default_port")]
    #[schemars(range(min = 1, max = 65535))]
    #[x_kube(validation = Rule::new("self != 9000 && self != 9001").message("server.port must not be 9000 or 9001: those are the gateway's"))]
    pub port: u16,
}

/// What a model server speaks.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    /// Open Inference Protocol v2 over REST.
    #[default]
    OpenInference,
    /// Anything over HTTP.
    Http,
}

/// One stage.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Name, unique in the deployment.
    #[schemars(schema_with = "schema::part_name")]
    pub name: String,
    /// Number of pods.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: u32,
    /// What a version must pass before it enters, checked in order; all must pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub gates: Vec<Gate>,
    /// When a version that has entered is taken back.
    #[serde(default)]
    pub rollback: RollbackPolicy,
}

/// When a version that has entered is taken back.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RollbackPolicy {
    /// Longest time in which no further pod of a new version begins to serve, before all of them do.
    /// After it the stage returns to the version before. It is the progressDeadlineSeconds of the
    /// stage's Deployment.
    #[serde(default = "default_unavailable")]
    #[x_kube(validation = Rule::new("self != '0s'").message("rollback.onUnavailable must be longer than 0s"))]
    pub on_unavailable: Duration,
}

impl Default for RollbackPolicy {
    fn default() -> Self {
        Self {
            on_unavailable: default_unavailable(),
        }
    }
}

/// What the gateways measure.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Monitoring {
    /// Length of a window. Windows are aligned to the Unix epoch, so that those of all replicas
    /// add up. At least 5 s.
    #[serde(default = "default_window")]
    #[x_kube(validation = Rule::new("!self.matches('^[0-4]s$')").message("monitoring.window must be at least 5s"))]
    pub window: Duration,
    /// Windows with traffic that a gateway keeps. For labels to have all of `feedback.horizon`, a
    /// RetrainPolicy needs (`feedback.horizon` + its `evaluate.interval`) / `window` + 2.
    #[serde(default = "default_retain")]
    #[schemars(range(min = 2, max = 100))]
    pub retain: u32,
    /// What the model does; says which quality metrics are measured.
    #[serde(default)]
    pub task: Task,
    /// How labels find their predictions.
    #[serde(default)]
    pub feedback: Feedback,
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            window: default_window(),
            retain: default_retain(),
            task: Task::default(),
            feedback: Feedback::default(),
        }
    }
}

/// What a model does.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Task {
    /// Predicts a number: mae, mse, rmse, r2.
    #[default]
    Regression,
    /// Predicts a class: accuracy, precision, recall, f1.
    Classification,
}

/// How labels find their predictions.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Feedback {
    /// Longest time that a prediction waits for its label. A window counts for quality when all
    /// its predictions have labels, or this long after its end.
    #[serde(default = "default_horizon")]
    pub horizon: Duration,
    /// Most predictions (rows) that one gateway keeps waiting; the oldest go first, and are
    /// counted.
    #[serde(default = "default_max_pending")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_pending: u32,
}

impl Default for Feedback {
    fn default() -> Self {
        Self {
            horizon: default_horizon(),
            max_pending: default_max_pending(),
        }
    }
}

fn default_history() -> u32 {
    10
}

fn default_port() -> u16 {
    8080
}

fn one() -> u32 {
    1
}

fn default_unavailable() -> Duration {
    Duration::from_secs(120)
}

fn default_window() -> Duration {
    Duration::from_secs(300)
}

/// What the default window, horizon and interval of evaluation need, and two more.
fn default_retain() -> u32 {
    16
}

fn default_horizon() -> Duration {
    Duration::from_secs(3_600)
}

fn default_max_pending() -> u32 {
    100_000
}
