//! What a gateway is asked, and what it says of the traffic it saw.

use drift::{
    profile::Profile,
    quality::{Classification, Regression},
};
use serde::{Deserialize, Serialize};

use super::versioned;
use crate::model_deployment::{Protocol, Task};

/// What `agent gateway` is asked, in `MILLWRIGHT_TASK`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct GatewayTask {
    /// Version of the document.
    pub v: u32,
    /// Name of the ModelDeployment.
    pub deployment: String,
    /// Name of the stage.
    pub stage: String,
    /// Name of the Model.
    pub model: String,
    /// Number of the version that the pod serves.
    pub version: u32,
    /// Digest of its files.
    pub digest: String,
    /// What the server speaks.
    pub protocol: Protocol,
    /// Port of the server on loopback.
    pub port: u16,
    /// What the model does.
    pub task: Task,
    /// Length of a window in seconds.
    pub window_seconds: u64,
    /// Windows with traffic that are kept.
    pub retain: u32,
    /// Seconds that a prediction waits for its label.
    pub horizon_seconds: u64,
    /// Most rows that wait for labels.
    pub max_pending: u32,
    /// DNS name whose addresses are the gateways of the stage, this one among them.
    pub peers: String,
    /// Seconds between SIGTERM and the end, in which requests under way are answered.
    pub drain_seconds: u64,
}
versioned!(GatewayTask, "the gateway's task", 1);

/// What a gateway saw, answered at `GET /profile`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct GatewayProfile {
    /// Version of the document.
    pub v: u32,
    /// UID of the pod that answers: pod addresses are used again.
    pub pod_uid: String,
    /// Digest of the model that it serves.
    pub digest: String,
    /// Length of a window in seconds.
    pub window_seconds: u64,
    /// Windows that had traffic, oldest first.
    pub windows: Vec<Window>,
    /// What the training features looked like, when the model came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Profile>,
    /// What the predictions looked like at the model's evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference_predictions: Option<Profile>,
}
versioned!(GatewayProfile, "the gateway's profile", 1);

/// One window of traffic. It holds what was predicted from `start` for `window_seconds`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Window {
    /// Start, in seconds since the Unix epoch: a multiple of the window's length.
    pub start: u64,
    /// Rows that were predicted.
    pub rows: u64,
    /// Requests whose rows are not in the profiles, because a buffer was full or they could not be
    /// read: how many rows those had is not known.
    pub dropped: u64,
    /// Inputs, over the bins of the reference; absent without a reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Profile>,
    /// Predictions, over the bins of their reference; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<Profile>,
    /// Rows still waiting for a label.
    pub pending: u64,
    /// Predictions joined with labels.
    pub quality: Quality,
}

/// Predictions joined with labels.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub enum Quality {
    /// Errors of numbers.
    Regression(Regression),
    /// Hits and misses of classes.
    Classification(Classification),
}

/// Body of `POST /v2/models/<name>/feedback`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct FeedbackRequest {
    /// The `id` of the inference request, as the client gave it or the gateway returned it.
    pub id: String,
    /// One label per row, in the row order of the request.
    pub labels: Vec<serde_json::Value>,
}

/// Answer to feedback.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct FeedbackResponse {
    /// Rows that were joined.
    pub joined: u64,
}
