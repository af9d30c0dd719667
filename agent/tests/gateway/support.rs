//! A model server, gateways in front of it, and a client.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use agent::gateway::{Clock, Config, Gateway, Limits, References, Resolver};
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use bytes::Bytes;
use drift::profile::{Profile, ReferenceBuilder};
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use millwright_crds::{
    model_deployment::{Protocol, Task},
    wire::{
        self,
        serving::{GatewayProfile, GatewayTask, Quality, Window},
    },
};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, oneshot};

/// Time at which tests begin, a multiple of [`WINDOW`].
pub const START: u64 = 1_700_000_040;
/// Length of windows in seconds.
pub const WINDOW: u64 = 60;

/// A model server whose model doubles the column `x`. The model's name in the path chooses how it
/// answers.
pub struct Server {
    pub port: u16,
    pub state: Arc<ServerState>,
}

pub struct ServerState {
    /// Bodies of the requests, as they came.
    pub requests: Mutex<Vec<Bytes>>,
    /// Headers of the last request.
    pub headers: Mutex<HeaderMap>,
    /// Requests to the model `slow` that may be answered.
    pub gate: Semaphore,
}

impl Server {
    pub async fn start() -> Self {
        let state = Arc::new(ServerState {
            requests: Mutex::default(),
            headers: Mutex::default(),
            gate: Semaphore::new(0),
        });
        let router = Router::new()
            .route("/v2/health/ready", get(|| async {}))
            .route("/v2/models/{model}/infer", post(infer))
            .route(
                "/v2/models/{model}/versions/{version}/infer",
                post(infer_version),
            )
            .route("/echo", any(echo))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(state.clone());
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { port, state }
    }

    pub fn last_request(&self) -> Bytes {
        self.state.requests.lock().unwrap().last().unwrap().clone()
    }
}

async fn echo(uri: Uri, body: Bytes) -> Response {
    (StatusCode::IM_A_TEAPOT, [("x-path", uri.to_string())], body).into_response()
}

async fn infer_version(
    state: State<Arc<ServerState>>,
    Path((model, _)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    infer(state, Path(model), headers, body).await
}

async fn infer(
    State(state): State<Arc<ServerState>>,
    Path(model): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    state.requests.lock().unwrap().push(body.clone());
    *state.headers.lock().unwrap() = headers;
    if model == "nan" {
        let text = r#"{"outputs": [{"name": "predict", "datatype": "FP64", "shape": [3], "data": [2.0, NaN, -Infinity]}]}"#;
        return text.into_response();
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        let text = "Traceback (most recent call last): ValueError";
        return (StatusCode::INTERNAL_SERVER_ERROR, text).into_response();
    };
    let x = request["inputs"][0]["data"].as_array().unwrap().clone();
    let predictions: Vec<Value> = x
        .iter()
        .map(|x| x.as_f64().map_or(Value::Null, |x| json!(2.0 * x)))
        .collect();
    let rows = x.len();
    let mut response = json!({
        "model_name": model,
        "id": request["id"],
        "outputs": [
            {"name": "other", "datatype": "FP64", "shape": [rows, 2], "data": []},
            {"name": "predict", "datatype": "FP64", "shape": [rows, 1], "data": predictions},
        ],
    });
    match model.as_str() {
        "silent" => {
            response.as_object_mut().unwrap().remove("id");
        }
        "classes" => {
            let classes = x.iter().map(|x| {
                if x.as_f64() < Some(5.0) {
                    "low"
                } else {
                    "high"
                }
            });
            response["outputs"] = json!([
                {"name": "class", "datatype": "BYTES", "shape": [rows], "data": classes.collect::<Vec<_>>()},
            ]);
        }
        "slow" => state.gate.acquire().await.unwrap().forget(),
        "gzip" => {
            use std::io::Write;
            let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
            encoder.write_all(response.to_string().as_bytes()).unwrap();
            let body = encoder.finish().unwrap();
            return ([("content-encoding", "gzip")], body).into_response();
        }
        "chunked" => {
            let text = response.to_string();
            let pieces: Vec<_> = text
                .as_bytes()
                .chunks(7)
                .map(Bytes::copy_from_slice)
                .collect();
            let stream = futures::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
            return Body::from_stream(stream).into_response();
        }
        _ => {}
    }
    axum::Json(response).into_response()
}

/// A request of one column, `x`.
pub fn rows(id: Option<&str>, x: &[f64]) -> Value {
    let mut request = json!({
        "inputs": [{"name": "x", "datatype": "FP64", "shape": [x.len()], "data": x}],
    });
    if let Some(id) = id {
        request["id"] = json!(id);
    }
    request
}

/// Reference of the column `x` (0 to 99) and of its doubles.
pub fn references() -> References {
    let x: Vec<f64> = (0..100).map(f64::from).collect();
    let doubled: Vec<f64> = x.iter().map(|x| 2.0 * x).collect();
    let mut inputs = ReferenceBuilder::default();
    inputs.observe_numeric("x", &x).unwrap();
    inputs
        .observe_categorical("airport", ["JFK", "EWR"])
        .unwrap();
    inputs
        .observe_categorical("holiday", ["true", "false"])
        .unwrap();
    let mut predictions = ReferenceBuilder::default();
    predictions.observe_numeric("prediction", &doubled).unwrap();
    References {
        inputs: Some(inputs.finish().unwrap()),
        predictions: Some(predictions.finish().unwrap()),
    }
}

/// A clock that tests turn.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(START)))
    }
    pub fn set(&self, time: u64) {
        self.0.store(time, Ordering::SeqCst);
    }
    fn clock(&self) -> Clock {
        let time = self.0.clone();
        Arc::new(move || time.load(Ordering::SeqCst))
    }
}

/// What differs between the gateways of tests.
pub struct Options {
    pub task: GatewayTask,
    pub host: [u8; 4],
    pub pod_uid: &'static str,
    pub limits: Limits,
    pub clock: Clock,
    pub peers: Peers,
}

/// Admin addresses that are known once all gateways run.
#[derive(Clone, Default)]
pub struct Peers(Arc<OnceLock<Vec<SocketAddr>>>);

impl Peers {
    pub fn set(&self, addresses: Vec<SocketAddr>) {
        self.0.set(addresses).unwrap();
    }
    fn resolver(&self) -> Resolver {
        let addresses = self.0.clone();
        Arc::new(move || {
            let found = addresses.get().cloned().unwrap_or_default();
            Box::pin(async { Ok(found) })
        })
    }
}

impl Options {
    pub fn new(server: &Server, clock: &TestClock) -> Self {
        Self {
            task: task(server.port),
            host: [127, 0, 0, 1],
            pod_uid: "uid-1",
            limits: Limits::default(),
            clock: clock.clock(),
            peers: Peers::default(),
        }
    }
}

/// A task as the operator gives it.
pub fn task(port: u16) -> GatewayTask {
    GatewayTask {
        v: 1,
        deployment: "delay".into(),
        stage: "production".into(),
        model: "flights-delay".into(),
        version: 3,
        digest: format!("sha256:{}", "0".repeat(64)),
        protocol: Protocol::OpenInference,
        port,
        task: Task::Regression,
        window_seconds: WINDOW,
        retain: 3,
        horizon_seconds: 3600,
        max_pending: 1000,
        peers: "delay-production-peers.default.svc".into(),
        drain_seconds: 1,
    }
}

/// A running gateway.
pub struct Running {
    pub traffic: SocketAddr,
    pub admin: SocketAddr,
    pub stop: Option<oneshot::Sender<()>>,
    pub served: tokio::task::JoinHandle<()>,
}

pub async fn start(options: Options) -> Running {
    let config = Config {
        task: options.task,
        pod_uid: options.pod_uid.into(),
        traffic: (options.host, 0).into(),
        admin: (options.host, 0).into(),
        references: references(),
        peers: options.peers.resolver(),
        clock: options.clock,
        limits: options.limits,
    };
    let gateway = Gateway::bind(config).await.unwrap();
    let (traffic, admin) = gateway.addresses().unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(gateway.serve(async {
        stopped.await.ok();
    }));
    let stop = Some(stop);
    Running {
        traffic,
        admin,
        stop,
        served,
    }
}

/// A server, and a gateway with default options in front of it.
pub async fn simple() -> (Server, TestClock, Running) {
    let server = Server::start().await;
    let clock = TestClock::new();
    let gateway = start(Options::new(&server, &clock)).await;
    (server, clock, gateway)
}

/// An HTTP client that keeps its connections.
#[derive(Clone)]
pub struct TestClient(Client<HttpConnector, Full<Bytes>>);

/// A response that was read.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }
}

impl TestClient {
    pub fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        self.try_send(request).await.unwrap()
    }

    pub async fn try_send(&self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let response = self.0.request(request);
        let response = tokio::time::timeout(Duration::from_secs(30), response)
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("{error:?}"))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?;
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.to_bytes(),
        })
    }

    pub async fn get(&self, address: SocketAddr, path: &str) -> Answer {
        self.send(request(Method::GET, address, path, "")).await
    }

    pub async fn post(&self, address: SocketAddr, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(request(Method::POST, address, path, body)).await
    }

    pub async fn infer(&self, gateway: &Running, body: &Value) -> Answer {
        let path = "/v2/models/m/infer";
        let answer = self.post(gateway.traffic, path, body.to_string()).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        answer
    }

    pub async fn feedback(&self, gateway: &Running, id: &str, labels: Value) -> Answer {
        let body = json!({"id": id, "labels": labels}).to_string();
        self.post(gateway.admin, "/v2/models/m/feedback", body)
            .await
    }

    pub async fn profile(&self, gateway: &Running) -> GatewayProfile {
        let answer = self.get(gateway.admin, "/profile").await;
        assert_eq!(answer.status, 200);
        wire::read(&answer.body).unwrap()
    }

    /// The value of a metric; 0 when it is not there.
    pub async fn metric(&self, gateway: &Running, name: &str, label: &str) -> f64 {
        let answer = self.get(gateway.admin, "/metrics").await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        let line = text.lines().find(|line| {
            let after = line.strip_prefix(name);
            after.is_some_and(|rest| rest.starts_with([' ', '{']) && rest.contains(label))
        });
        line.map_or(0.0, |line| {
            line.rsplit_once(' ').unwrap().1.parse().unwrap()
        })
    }
}

pub fn request(
    method: Method,
    address: SocketAddr,
    path: &str,
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"))
        .body(Full::new(body.into()))
        .unwrap()
}

/// Usable values of the column `x` in a window.
pub fn seen(window: &Window) -> u64 {
    count(window.inputs.as_ref().unwrap(), "x")
}

pub fn count(profile: &Profile, column: &str) -> u64 {
    profile.column(column).unwrap().count()
}

/// Mean absolute error of a window, and its labels.
pub fn mae(window: &Window) -> (Option<f64>, u64) {
    match &window.quality {
        Quality::Regression(quality) => (quality.mae(), quality.count()),
        Quality::Classification(_) => panic!("the task is a regression"),
    }
}

/// Waits until a condition holds, at most 20 s.
pub async fn wait_for(mut condition: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("the condition never held");
}
