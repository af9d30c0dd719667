//! TrainingJob: one training run.

mod status;

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    common::{DatasetReference, Duration, PodTemplate},
    metric::{GOAL_MESSAGE, GOAL_RULE, Goal, known_goal},
    schema,
};

pub use status::{
    EvaluationResult, Failure, FailureReason, Progress, Resolved, ResolvedInput, TrainingJobPhase,
    TrainingJobStatus,
};

/// One training run. Its pod finds the inputs at paths, writes a model to `/mnt/model`, and the
/// run registers that model as a ModelVersion with everything it was made from.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "millwright.dev",
    version = "v1alpha1",
    kind = "TrainingJob",
    namespaced,
    status = "TrainingJobStatus",
    derive = "PartialEq",
    shortname = "mwtj",
    category = "millwright",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Attempts", type_ = "integer", json_path = ".status.attempts", priority = 1),
    printcolumn(name = "Progress", type_ = "integer", json_path = ".status.progress.percent"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.modelVersion"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.failure.reason", priority = 1),
    printcolumn(name = "Model", type_ = "string", json_path = ".spec.model", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[0].message"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new(schema::NAME_RULE).message(schema::NAME_MESSAGE),
    doc = "One training run: pods that read data and register the model they make."
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.model) == has(oldSelf.model) && (!has(self.model) || self.model == oldSelf.model)").message("model is immutable: create a new TrainingJob").field_path(".model"))]
#[x_kube(validation = Rule::new("has(self.inputs) == has(oldSelf.inputs) && (!has(self.inputs) || self.inputs == oldSelf.inputs)").message("inputs is immutable: create a new TrainingJob").field_path(".inputs"))]
#[x_kube(validation = Rule::new("has(self.parameters) == has(oldSelf.parameters) && (!has(self.parameters) || self.parameters == oldSelf.parameters)").message("parameters is immutable: create a new TrainingJob").field_path(".parameters"))]
#[x_kube(validation = Rule::new("has(self.seed) == has(oldSelf.seed) && (!has(self.seed) || self.seed == oldSelf.seed)").message("seed is immutable: create a new TrainingJob").field_path(".seed"))]
#[x_kube(validation = Rule::new("self.template == oldSelf.template").message("template is immutable: create a new TrainingJob").field_path(".template"))]
#[x_kube(validation = Rule::new("self.output == oldSelf.output").message("output is immutable: create a new TrainingJob").field_path(".output"))]
#[x_kube(validation = Rule::new("has(self.evaluation) == has(oldSelf.evaluation) && (!has(self.evaluation) || self.evaluation == oldSelf.evaluation)").message("evaluation is immutable: create a new TrainingJob").field_path(".evaluation"))]
#[x_kube(validation = Rule::new("has(self.objective) == has(oldSelf.objective) && (!has(self.objective) || self.objective == oldSelf.objective)").message("objective is immutable: create a new TrainingJob").field_path(".objective"))]
#[x_kube(validation = Rule::new("self.retry == oldSelf.retry").message("retry is immutable: create a new TrainingJob").field_path(".retry"))]
#[x_kube(validation = Rule::new("has(self.activeDeadline) == has(oldSelf.activeDeadline) && (!has(self.activeDeadline) || self.activeDeadline == oldSelf.activeDeadline)").message("activeDeadline is immutable: create a new TrainingJob").field_path(".activeDeadline"))]
#[x_kube(validation = Rule::new("self.cancelGracePeriod == oldSelf.cancelGracePeriod").message("cancelGracePeriod is immutable: create a new TrainingJob").field_path(".cancelGracePeriod"))]
#[x_kube(validation = Rule::new("!has(self.evaluation) || has(self.model)").message("evaluation needs model: only a registered model is evaluated").field_path(".evaluation"))]
#[x_kube(validation = Rule::new("!has(self.inputs) || self.inputs.all(a, self.inputs.exists_one(b, (has(b.path) ? b.path : '/mnt/inputs/' + b.name) == (has(a.path) ? a.path : '/mnt/inputs/' + a.name)))").message("inputs must have different paths").field_path(".inputs"))]
#[x_kube(validation = Rule::new("!has(self.inputs) || self.inputs.all(i, (has(i.path) ? i.path : '/mnt/inputs/' + i.name) != self.output.path)").message("output.path must not be the path of an input").field_path(".output"))]
pub struct TrainingJobSpec {
    /// Name of the Model that a version is registered for on success. Absent: nothing is
    /// registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub model: Option<String>,
    /// Data put into the pod, read-only, before the trainer starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    #[x_kube(validation = Rule::new("self.all(i, i.name != 'data')").message("an input can't be named data: that is the evaluation's"))]
    pub inputs: Vec<Input>,
    /// Parameters of the run. The trainer finds them in `/etc/millwright/params.json`, in
    /// `PARAM_<NAME>`, and as `$(params.name)` in its command and args.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::parameters")]
    #[x_kube(validation = Rule::new("self.all(k, k.matches('^[a-zA-Z_][a-zA-Z0-9_.-]{0,62}$'))").message("a parameter's name must begin with a letter or _ and have at most 63 letters, digits, '_', '.' and '-'"))]
    pub parameters: BTreeMap<String, String>,
    /// Given to the trainer as `MILLWRIGHT_SEED` and `PYTHONHASHSEED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_i64))]
    pub seed: Option<u32>,
    /// The pod. The trainer is the container named `trainer`, else the only one; its `command` is
    /// required.
    pub template: PodTemplate,
    /// Where the trainer leaves the model.
    #[serde(default)]
    pub output: Output,
    /// A second pod that scores the new model, and the champion beside it, on the same data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Evaluation>,
    /// The metric that says how good the model is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// What happens when an attempt fails.
    #[serde(default)]
    pub retry: Retry,
    /// Longest time from the start of the first attempt to the end of the run, publishing and
    /// evaluation included. A run over it fails with DeadlineExceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self != '0s'").message("activeDeadline must be longer than 0s"))]
    pub active_deadline: Option<Duration>,
    /// Time between SIGTERM and SIGKILL for the trainer when the run is stopped.
    #[serde(default = "default_grace")]
    pub cancel_grace_period: Duration,
    /// Stops the run while true: its pod ends, and a new attempt starts when it is false again. A
    /// model that is being published is published first, and is never trained again.
    #[serde(default)]
    pub suspend: bool,
}

/// Data put into the pod.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// Name, unique in the run. The path is also in `MILLWRIGHT_INPUT_<NAME>`.
    #[schemars(schema_with = "schema::part_name")]
    pub name: String,
    /// The Dataset and its version.
    pub dataset: DatasetReference,
    /// Where the files are. Default: `/mnt/inputs/<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = "^/[^\\s:]+$"))]
    pub path: Option<String>,
}

impl Input {
    /// The path that the trainer finds the files at.
    pub fn path(&self) -> String {
        self.path
            .clone()
            .unwrap_or_else(|| format!("/mnt/inputs/{}", self.name))
    }
}

/// Where the trainer leaves the model.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// Folder that is published when the trainer ends well.
    #[serde(default = "default_output_path")]
    #[schemars(length(max = 256), regex(pattern = "^/[^\\s:]+$"))]
    pub path: String,
    /// Format of the model in words of its serving runtime, e.g. `onnx` or `sklearn`; recorded in
    /// the ModelVersion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub format: Option<String>,
    /// Longest time that publishing may take before it counts as failed.
    #[serde(default = "default_publish_timeout")]
    #[x_kube(validation = Rule::new("self != '0s'").message("output.publishTimeout must be longer than 0s"))]
    pub publish_timeout: Duration,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            path: default_output_path(),
            format: None,
            publish_timeout: default_publish_timeout(),
        }
    }
}

/// A second pod that scores models.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// The data that both models are scored on.
    pub dataset: DatasetReference,
    /// The pod. The evaluator is the container named `evaluator`, else the only one; its `command`
    /// is required and runs once per model, with the model at `MILLWRIGHT_MODEL_DIR` and the data
    /// at `MILLWRIGHT_INPUT_DATA`. It writes `metrics.json`, and if it likes `predictions.csv`
    /// (column `prediction`), to `MILLWRIGHT_OUTPUT_DIR`.
    pub template: PodTemplate,
    /// What the new model is compared with: `Champion` is the version that the last stage of a
    /// ModelDeployment of this model runs when the evaluation starts; only deployments with
    /// `track` count, and of several the first by name that serves.
    #[serde(default)]
    pub against: Against,
}

/// What a new model is compared with.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Against {
    /// The version in the last stage; nothing when none serves.
    #[default]
    Champion,
    /// Nothing.
    None,
}

/// The metric that says how good a model is.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(GOAL_RULE).message(GOAL_MESSAGE).field_path(".metric"))]
pub struct Objective {
    /// Name of the metric, as the trainer or the evaluator writes it to `metrics.json`.
    #[schemars(schema_with = "schema::metric_name")]
    pub metric: String,
    /// Which side is good. Absent: known from the metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
}

impl Objective {
    /// Which side is good; `None` only for an object that the CRD would have refused.
    pub fn goal(&self) -> Option<Goal> {
        self.goal.or_else(|| known_goal(&self.metric))
    }
}

/// What happens when an attempt fails.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// Attempts after the first one. Evictions and other disruptions don't count.
    #[serde(default = "default_retry_limit")]
    #[schemars(range(min = 0, max = 20))]
    pub limit: u32,
    /// Waiting time before the next attempt.
    #[serde(default)]
    pub backoff: Backoff,
    /// Exit codes of the trainer that are worth another attempt. Absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(range(min = 1, max = 255)))]
    pub on_exit_codes: Vec<i32>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            limit: default_retry_limit(),
            backoff: Backoff::default(),
            on_exit_codes: vec![],
        }
    }
}

/// Waiting time that doubles with each failure.
// CEL's durations know no days: those are not compared.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.initial.contains('d') || self.max.contains('d') || duration(self.initial) <= duration(self.max)").message("backoff.initial must not be longer than backoff.max").field_path(".initial"))]
pub struct Backoff {
    /// Before the second attempt.
    #[serde(default = "default_backoff_initial")]
    pub initial: Duration,
    /// Never longer than this.
    #[serde(default = "default_backoff_max")]
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: default_backoff_initial(),
            max: default_backoff_max(),
        }
    }
}

fn default_grace() -> Duration {
    Duration::from_secs(30)
}

fn default_output_path() -> String {
    "/mnt/model".into()
}

fn default_publish_timeout() -> Duration {
    Duration::from_secs(600)
}

fn default_retry_limit() -> u32 {
    3
}

fn default_backoff_initial() -> Duration {
    Duration::from_secs(10)
}

fn default_backoff_max() -> Duration {
    Duration::from_secs(300)
}
