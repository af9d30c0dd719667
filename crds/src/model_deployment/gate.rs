//! Gates: what a version must pass before it enters a stage.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::{
    common::{Duration, PodTemplate},
    metric::{GOAL_MESSAGE, GOAL_RULE, Goal, known_goal},
    schema,
};

/// What a version must pass before it enters a stage: exactly one check.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.evaluation), has(self.test)].exists_one(x, x)")
    .message("a gate needs exactly one of evaluation and test"))]
pub struct Gate {
    /// Name, unique in the stage.
    #[schemars(schema_with = "schema::part_name")]
    pub name: String,
    /// Bounds on what the evaluation pod measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<EvaluationGate>,
    /// A pod that must end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestGate>,
}

/// Bounds on what the evaluation pod measured.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(GOAL_RULE).message(GOAL_MESSAGE).field_path(".metric"))]
#[x_kube(validation = Rule::new("has(self.limit) || has(self.minImprovement)")
    .message("an evaluation gate needs limit, minImprovement or both"))]
pub struct EvaluationGate {
    /// Name of the metric in the evaluation.
    #[schemars(schema_with = "schema::metric_name")]
    pub metric: String,
    /// Which side is good. Absent: known from the metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
    /// The worst value that passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// How much better than the version in the stage it must be at least, in the metric's unit,
    /// both scored on the same data. Passes when the stage is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_improvement: Option<f64>,
}

impl EvaluationGate {
    /// Which side is good; `None` only for an object that the CRD would have refused.
    pub fn goal(&self) -> Option<Goal> {
        self.goal.or_else(|| known_goal(&self.metric))
    }
}

/// A pod that must end well.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TestGate {
    /// The pod. It finds the stage before at `MILLWRIGHT_ENDPOINT` (an http URL) and the number of
    /// the version at `MILLWRIGHT_VERSION`; exit code 0 passes.
    pub template: PodTemplate,
    /// Longest time that the test may take.
    #[serde(default = "default_timeout")]
    #[x_kube(validation = Rule::new("self != '0s'").message("test.timeout must be longer than 0s"))]
    pub timeout: Duration,
}

fn default_timeout() -> Duration {
    Duration::from_secs(600)
}
