//! What an attempt's agents are asked, and what they say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::versioned;
use crate::training_job::FailureReason;

/// What `agent fetch` is asked, in `MILLWRIGHT_TASK`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct FetchTask {
    /// Version of the document.
    pub v: u32,
    /// Whether to put the agent's binary into the shared folder.
    pub install_agent: bool,
    /// Parameters to write to `/etc/millwright/params.json`; absent: no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BTreeMap<String, String>>,
    /// Sets of files to fetch.
    pub items: Vec<FetchItem>,
}
versioned!(FetchTask, "the fetch's task", 1);

/// One set of files.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct FetchItem {
    /// What it is, for messages: `input train (dataset flights v3)`.
    pub what: String,
    /// Digest of the manifest; absent for single documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Key of a single document in the store; absent for sets of files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Folder for a set of files, or file for a single document.
    pub path: String,
    /// A single document that may be missing.
    #[serde(default)]
    pub optional: bool,
}

/// What `agent exec` is asked, in `MILLWRIGHT_TASK`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ExecTask {
    /// Version of the document.
    pub v: u32,
    /// Seconds between SIGTERM and SIGKILL for the command.
    pub grace_seconds: u64,
    /// Whether to ask the sidecar to publish when the command ended well.
    pub publish: bool,
    /// Seconds that publishing may take.
    pub publish_timeout_seconds: u64,
}
versioned!(ExecTask, "the exec's task", 1);

/// What `agent run` is asked, in `MILLWRIGHT_TASK`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct RunTask {
    /// Version of the document.
    pub v: u32,
    /// Name of the TrainingJob.
    pub training_job: String,
    /// UID of the TrainingJob.
    pub uid: String,
    /// Number of the attempt.
    pub attempt: u32,
    /// Name of the Model, if one is registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Folder to publish.
    pub output: String,
    /// Metric of the objective: kept when metrics are cut to fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    /// Folder of the input that the reference profile is made from when the trainer left no
    /// training rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_input: Option<String>,
}
versioned!(RunTask, "the run's task", 1);

/// What was published: the trainer's termination message, and `result.json` in the store.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct AttemptResult {
    /// Version of the document.
    pub v: u32,
    /// Digest of the published files.
    pub digest: String,
    /// Number of files.
    pub files: u64,
    /// Bytes over all files.
    pub bytes: u64,
    /// Final metrics, at most 30.
    pub metrics: BTreeMap<String, f64>,
    /// Key of the result in the store.
    pub key: String,
    /// Key of the reference profile in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}
versioned!(AttemptResult, "the attempt's result", 1);

/// Most metrics in a result: the message must fit.
pub const MAX_METRICS: usize = 30;

/// Why one of our containers failed, in its termination message.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct AgentFailure {
    /// Version of the document.
    pub v: u32,
    /// One word.
    pub reason: FailureReason,
    /// What happened and what to do, in words; at most 1,024 characters.
    pub message: String,
}
versioned!(AgentFailure, "the failure", 1);

/// Progress, answered by `agent run` at `GET /progress`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ProgressReport {
    /// Version of the document.
    pub v: u32,
    /// UID of the pod that answers.
    pub pod_uid: String,
    /// 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    /// The last metrics.
    pub metrics: BTreeMap<String, f64>,
    /// Whether the trainer has ended well and its output is being published.
    #[serde(default)]
    pub publishing: bool,
}
versioned!(ProgressReport, "the progress report", 1);
