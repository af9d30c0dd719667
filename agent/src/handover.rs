//! What goes over the Unix socket between PID 1 of a user's container and the sidecar. Both ends
//! are this binary, of the same image.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use millwright_crds::wire::{self, Versioned, attempt::AgentFailure, evaluation::EvaluationReport};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;

/// Path of [`PublishRequest`]s, answered by an `AttemptResult`.
pub(crate) const PUBLISH: &str = "/publish";
/// Path of [`EvaluationRequest`]s, answered by an `EvaluationReport`.
pub(crate) const EVALUATION: &str = "/evaluation";
/// Most bytes of an answer.
const ANSWER: usize = 1 << 16;

/// Publish the output folder.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct PublishRequest {
    /// Seconds after which the sidecar gives up.
    pub timeout_seconds: u64,
}

/// Store an evaluation.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct EvaluationRequest {
    /// What was measured; its `predictions` is the sidecar's to fill in.
    pub report: EvaluationReport,
    /// The candidate's predictions as CSV, if it wrote any.
    pub predictions: Option<PathBuf>,
    /// Seconds after which the sidecar gives up.
    pub timeout_seconds: u64,
}

/// Seconds that the sidecar gets when its answer is waited for this long: a little less, so that
/// what it says of its trouble still arrives.
pub(crate) fn time_to_answer(timeout_seconds: u64) -> u64 {
    timeout_seconds.saturating_sub((timeout_seconds / 10).clamp(1, 5))
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum HandoverError {
    /// The sidecar refused for good.
    #[error("{0}")]
    Refused(String),
    /// The sidecar is not there, not yet or not any more.
    #[error("the sidecar at {path} can't be reached: {error}")]
    Unreachable { path: PathBuf, error: String },
}

/// Asks the sidecar, again and again while it can't be reached, for at most `timeout`.
///
/// # Errors
/// A sentence with what the sidecar said, or why it can't be reached.
pub(crate) async fn ask<B: Serialize, T: Versioned + DeserializeOwned>(
    socket: &Path,
    path: &str,
    body: &B,
    timeout: Duration,
) -> Result<T, String> {
    let body = serde_json::to_vec(body).map_err(|error| error.to_string())?;
    let asked = (|| once(socket, path, &body))
        .retry(
            ExponentialBuilder::default()
                .with_min_delay(Duration::from_millis(50))
                .with_max_delay(Duration::from_secs(2))
                .without_max_times(),
        )
        .when(|error| matches!(error, HandoverError::Unreachable { .. }))
        .notify(|error, _| tracing::debug!("{error}"));
    let bytes = tokio::time::timeout(timeout, asked)
        .await
        .map_err(|_| {
            format!(
                "the sidecar did not answer within {} s: see the log of the \
                 sidecar container",
                timeout.as_secs()
            )
        })?
        .map_err(|error| error.to_string())?;
    wire::read(&bytes).map_err(|error| error.to_string())
}

async fn once(socket: &Path, path: &str, body: &[u8]) -> Result<Bytes, HandoverError> {
    let unreachable = |error: &dyn std::fmt::Display| HandoverError::Unreachable {
        path: socket.to_owned(),
        error: error.to_string(),
    };
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|error| unreachable(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(&error))?;
    let request = Request::post(path)
        .header(header::HOST, "sidecar")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::copy_from_slice(body)))
        .map_err(|error| unreachable(&error))?;
    let exchange = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| unreachable(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER)
            .collect()
            .await
            .map_err(|error| unreachable(&error))?
            .to_bytes();
        Ok((status, body))
    };
    // The connection has to be driven while the answer is waited for.
    let (status, body) = tokio::select! {
        exchanged = exchange => exchanged?,
        ended = connection => {
            return Err(match ended {
                Ok(()) => unreachable(&"it hung up"),
                Err(error) => unreachable(&error),
            });
        }
    };
    if status == StatusCode::OK {
        return Ok(body);
    }
    Err(HandoverError::Refused(
        wire::read::<AgentFailure>(&body).map_or_else(
            |_| format!("the sidecar answered {status}"),
            |failure| failure.message,
        ),
    ))
}
