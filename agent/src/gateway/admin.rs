//! The admin port: health, metrics, profiles and feedback.

use std::{io::Write, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use flate2::{Compression, write::GzEncoder};
use millwright_crds::{
    model_deployment::Protocol,
    wire::{
        self,
        serving::{FeedbackRequest, FeedbackResponse, GatewayTask},
    },
};
use serde_json::json;

use super::{
    label::Labels,
    lifecycle::Lifecycle,
    metrics::{FeedbackOutcome, Metrics},
    monitor::{Joined, Monitor},
    peers::{Asked, HEADER_POD, PATH, PeerFeedback, Peers},
    recorder::Recorder,
    upstream::Upstream,
};

/// What the admin port answers from.
pub(super) struct Admin {
    pub task: GatewayTask,
    pub pod_uid: HeaderValue,
    /// Most bytes of feedback.
    pub body: usize,
    pub upstream: Arc<Upstream>,
    pub monitor: Arc<Monitor>,
    pub recorder: Arc<Recorder>,
    pub metrics: Arc<Metrics>,
    pub lifecycle: Arc<Lifecycle>,
    pub peers: Peers,
}

type Answer = (StatusCode, Bytes);

/// The routes of the admin port.
pub(super) fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/profile", get(profile))
        .route("/drain", get(drain))
        .route("/v2/models/{model}/feedback", post(feedback))
        .route(PATH, post(peer_feedback))
        .layer(DefaultBodyLimit::max(admin.body))
        .with_state(admin)
}

async fn ready(State(admin): State<Arc<Admin>>) -> (StatusCode, String) {
    if admin.lifecycle.is_draining() {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "the gateway is draining".into(),
        );
    }
    match admin.upstream.ready().await {
        Ok(()) => (StatusCode::OK, "ok".into()),
        Err(message) => (StatusCode::SERVICE_UNAVAILABLE, message),
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    admin.monitor.gauge();
    match admin.metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()).into_response()
        }
    }
}

async fn profile(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> Response {
    admin.recorder.catch_up().await;
    let compress = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("gzip"));
    // Many columns and windows take a while to write.
    let written = tokio::task::spawn_blocking(move || {
        let json = wire::write(&admin.monitor.profile()).map_err(|error| error.to_string())?;
        if !compress {
            return Ok(json);
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder
            .write_all(&json)
            .and_then(|()| encoder.finish())
            .map_err(|error| error.to_string())
    });
    let written = written.await.map_err(|error| error.to_string());
    match written.and_then(|written| written) {
        Ok(body) => {
            let mut response = json_response(StatusCode::OK, body.into());
            if compress {
                let gzip = HeaderValue::from_static("gzip");
                response
                    .headers_mut()
                    .insert(header::CONTENT_ENCODING, gzip);
            }
            response
        }
        Err(message) => failure(StatusCode::INTERNAL_SERVER_ERROR, &message).into_response(),
    }
}

/// The `preStop` hook of the model server's container: see [`super::lifecycle`].
async fn drain(State(admin): State<Arc<Admin>>) -> StatusCode {
    // Goes on when who asked hangs up.
    let drained = tokio::spawn(admin.lifecycle.clone().drain());
    match drained.await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn feedback(
    State(admin): State<Arc<Admin>>,
    uri: Uri,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    // As it stands in the path, since inference requests are kept under what stands in theirs.
    let model = uri.path().split('/').nth(3).unwrap_or_default();
    let (outcome, (status, body)) = admin.feedback(model, body).await;
    admin.metrics.feedback(outcome);
    json_response(status, body)
}

async fn peer_feedback(
    State(admin): State<Arc<Admin>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (status, body) = if admin.peers.is_peer(&headers) {
        match parse::<PeerFeedback>(body) {
            Ok(asked) => admin.local(&asked.model, &asked.feedback).await.1,
            Err(answer) => answer,
        }
    } else {
        failure_answer(
            StatusCode::NOT_FOUND,
            "that is no gateway of another pod of this stage",
        )
    };
    let mut response = json_response(status, body);
    response
        .headers_mut()
        .insert(HEADER_POD, admin.pod_uid.clone());
    response
}

impl Admin {
    /// Feedback of a client: joined here, or at a peer.
    async fn feedback(
        &self,
        model: &str,
        body: Result<Bytes, BytesRejection>,
    ) -> (FeedbackOutcome, Answer) {
        if self.task.protocol == Protocol::Http {
            let message = "the model server does not speak the Open Inference Protocol, so \
                           predictions are not recorded: set spec.server.protocol";
            let answer = failure_answer(StatusCode::NOT_FOUND, message);
            return (FeedbackOutcome::Unknown, answer);
        }
        let feedback = match parse::<FeedbackRequest>(body) {
            Ok(feedback) => feedback,
            Err(answer) => return (FeedbackOutcome::Invalid, answer),
        };
        let (outcome, answer) = self.local(model, &feedback).await;
        if outcome != FeedbackOutcome::Unknown {
            return (outcome, answer);
        }
        let model = model.to_owned();
        let asked = PeerFeedback { model, feedback };
        match self.peers.ask(&asked).await {
            Asked::Answered(status, body) => {
                let outcome = match status {
                    StatusCode::OK => FeedbackOutcome::Joined,
                    StatusCode::CONFLICT => FeedbackOutcome::Duplicate,
                    _ => FeedbackOutcome::Invalid,
                };
                (outcome, (status, body))
            }
            Asked::Nobody(peers) => {
                let message = self.unknown(&asked.feedback.id, peers);
                let answer = failure_answer(StatusCode::NOT_FOUND, &message);
                (FeedbackOutcome::Unknown, answer)
            }
            Asked::Unsure(reason) => {
                let message = format!(
                    "request `{}` is not known here, and {reason}; send the feedback again",
                    asked.feedback.id
                );
                let answer = failure_answer(StatusCode::SERVICE_UNAVAILABLE, &message);
                (FeedbackOutcome::Unavailable, answer)
            }
        }
    }

    /// Joins feedback with predictions made here.
    async fn local(&self, model: &str, feedback: &FeedbackRequest) -> (FeedbackOutcome, Answer) {
        let id = &feedback.id;
        let labels = match Labels::read(self.task.task, &feedback.labels) {
            Ok(labels) => labels,
            Err(message) => {
                let answer = failure_answer(StatusCode::BAD_REQUEST, &message);
                return (FeedbackOutcome::Invalid, answer);
            }
        };
        let mut joined = self.monitor.join(model, id, &labels);
        if joined == Joined::Unknown {
            self.recorder.catch_up().await;
            joined = self.monitor.join(model, id, &labels);
        }
        match joined {
            Joined::Rows(joined) => {
                self.metrics.labels(joined);
                let body = serde_json::to_vec(&FeedbackResponse { joined }).unwrap_or_default();
                (FeedbackOutcome::Joined, (StatusCode::OK, body.into()))
            }
            Joined::Unknown => {
                let answer = failure_answer(StatusCode::NOT_FOUND, &self.unknown(id, 0));
                (FeedbackOutcome::Unknown, answer)
            }
            Joined::Again => {
                let message = format!("the labels of request `{id}` have come before");
                let answer = failure_answer(StatusCode::CONFLICT, &message);
                (FeedbackOutcome::Duplicate, answer)
            }
            Joined::Invalid(message) => {
                let answer = failure_answer(StatusCode::BAD_REQUEST, &message);
                (FeedbackOutcome::Invalid, answer)
            }
        }
    }

    fn unknown(&self, id: &str, peers: usize) -> String {
        let task = &self.task;
        format!(
            "no prediction of a request `{id}` waits for labels here or at {peers} peers: \
             predictions wait for {} s after their window, as long as it is among the last {} \
             windows of {} s with traffic, and at most {} rows per pod; responses that carry \
             x-millwright-id were recorded",
            task.horizon_seconds, task.retain, task.window_seconds, task.max_pending
        )
    }
}

/// Reads a JSON body, whatever content type it says it has.
fn parse<T: serde::de::DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Answer> {
    let body = body.map_err(|error| failure_answer(error.status(), &error.body_text()))?;
    serde_json::from_slice(&body).map_err(|error| {
        let message =
            format!("the body is not the JSON object {{\"id\": \"…\", \"labels\": […]}}: {error}");
        failure_answer(StatusCode::BAD_REQUEST, &message)
    })
}

fn failure_answer(status: StatusCode, message: &str) -> Answer {
    (status, json!({ "error": message }).to_string().into())
}

fn failure(status: StatusCode, message: &str) -> Response {
    let (status, body) = failure_answer(status, message);
    json_response(status, body)
}

fn json_response(status: StatusCode, body: Bytes) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body).into_response()
}
