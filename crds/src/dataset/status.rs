//! What is known of a Dataset.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{common::Condition, schema};

/// What is known of a Dataset.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DatasetStatus {
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
    pub phase: DatasetPhase,
    /// The version that a consumer gets when it names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<CurrentVersion>,
    /// Versions, newest first, at most `spec.retain.versions`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub versions: Vec<DatasetVersion>,
    /// The first 50 columns of the current version, fewer when their names are long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub columns: Vec<Column>,
    /// Number of columns of the current version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column_count: Option<u32>,
    /// The sync that ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sync: Option<LastSync>,
}

impl Default for DatasetStatus {
    fn default() -> Self {
        Self {
            observed_generation: -1,
            conditions: vec![],
            phase: DatasetPhase::Pending,
            current: None,
            versions: vec![],
            columns: vec![],
            column_count: None,
            last_sync: None,
        }
    }
}

/// One word about a Dataset.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DatasetPhase {
    /// No sync has ended yet.
    #[default]
    Pending,
    /// A sync is running.
    Syncing,
    /// A version is current.
    Ready,
    /// The newest version failed an expectation and none is current.
    Rejected,
    /// The last sync failed; it is tried again.
    Failed,
    /// Waits for a person: see the Stalled condition.
    Stalled,
    /// `spec.suspend` is true.
    Suspended,
}

/// The current version of a Dataset.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CurrentVersion {
    /// `v1`, `v2`, …; never reused.
    pub version: String,
    /// SHA-256 of the version's manifest.
    #[schemars(schema_with = "schema::digest")]
    pub digest: String,
    /// Rows over all files.
    pub rows: u64,
    /// Number of files.
    pub files: u64,
    /// Bytes over all files.
    pub bytes: u64,
    /// Key of the version's profile in the artifact store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// When the version was made (RFC 3339).
    pub created_at: String,
}

/// One version of a Dataset.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DatasetVersion {
    /// `v1`, `v2`, …; never reused.
    pub version: String,
    /// SHA-256 of the version's manifest.
    #[schemars(schema_with = "schema::digest")]
    pub digest: String,
    /// Whether consumers may use it.
    pub state: VersionState,
    /// Rows over all files.
    pub rows: u64,
    /// Number of files.
    #[serde(default)]
    pub files: u64,
    /// Bytes over all files.
    pub bytes: u64,
    /// When the version was made (RFC 3339).
    pub created_at: String,
    /// The expectations it failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub failed: Vec<FailedExpectation>,
}

/// Whether consumers may use a version.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionState {
    /// The newest that passed all expectations.
    Current,
    /// Was current once.
    Superseded,
    /// Failed an expectation.
    Rejected,
}

/// An expectation that a version failed.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FailedExpectation {
    /// Its name.
    pub expectation: String,
    /// What was seen, in words.
    #[schemars(length(max = 256))]
    pub observed: String,
}

/// A column of tabular data.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// Name.
    pub name: String,
    /// Type, inferred from the data.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Whether a value was missing.
    pub nullable: bool,
}

/// Types of columns.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// Whole numbers.
    Integer,
    /// Numbers.
    Float,
    /// `true` and `false`.
    Boolean,
    /// Text.
    String,
    /// Points in time.
    Timestamp,
}

/// The sync that ended last.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastSync {
    /// What the sync was for: spec generation, refresh annotation or interval number, hashed.
    pub request: String,
    /// When it ended (RFC 3339).
    pub finished_at: String,
    /// Failed syncs in a row; 0 after one that ended well.
    #[serde(default)]
    pub failures: u32,
}
