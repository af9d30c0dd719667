//! Triggers: what a policy watches.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{metric::Goal, schema};

/// One thing that a policy watches: exactly one check.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.quality), has(self.drift)].exists_one(x, x)")
    .message("a trigger needs exactly one of quality and drift"))]
pub struct Trigger {
    /// Name, unique in the policy.
    #[schemars(schema_with = "schema::part_name")]
    pub name: String,
    /// `Act` may start a run; `Observe` is only shown.
    #[serde(default)]
    pub mode: TriggerMode,
    /// The measured error, from labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<QualityTrigger>,
    /// The distance of live inputs from the training data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftTrigger>,
}

/// What a trigger may do.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TriggerMode {
    /// May start a run.
    #[default]
    Act,
    /// Only shown.
    Observe,
}

/// The measured error, from predictions joined with labels at the gateway.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct QualityTrigger {
    /// Name of the metric: one that the deployment's task measures.
    pub metric: QualityMetric,
    /// The worst value that is not a breach.
    pub limit: Limit,
    /// Fewest labels that make an evaluation; with fewer it waits for more.
    #[serde(default = "default_min_labels")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub min_labels: u64,
}

/// Metrics that gateways measure from labels.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum QualityMetric {
    /// Mean absolute error.
    Mae,
    /// Mean squared error.
    Mse,
    /// Root of the mean squared error.
    Rmse,
    /// Coefficient of determination.
    R2,
    /// Share of right classes.
    Accuracy,
}

impl QualityMetric {
    /// The name, as in an evaluation's `metrics.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mae => "mae",
            Self::Mse => "mse",
            Self::Rmse => "rmse",
            Self::R2 => "r2",
            Self::Accuracy => "accuracy",
        }
    }

    /// Which side is good.
    pub fn goal(self) -> Goal {
        match self {
            Self::Mae | Self::Mse | Self::Rmse => Goal::Minimize,
            Self::R2 | Self::Accuracy => Goal::Maximize,
        }
    }
}

/// A limit: a value, or a multiple of what the running version recorded at its evaluation.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.ratio)").message("limit needs exactly one of value and ratio"))]
pub struct Limit {
    /// In the metric's unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Times what the running ModelVersion recorded at its evaluation, e.g. 1.3 for an error that
    /// may grow by 30 %, or 0.9 for an accuracy that may fall by 10 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub ratio: Option<f64>,
}

/// The distance of live inputs from the training data.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DriftTrigger {
    /// How distance is measured.
    #[serde(default)]
    pub method: DriftMethod,
    /// Columns that are compared. Absent: all that the reference and the traffic share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 63)))]
    pub columns: Vec<String>,
    /// A column has drifted when its distance is above this. 0.2 is the customary bound of a
    /// significant shift for PSI (Siddiqi, Credit Risk Scorecards, 2006, gives 0.25; 0.2 is the
    /// industry's stricter form).
    #[serde(default = "default_threshold")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub threshold: f64,
    /// An evaluation is a breach when more than this share of the columns has drifted, or any
    /// when it is 0.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
    /// Fewest rows that make an evaluation; with fewer it waits for more.
    #[serde(default = "default_min_samples")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub min_samples: u64,
}

/// How distance is measured.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DriftMethod {
    /// Population stability index.
    #[default]
    Psi,
}

fn default_min_labels() -> u64 {
    500
}

fn default_threshold() -> f64 {
    0.2
}

fn default_min_samples() -> u64 {
    1_000
}
