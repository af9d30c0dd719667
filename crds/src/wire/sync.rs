//! What a Dataset's sync is asked, and what it says.

use serde::{Deserialize, Serialize};

use super::versioned;
use crate::dataset::{Column, Expectation, FailedExpectation, Format, Source};

/// What `agent sync` is asked, in `MILLWRIGHT_TASK`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SyncTask {
    /// Version of the document.
    pub v: u32,
    /// Name of the Dataset.
    pub dataset: String,
    /// The source. A `pvc://` source is mounted at `mount`.
    pub source: Source,
    /// Where a `pvc://` source's folder is in the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount: Option<String>,
    /// How files are read.
    pub format: Format,
    /// What must be true.
    pub expectations: Vec<Expectation>,
}
versioned!(SyncTask, "the sync's task", 1);

/// What `agent sync` says in its termination message when it ended well. Bounded: columns are
/// left out from the end when the message would not fit.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SyncResult {
    /// Version of the document.
    pub v: u32,
    /// The version that the source's bytes are.
    pub version: VersionRecord,
    /// Version that is current afterwards, if any: another one when this was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// Whether the version was already known.
    pub unchanged: bool,
    /// Key of the version's profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The first columns.
    pub columns: Vec<Column>,
    /// Number of columns.
    pub column_count: u32,
}
versioned!(SyncResult, "the sync's result", 1);

/// One line of `versions.json`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct VersionRecord {
    /// Number: 3 is `v3`.
    pub number: u32,
    /// Digest of the manifest.
    pub digest: String,
    /// Rows over all files.
    pub rows: u64,
    /// Number of files.
    pub files: u64,
    /// Bytes over all files.
    pub bytes: u64,
    /// When it was made (RFC 3339).
    pub created_at: String,
    /// The expectations it failed; empty when it may be used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<FailedExpectation>,
}

/// `versions.json`: a Dataset's versions. The list only grows; of an entry only what the newest
/// sync says of its bytes changes (`rows`, `failed`).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct VersionList {
    /// Version of the document.
    pub v: u32,
    /// Number of the version that is current: the one whose bytes the source held last, among
    /// those that passed all expectations. It can be an old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<u32>,
    /// Versions, oldest first.
    pub versions: Vec<VersionRecord>,
}
versioned!(VersionList, "the list of versions", 1);
