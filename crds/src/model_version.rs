//! ModelVersion: the registry record.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    common::Condition,
    schema,
    training_job::{Objective, ResolvedInput},
};

/// One version of a Model: what it is, how good it was, and what it was made from. Written when a
/// TrainingJob ends well, or by hand for a model trained elsewhere. It belongs to nobody: deleting
/// the TrainingJob or the policy leaves it.
#[derive(CustomResource, Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "millwright.dev",
    version = "v1alpha1",
    kind = "ModelVersion",
    namespaced,
    status = "ModelVersionStatus",
    derive = "PartialEq",
    shortname = "mwmv",
    category = "millwright",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Model", type_ = "string", json_path = ".spec.model"),
    printcolumn(name = "Version", type_ = "integer", json_path = ".spec.version"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[0].message"
    ),
    printcolumn(name = "Bytes", type_ = "integer", json_path = ".spec.artifact.bytes", priority = 1),
    printcolumn(name = "Digest", type_ = "string", json_path = ".spec.artifact.digest", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.startsWith(self.spec.model + '-v') && self.metadata.name.substring(size(self.spec.model) + 2) == string(self.spec.version)")
        .message("metadata.name must be <spec.model>-v<spec.version>"),
    doc = "One version of a Model: what it is, how good it was, and what it was made from."
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("spec is immutable: a new model is a new ModelVersion"))]
pub struct ModelVersionSpec {
    /// Name of the Model.
    #[schemars(schema_with = "schema::object_name")]
    pub model: String,
    /// Number of the version.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub version: u32,
    /// The files.
    pub artifact: Artifact,
    /// Final metrics of the training.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::metrics")]
    pub metrics: BTreeMap<String, f64>,
    /// What the evaluation pod found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<VersionEvaluation>,
    /// Key in the artifact store of what the training features and the predictions looked like:
    /// the reference for drift.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub profile: Option<String>,
    /// The metric that says how good the model is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// What it was made from.
    #[serde(default)]
    pub lineage: Lineage,
}

/// The files of a model.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// SHA-256 of the manifest of the files; names them in the artifact store.
    #[schemars(schema_with = "schema::digest")]
    pub digest: String,
    /// Bytes over all files.
    #[schemars(range(min = 0, max = 9_007_199_254_740_992_i64))]
    pub bytes: u64,
    /// Number of files.
    #[schemars(range(min = 0, max = 9_007_199_254_740_992_i64))]
    pub files: u64,
    /// Format in words of the serving runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub format: Option<String>,
}

/// What the evaluation pod found.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct VersionEvaluation {
    /// Name of the Dataset that all were scored on.
    #[schemars(schema_with = "schema::object_name")]
    pub dataset: String,
    /// Version of that Dataset.
    #[schemars(length(max = 12))]
    pub version: String,
    /// Its digest.
    #[schemars(schema_with = "schema::digest")]
    pub digest: String,
    /// Metrics of this version.
    #[schemars(schema_with = "schema::metrics")]
    pub metrics: BTreeMap<String, f64>,
    /// The version it was compared with, on the same data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub champion: Option<Champion>,
}

/// A version that a new one was compared with.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Champion {
    /// Its number.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub version: u32,
    /// Its metrics.
    #[schemars(schema_with = "schema::metrics")]
    pub metrics: BTreeMap<String, f64>,
}

/// What a model was made from.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Lineage {
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_job: Option<RunReference>,
    /// The data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 11))]
    pub inputs: Vec<ResolvedInput>,
    /// Image of the trainer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub image: Option<String>,
    /// Parameters of the run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::parameters")]
    pub parameters: BTreeMap<String, String>,
    /// Seed of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_i64))]
    pub seed: Option<u32>,
    /// The RetrainPolicy that started the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::object_name")]
    pub policy: Option<String>,
}

/// A run, as it was: it may be gone.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RunReference {
    /// Name of the TrainingJob.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// UID of the TrainingJob.
    #[schemars(length(max = 64))]
    pub uid: String,
}

/// What is known of a ModelVersion.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ModelVersionStatus {
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
    pub phase: ModelVersionPhase,
    /// Where it serves, sorted by deployment and stage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub running: Vec<Running>,
}

impl Default for ModelVersionStatus {
    fn default() -> Self {
        Self {
            observed_generation: -1,
            conditions: vec![],
            phase: ModelVersionPhase::Pending,
            running: vec![],
        }
    }
}

/// One word about a ModelVersion.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ModelVersionPhase {
    /// Not seen yet.
    #[default]
    Pending,
    /// In the registry, serving nowhere.
    Registered,
    /// Serves in at least one stage.
    Serving,
}

/// A stage where a version serves.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// Name of the ModelDeployment.
    pub deployment: String,
    /// Name of the stage.
    pub stage: String,
}
