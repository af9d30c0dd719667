//! Model: a registered model, the home of its version numbers.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{common::Condition, schema};

/// A registered model. Made by the operator when the first version is registered, or by hand.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Default)]
#[kube(
    group = "millwright.dev",
    version = "v1alpha1",
    kind = "Model",
    namespaced,
    status = "ModelStatus",
    derive = "PartialEq",
    shortname = "mwm",
    category = "millwright",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Latest", type_ = "string", json_path = ".status.latest"),
    printcolumn(name = "Versions", type_ = "integer", json_path = ".status.lastVersion"),
    printcolumn(name = "Description", type_ = "string", json_path = ".spec.description"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new(schema::NAME_RULE).message(schema::NAME_MESSAGE),
    doc = "A registered model: the home of its version numbers."
)]
#[serde(rename_all = "camelCase")]
pub struct ModelSpec {
    /// What the model is for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub description: Option<String>,
}

/// What is known of a Model.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ModelStatus {
    /// Generation that this status speaks of; -1 before the first pass.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// One word for people.
    #[serde(default)]
    pub phase: ModelPhase,
    /// The highest number ever drawn. Raised before a ModelVersion is created, so that a number is
    /// never used twice.
    #[serde(default)]
    pub last_version: u32,
    /// UID of the TrainingJob that drew `lastVersion`: after a crash it uses its number again
    /// instead of drawing another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawn_by: Option<String>,
    /// Name of the ModelVersion with the highest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
}

impl Default for ModelStatus {
    fn default() -> Self {
        Self {
            observed_generation: -1,
            conditions: vec![],
            phase: ModelPhase::Pending,
            last_version: 0,
            drawn_by: None,
            latest: None,
        }
    }
}

/// One word about a Model.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ModelPhase {
    /// No version yet.
    #[default]
    Pending,
    /// Has versions.
    Ready,
}
