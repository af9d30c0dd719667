//! Connections to the API server.

use std::time::Duration;

use anyhow::Context as _;
use http::{HeaderValue, Request, header::USER_AGENT};
use hyper_util::{
    client::legacy::{Client as HttpClient, connect::HttpConnector},
    rt::TokioExecutor,
};
use kube::{
    Client, Config,
    client::{Body, ConfigExt},
};
use tower::{BoxError, ServiceBuilder};

use super::{fence::Fence, leader::Leadership};

/// Longest time until a connection is there.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection on which nothing happens is probed after this time: a watch sends nothing, and would
/// not notice for minutes that the machine at the other end is gone.
const IDLE: Duration = Duration::from_secs(15);
/// Time between two probes, and how many may be lost.
const PROBE: Duration = Duration::from_secs(5);
const PROBES: u32 = 3;

/// The way to the API server that the environment tells. The audit log names the replica by its user
/// agent: all replicas have one ServiceAccount.
///
/// # Errors
/// When there is none.
pub(crate) async fn config(identity: &str) -> anyhow::Result<Config> {
    let mut config = Config::infer().await.context(
        "no way to the API server: run in a pod with a service account, or set KUBECONFIG",
    )?;
    let version = env!("CARGO_PKG_VERSION");
    let agent = format!("millwright-operator/{version} ({identity})");
    config
        .headers
        .push((USER_AGENT, HeaderValue::from_str(&agent)?));
    Ok(config)
}

/// A client whose writes end with this leadership; without one it may always write. Nothing is tried
/// again by itself: a repeated write would be one that was not checked, and a repeated watch would
/// hide from `/readyz` what keeps it.
///
/// # Errors
/// When the credentials or certificates can't be read.
pub(crate) fn connect(config: &Config, leadership: Option<Leadership>) -> anyhow::Result<Client> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT));
    http.set_keepalive(Some(IDLE));
    http.set_keepalive_interval(Some(PROBE));
    http.set_keepalive_retries(Some(PROBES));
    // Probes are not sent while a request is unacknowledged: that has its own limit.
    http.set_tcp_user_timeout(Some(IDLE + PROBE * PROBES));
    let https = config.rustls_https_connector_with_connector(http)?;
    let http = HttpClient::builder(TokioExecutor::new()).build(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(Fence::new(http, leadership));
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// A client that says when a watch has been opened that goes on where the one before it ended: the
/// watcher itself says nothing until something changes.
pub(crate) fn noticing(client: &Client, resumed: impl Fn() + Clone + Send + 'static) -> Client {
    let namespace = client.default_namespace().to_owned();
    let client = client.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, resumed) = (client.clone(), resumed.clone());
        let query = request.uri().query().unwrap_or_default();
        let resumes = query.contains("watch=true") && !query.contains("sendInitialEvents=true");
        async move {
            let response = client.send(request).await?;
            if resumes && response.status().is_success() {
                resumed();
            }
            Ok::<_, kube::Error>(response)
        }
    });
    Client::new(service, namespace)
}
