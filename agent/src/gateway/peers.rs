//! Asks the stage's other gateways for an id that this one doesn't know.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Request, StatusCode,
    header::{self, HeaderName},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use millwright_crds::wire::serving::FeedbackRequest;
use serde::{Deserialize, Serialize};

use super::config::Resolver;

/// UID of the pod that asks, and of the one that answers.
pub(super) const HEADER_POD: HeaderName = HeaderName::from_static("x-millwright-pod-uid");
/// Name under which the stage's gateways find each other: addresses of pods are used again, and
/// another stage may know the same id.
pub(super) const HEADER_PEERS: HeaderName = HeaderName::from_static("x-millwright-peers");
/// Path of the question.
pub(super) const PATH: &str = "/peer/feedback";

/// Longest time for all peers together, their own waiting for the profiler included.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Peers asked at a time.
const CONCURRENCY: usize = 16;
/// Most bytes of an answer.
const MAX_ANSWER: usize = 64 << 10;

/// Feedback passed on to a peer.
#[derive(Serialize, Deserialize)]
pub(super) struct PeerFeedback {
    /// The model's name in the path.
    pub model: String,
    /// What the client sent.
    #[serde(flatten)]
    pub feedback: FeedbackRequest,
}

/// What the peers said.
pub(super) enum Asked {
    /// One of them knew the id, and this is its answer to the client.
    Answered(StatusCode, Bytes),
    /// None of so many peers knows it.
    Nobody(usize),
    /// None that could be asked knows it; the text says who could not be asked.
    Unsure(String),
}

/// The other gateways of the stage.
pub(super) struct Peers {
    resolve: Resolver,
    name: String,
    pod_uid: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

enum Answer {
    Known(StatusCode, Bytes),
    Unknown,
    /// It was this gateway.
    Myself,
    Failed(String),
}

impl Peers {
    /// Peers that are found by `resolve`, asked in the name of the pod.
    pub fn new(resolve: Resolver, name: String, pod_uid: String) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build_http();
        Self {
            resolve,
            name,
            pod_uid,
            client,
        }
    }

    /// Whether a question comes from a gateway of this stage other than this one.
    pub fn is_peer(&self, headers: &HeaderMap) -> bool {
        let value = |name| headers.get(name).map(|value| value.as_bytes());
        value(HEADER_PEERS) == Some(self.name.as_bytes())
            && value(HEADER_POD) != Some(self.pod_uid.as_bytes())
    }

    /// Asks all peers, until one knows the id.
    pub async fn ask(&self, feedback: &PeerFeedback) -> Asked {
        match tokio::time::timeout(TIMEOUT, self.ask_all(feedback)).await {
            Ok(asked) => asked,
            Err(_) => Asked::Unsure(format!("not all peers answered within {TIMEOUT:?}")),
        }
    }

    async fn ask_all(&self, feedback: &PeerFeedback) -> Asked {
        let addresses: BTreeSet<SocketAddr> = match (self.resolve)().await {
            Ok(addresses) => addresses.into_iter().collect(),
            Err(error) => {
                return Asked::Unsure(format!(
                    "the peers at {} were not found: {error}",
                    self.name
                ));
            }
        };
        let body = match serde_json::to_vec(feedback) {
            Ok(body) => Bytes::from(body),
            Err(error) => return Asked::Unsure(error.to_string()),
        };
        let mut answers = futures::stream::iter(addresses)
            .map(|address| self.ask_one(address, body.clone()))
            .buffer_unordered(CONCURRENCY);
        let mut asked = 0;
        let mut failed = None;
        while let Some(answer) = answers.next().await {
            match answer {
                Answer::Known(status, body) => return Asked::Answered(status, body),
                Answer::Unknown => asked += 1,
                Answer::Myself => {}
                Answer::Failed(message) => failed = Some(message),
            }
        }
        failed.map_or(Asked::Nobody(asked), Asked::Unsure)
    }

    async fn ask_one(&self, address: SocketAddr, body: Bytes) -> Answer {
        let request = Request::post(format!("http://{address}{PATH}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(HEADER_POD, &self.pod_uid)
            .header(HEADER_PEERS, &self.name)
            .body(Full::new(body));
        let request = match request {
            Ok(request) => request,
            Err(error) => return Answer::Failed(error.to_string()),
        };
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => {
                return Answer::Failed(format!("the peer at {address} can't be asked: {error}"));
            }
        };
        let Some(pod) = response.headers().get(HEADER_POD) else {
            // The address belongs to something else by now, and its gateway is gone.
            return Answer::Unknown;
        };
        if pod.as_bytes() == self.pod_uid.as_bytes() {
            return Answer::Myself;
        }
        let status = response.status();
        match status {
            StatusCode::NOT_FOUND => Answer::Unknown,
            StatusCode::OK | StatusCode::BAD_REQUEST | StatusCode::CONFLICT => {
                let body = Limited::new(response.into_body(), MAX_ANSWER);
                match body.collect().await {
                    Ok(body) => Answer::Known(status, body.to_bytes()),
                    Err(error) => {
                        Answer::Failed(format!("the peer at {address} broke off: {error}"))
                    }
                }
            }
            _ => Answer::Failed(format!("the peer at {address} answered {status}")),
        }
    }
}
