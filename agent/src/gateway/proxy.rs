//! The way of a request: client, gateway, model server, and back.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Version,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
};
use millwright_crds::{model_deployment::Protocol, wire::serving::GatewayTask};

use super::{
    body::{Collected, RequestBody, ResponseBody, Tee, collect},
    config::Limits,
    id::{Identified, identify},
    lifecycle::{Exchange, Lifecycle},
    metrics::{Dropped, Metrics},
    monitor::Monitor,
    recorder::{Budget, Encoding, Recorder, Reservation},
    upstream::{Failure, Upstream},
};

/// The id of an inference, for feedback. A response without it was not recorded, or its id has
/// characters that a header can't have.
const HEADER_ID: HeaderName = HeaderName::from_static("x-millwright-id");
/// Number of the model's version that answered.
const HEADER_VERSION: HeaderName = HeaderName::from_static("x-millwright-version");
/// Length of the JSON in front of binary tensors: the protocol's binary extension.
const HEADER_BINARY: HeaderName = HeaderName::from_static("inference-header-content-length");
/// Headers that speak of one connection only (RFC 9110, section 7.6.1), and `expect`, which the
/// gateway has answered itself by then.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];
/// Bodies from this size on are looked through on a thread for long work.
const LONG_BODY: usize = 128 << 10;

/// Passes requests to the server and keeps copies of inferences for the profiler.
pub(super) struct Proxy {
    pub protocol: Protocol,
    pub limits: Limits,
    pub upstream: Arc<Upstream>,
    pub monitor: Arc<Monitor>,
    pub recorder: Arc<Recorder>,
    pub metrics: Arc<Metrics>,
    pub lifecycle: Arc<Lifecycle>,
    pub budget: Budget,
    pub version: HeaderValue,
}

/// An inference that was read on its way to the server.
struct Recording {
    model: String,
    id: String,
    request: Bytes,
    reservation: Reservation,
}

/// The value of the version header.
pub(super) fn version(task: &GatewayTask) -> HeaderValue {
    HeaderValue::from(task.version)
}

impl Proxy {
    /// Answers a request.
    ///
    /// # Errors
    /// Never: failures are responses.
    pub async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<ResponseBody>, Infallible> {
        let mut exchange = Exchange::begin(self.lifecycle.clone(), self.metrics.clone());
        let mut recording = None;
        let answer = self.forward(request, &mut recording).await;
        let mut id = None;
        let mut response = match answer {
            Ok(response) => {
                exchange.answered(response.status());
                let (head, body) = response.into_parts();
                let tee = recording.and_then(|recording| self.tee(recording, &head));
                id = tee
                    .as_ref()
                    .and_then(|tee| HeaderValue::from_str(&tee.id).ok());
                Response::from_parts(head, ResponseBody::server(body, tee, exchange))
            }
            Err(failure) => {
                if let Some(reason) = failure.reason {
                    self.metrics.upstream_error(reason);
                }
                exchange.answered(failure.status);
                error(&failure, exchange)
            }
        };
        *response.version_mut() = Version::HTTP_11;
        let headers = response.headers_mut();
        strip(headers);
        headers.insert(HEADER_VERSION, self.version.clone());
        if let Some(id) = id {
            headers.insert(HEADER_ID, id);
        }
        if self.lifecycle.is_draining() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
        recording: &mut Option<Recording>,
    ) -> Result<Response<Incoming>, Failure> {
        let (mut head, body) = request.into_parts();
        if head.method == Method::CONNECT || asks_for_websocket(&head.headers) {
            return Err(Failure::refused(
                StatusCode::NOT_IMPLEMENTED,
                "the gateway passes HTTP requests only, no tunnels and no WebSockets",
            ));
        }
        let path = head.uri.path_and_query().cloned();
        let uri = path.map(|path| self.upstream.uri(path));
        let Some(Ok(uri)) = uri else {
            return Err(Failure::refused(
                StatusCode::BAD_REQUEST,
                format!("`{}` is no path", head.uri),
            ));
        };
        strip(&mut head.headers);
        let inferred = inferred_model(&head.method, head.uri.path())
            .filter(|_| self.protocol == Protocol::OpenInference)
            .map(str::to_owned);
        let body = match inferred {
            Some(model) => self.read(model, &mut head.headers, body, recording).await?,
            None => RequestBody::streamed(body),
        };
        head.uri = uri;
        head.version = Version::HTTP_11;
        self.upstream.send(Request::from_parts(head, body)).await
    }

    /// Reads an inference request and gives it an id, or lets it pass and counts why.
    async fn read(
        &self,
        model: String,
        headers: &mut HeaderMap,
        body: Incoming,
        recording: &mut Option<Recording>,
    ) -> Result<RequestBody, Failure> {
        let reason = if headers.contains_key(HEADER_BINARY) {
            Some(Dropped::Binary)
        } else if encoding(headers) != Some(Encoding::Identity) {
            Some(Dropped::Encoding)
        } else {
            None
        };
        if let Some(reason) = reason {
            self.monitor.dropped(reason);
            return Ok(RequestBody::streamed(body));
        }
        let collected = collect(body, &self.limits, &self.budget).await;
        let (body, reservation) = match collected.map_err(|error| Failure::client(&error))? {
            Collected::Whole(body, reservation) => (body, reservation),
            Collected::Passed(body, reason) => {
                self.monitor.dropped(reason);
                return Ok(body);
            }
        };
        let identified = if body.len() < LONG_BODY {
            identify(&body)
        } else {
            let body = body.clone();
            let looked = tokio::task::spawn_blocking(move || identify(&body));
            looked.await.unwrap_or_default()
        };
        let Some(Identified { id, body: pieces }) = identified else {
            self.monitor.dropped(Dropped::Malformed);
            return Ok(RequestBody::whole([body]));
        };
        let sent: usize = pieces.iter().map(Bytes::len).sum();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(sent));
        *recording = Some(Recording {
            model,
            id,
            request: body,
            reservation,
        });
        Ok(RequestBody::whole(pieces))
    }

    /// What copies the response to a recorded request; nothing for one that failed.
    fn tee(&self, recording: Recording, head: &hyper::http::response::Parts) -> Option<Tee> {
        if head.status != StatusCode::OK {
            return None;
        }
        let encoding = if head.headers.contains_key(HEADER_BINARY) {
            Err(Dropped::Binary)
        } else {
            encoding(&head.headers).ok_or(Dropped::Encoding)
        };
        match encoding {
            Ok(encoding) => Some(Tee {
                monitor: self.monitor.clone(),
                recorder: self.recorder.clone(),
                limit: self.limits.body,
                model: recording.model,
                id: recording.id,
                request: recording.request,
                encoding,
                reservation: recording.reservation,
                response: Vec::new(),
            }),
            Err(reason) => {
                self.monitor.dropped(reason);
                None
            }
        }
    }
}

/// A failure as the client sees it.
fn error(failure: &Failure, exchange: Exchange) -> Response<ResponseBody> {
    let text = serde_json::json!({ "error": failure.message }).to_string();
    let mut response = Response::new(ResponseBody::text(text.into(), exchange));
    *response.status_mut() = failure.status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    if failure.status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// The model of an inference request: `POST /v2/models/<model>[/versions/<version>]/infer`.
fn inferred_model<'a>(method: &Method, path: &'a str) -> Option<&'a str> {
    if method != Method::POST {
        return None;
    }
    let path = path.strip_prefix("/v2/models/")?.strip_suffix("/infer")?;
    let mut parts = path.split('/');
    let model = parts.next().filter(|model| !model.is_empty())?;
    match (parts.next(), parts.next(), parts.next()) {
        (None, _, _) | (Some("versions"), Some(_), None) => Some(model),
        _ => None,
    }
}

/// How a body is compressed; `None` when it is in a way that is not read.
fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else {
        return Some(Encoding::Identity);
    };
    match value.to_str().ok()?.to_ascii_lowercase().as_str() {
        "identity" | "" => Some(Encoding::Identity),
        "gzip" | "x-gzip" => Some(Encoding::Gzip),
        "deflate" => Some(Encoding::Deflate),
        _ => None,
    }
}

/// Other upgrades, as to HTTP/2 which some clients offer with every request, are declined by
/// answering as if they had not been asked for.
fn asks_for_websocket(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::UPGRADE)
        .iter()
        .any(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Removes what speaks of one connection only, and what `connection` names.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_inference_requests_are_read() {
        let model = |path| inferred_model(&Method::POST, path);
        assert_eq!(model("/v2/models/m/infer"), Some("m"));
        assert_eq!(model("/v2/models/m/versions/3/infer"), Some("m"));
        for other in [
            "/v2/models/m",
            "/v2/models//infer",
            "/v2/models/m/ready/infer",
            "/v2/models/m/versions/infer",
            "/v2/models/m/versions/3/x/infer",
            "/v1/models/m/infer",
        ] {
            assert_eq!(model(other), None, "{other}");
        }
        assert_eq!(inferred_model(&Method::GET, "/v2/models/m/infer"), None);
    }

    #[test]
    fn headers_of_one_connection_are_removed() {
        let mut headers = HeaderMap::new();
        headers.insert("connection", HeaderValue::from_static("close, X-Once"));
        headers.insert("x-once", HeaderValue::from_static("1"));
        headers.insert("keep-alive", HeaderValue::from_static("timeout=5"));
        headers.insert("x-kept", HeaderValue::from_static("1"));
        strip(&mut headers);
        assert_eq!(headers.len(), 1);
        assert!(headers.contains_key("x-kept"));
    }
}
