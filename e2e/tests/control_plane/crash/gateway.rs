//! The gateway of a serving pod, as a process of this machine, and a model server behind it.

use std::{
    process::{self, Child, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use millwright_crds::wire::contract::{ADMIN_PORT, ENV_POD_UID, ENV_TASK, GATEWAY_PORT};
use millwright_e2e::{cleanup::Guard, http::Http, machine, wait::wait_for};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The container that is played.
const CONTAINER: &str = "millwright-gateway";
/// What the model predicts, whatever it is asked.
const PREDICTION: f64 = 20.0;
/// What came true.
const LABEL: f64 = 0.0;
/// Longest time until a gateway is ready.
const READY: Duration = Duration::from_secs(60);

/// A running gateway. It ends when this is dropped.
pub struct Gateway {
    address: String,
    _end: Guard,
}

impl Gateway {
    /// Starts what the gateway's container of this pod would run, on an address of its own: the
    /// ports are fixed.
    ///
    /// # Errors
    /// When the pod has no such container, or it doesn't get ready.
    pub async fn start(pod: &Pod) -> Result<Self> {
        let task = task(pod).with_context(|| format!("pod {} has no gateway", pod.name_any()))?;
        let address = address();
        let program = machine::program("millwright-agent").await?;
        let mut process: Child = process::Command::new(program)
            .arg("gateway")
            .env(ENV_TASK, task)
            .env(ENV_POD_UID, pod.uid().unwrap_or_default())
            .env("MILLWRIGHT_GATEWAY_ADDRESS", &address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("the gateway can't be started")?;
        let end = Guard::new(move || {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        });
        let gateway = Self { address, _end: end };
        let (http, url) = (
            Http::default(),
            format!("http://{}:{ADMIN_PORT}/readyz", gateway.address),
        );
        let ready = async || Ok(http.get(&url).await?.0.is_success().then_some(()));
        wait_for("the gateway is ready", READY, ready, async || url.clone()).await?;
        Ok(gateway)
    }

    /// The pod's address.
    pub fn address(&self) -> &str {
        &self.address
    }
}

fn task(pod: &Pod) -> Option<String> {
    let containers = pod.spec.as_ref()?.init_containers.as_ref()?;
    let container = containers.iter().find(|one| one.name == CONTAINER)?;
    let variable = container.env.as_ref()?.iter().find(|v| v.name == ENV_TASK);
    variable?.value.clone()
}

/// An address of loopback that nothing else has, with other runs of the tests beside this one.
fn address() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let network = 64 + process::id() % 128;
    format!("127.{network}.{}.{}", number / 200, number % 200 + 1)
}

/// A request to the model behind a gateway, and its label: the error is 20.
///
/// # Errors
/// When one of the two is not taken.
pub async fn predict_badly(address: &str, model: &str) -> Result<()> {
    let http = Http::default();
    let request = json!({
        "id": "one",
        "inputs": [{"name": "x", "datatype": "FP64", "shape": [1], "data": [1.0]}],
    });
    let url = format!("http://{address}:{GATEWAY_PORT}/v2/models/{model}/infer");
    let (status, text) = http.post(&url, &request).await?;
    anyhow::ensure!(status.is_success(), "{url}: {status}: {text}");
    let url = format!("http://{address}:{ADMIN_PORT}/v2/models/{model}/feedback");
    let feedback = json!({"id": "one", "labels": [LABEL]});
    // The gateway counts a request after it has answered it.
    let taken = async || {
        let (status, text) = http.post(&url, &feedback).await?;
        anyhow::ensure!(status.is_success(), "{status}: {text}");
        Ok(Some(()))
    };
    wait_for("the label is taken", READY, taken, async || url.clone()).await
}

/// Starts a model server that all gateways stand before; returns its port.
///
/// # Errors
/// When no port is free.
pub async fn model_server() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(connection);
        }
    });
    Ok(port)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let asks = request.method() == Method::POST;
    let body = request.into_body().collect().await?.to_bytes();
    let body = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let answer = if asks {
        json!({"model_name": "delay", "id": body["id"], "outputs": [
            {"name": "predict", "datatype": "FP64", "shape": [1], "data": [PREDICTION]},
        ]})
    } else {
        json!({})
    };
    Ok(json_response(&answer))
}

fn json_response(body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    let json = http::HeaderValue::from_static("application/json");
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, json);
    response
}
