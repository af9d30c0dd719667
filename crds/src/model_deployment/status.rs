//! What is known of a ModelDeployment.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{common::Condition, schema};

/// What is known of a ModelDeployment.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ModelDeploymentStatus {
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
    pub phase: ModelDeploymentPhase,
    /// Stages, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub stages: Vec<StageStatus>,
    /// What happened to versions, newest first, at most `spec.history`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub history: Vec<HistoryEntry>,
}

impl Default for ModelDeploymentStatus {
    fn default() -> Self {
        Self {
            observed_generation: -1,
            conditions: vec![],
            phase: ModelDeploymentPhase::Pending,
            stages: vec![],
            history: vec![],
        }
    }
}

/// One word about a ModelDeployment.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ModelDeploymentPhase {
    /// Waits for the first version.
    #[default]
    Pending,
    /// Pods of a version are being rolled out.
    Deploying,
    /// A version is on its way through gates.
    Promoting,
    /// `spec.paused` is true.
    Paused,
    /// Every stage serves what it should.
    Healthy,
    /// The newest version was refused or taken back; the one before serves.
    RolledBack,
    /// A stage has fewer serving pods than it should.
    Degraded,
    /// Waits for a person: see the Stalled condition.
    Stalled,
}

/// What is known of a stage.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StageStatus {
    /// Name of the stage.
    pub name: String,
    /// The version that serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<CurrentStageVersion>,
    /// The version on its way in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextStageVersion>,
    /// Pods wanted.
    #[serde(default)]
    pub replicas: u32,
    /// Pods that serve.
    #[serde(default)]
    pub ready_replicas: u32,
    /// Address inside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Label selector of the stage's pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// The last version that was taken back. It does not enter again until the spec changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rollback: Option<Rollback>,
}

/// The version that a stage serves.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CurrentStageVersion {
    /// Number.
    pub version: u32,
    /// Digest of its files.
    #[schemars(schema_with = "schema::digest")]
    pub digest: String,
    /// When all its pods served for the first time (RFC 3339).
    pub since: String,
    /// Hash of what its pods are made from: a change of the server's template or port with the
    /// same version is rolled out, and taken back, like a new version.
    pub revision: String,
}

/// The version on its way into a stage.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NextStageVersion {
    /// Number.
    pub version: u32,
    /// Digest of its files.
    #[schemars(schema_with = "schema::digest")]
    pub digest: String,
    /// Hash of what its pods are made from.
    pub revision: String,
    /// Where it stands.
    pub phase: NextPhase,
    /// When its pods were first asked for (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout_started: Option<String>,
    /// The gates, in the order of the spec.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub gates: Vec<GateStatus>,
}

/// Where a version on its way into a stage stands.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextPhase {
    /// Gates are being checked.
    Gating,
    /// A gate refused it.
    Refused,
    /// Its pods are being rolled out.
    RollingOut,
}

/// What is known of a gate.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GateStatus {
    /// Name of the gate.
    pub name: String,
    /// How it stands.
    pub state: GateState,
    /// One word.
    pub reason: String,
    /// What was compared, in words and figures.
    #[schemars(length(max = 512))]
    pub message: String,
    /// The value that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
}

/// How a gate stands.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateState {
    /// Not decided.
    Pending,
    /// Lets the version in.
    Passed,
    /// Refuses the version.
    Failed,
}

/// A version that was taken back.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// Its number.
    pub version: u32,
    /// Hash of what its pods were made from.
    pub revision: String,
    /// One word.
    pub reason: String,
    /// What happened, in words.
    #[schemars(length(max = 512))]
    pub message: String,
    /// When (RFC 3339).
    pub at: String,
}

/// What happened to a version in a stage.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Number of the version.
    pub version: u32,
    /// Name of the stage.
    pub stage: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When (RFC 3339).
    pub at: String,
    /// Why, in words.
    #[schemars(length(max = 512))]
    pub reason: String,
}

/// How a version's way into a stage ended.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It serves.
    Promoted,
    /// A gate refused it.
    Refused,
    /// It was taken back.
    RolledBack,
}
