//! What an evaluation is asked, and what it says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::versioned;

/// What `agent evaluate` is asked, in `MILLWRIGHT_TASK`. It runs as PID 1 of the evaluator and
/// starts the user's command once per model, candidate first.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct EvaluateTask {
    /// Version of the document.
    pub v: u32,
    /// Whether a champion was fetched.
    pub champion: bool,
    /// Metric of the objective: its absence is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
    /// Seconds between SIGTERM and SIGKILL for the command.
    pub grace_seconds: u64,
}
versioned!(EvaluateTask, "the evaluation's task", 1);

/// What `agent run` beside an evaluator is asked: it stores what the evaluator handed over.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct EvaluationStoreTask {
    /// Version of the document.
    pub v: u32,
    /// UID of the TrainingJob.
    pub uid: String,
    /// Number of the attempt.
    pub attempt: u32,
    /// Name of the Model.
    pub model: String,
    /// Digest of the candidate.
    pub digest: String,
}
versioned!(EvaluationStoreTask, "the evaluation sidecar's task", 1);

/// What was measured: the evaluator's termination message, and `evaluation.json` in the store.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct EvaluationReport {
    /// Version of the document.
    pub v: u32,
    /// Metrics of the candidate, at most 15.
    pub candidate: BTreeMap<String, f64>,
    /// Metrics of the champion, at most 15; empty without one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub champion: BTreeMap<String, f64>,
    /// Key of the profile of the candidate's predictions in the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<String>,
}
versioned!(EvaluationReport, "the evaluation's report", 1);

/// Most metrics per model in a report: the message must fit.
pub const MAX_METRICS: usize = 15;
