//! The proxy: HTTP on loopback towards the operator, the API server's own TLS behind it.

use std::{convert::Infallible, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use http::{HeaderMap, Request, Response, header};
use http_body_util::BodyExt;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use kube::{Client, client::Body};
use parking_lot::Mutex;
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
};

use super::{Rule, Side, Verdict, Write};
use crate::{cluster, installation::Installation};

/// Between one operator and the API server. It ends when this is dropped.
pub struct Proxy {
    state: Arc<State>,
    kubeconfig: PathBuf,
    accepts: AbortHandle,
}

struct State {
    /// It has the rights of the operator, so that the operator needs no others.
    client: Client,
    rule: Mutex<Rule>,
    stop: Mutex<Box<dyn Fn() + Send>>,
    writes: Mutex<Vec<Write>>,
    stopped: watch::Sender<bool>,
}

impl Proxy {
    /// A proxy that passes everything, for the operator of this installation.
    ///
    /// # Errors
    /// When there is no free port, or the installation's kubeconfig can't be used.
    pub async fn start(installation: &Installation) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            client: cluster::client(installation.kubeconfig()).await?,
            rule: Mutex::new(Box::new(|_| Verdict::Pass)),
            stop: Mutex::new(Box::new(|| {})),
            writes: Mutex::default(),
            stopped: watch::Sender::new(false),
        });
        let kubeconfig = installation.kubeconfig().with_extension("proxied");
        std::fs::write(&kubeconfig, config(address).to_string())
            .with_context(|| format!("{} can't be written", kubeconfig.display()))?;
        let accepts = tokio::spawn(accept(listener, state.clone())).abort_handle();
        Ok(Self {
            state,
            kubeconfig,
            accepts,
        })
    }

    /// A kubeconfig that leads here.
    pub fn kubeconfig(&self) -> &std::path::Path {
        &self.kubeconfig
    }

    /// From now on `rule` decides about each write, and `stop` stops the operator.
    pub fn set(&self, rule: Rule, stop: impl Fn() + Send + 'static) {
        *self.state.stop.lock() = Box::new(stop);
        *self.state.rule.lock() = rule;
    }

    /// Returns when the operator was stopped.
    pub async fn stopped(&self) {
        let mut stopped = self.state.stopped.subscribe();
        // The sender lives as long as this does.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    /// Whether the operator was stopped.
    pub fn has_stopped(&self) -> bool {
        *self.state.stopped.borrow()
    }

    /// The writes so far, those that were not passed on included.
    pub fn writes(&self) -> Vec<Write> {
        self.state.writes.lock().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepts.abort();
    }
}

fn config(address: SocketAddr) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
        "clusters": [{"name": "proxy", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "proxy", "user": {}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
    })
}

/// Serves connections; they end with this.
async fn accept(listener: TcpListener, state: Arc<State>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        while connections.try_join_next().is_some() {}
        connections.spawn(serve(stream, state.clone()));
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| {
        let state = state.clone();
        async move { state.answer(request).await }
    });
    // A connection that ends early is the other side's matter: the operator says what it misses.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl State {
    /// What the API server answers. An error closes the connection without an answer.
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>> {
        let (parts, body) = request.into_parts();
        let mut request = Request::from_parts(parts, body.collect().await?.to_bytes());
        let verdict = self.judge(&request);
        if verdict == Verdict::Stop(Side::Before) {
            return Err(self.stop());
        }
        strip(request.headers_mut());
        request.headers_mut().remove(header::HOST);
        let mut response = self.client.send(request.map(Body::from)).await?;
        if verdict == Verdict::Stop(Side::After) {
            return Err(self.stop());
        }
        strip(response.headers_mut());
        Ok(response)
    }

    fn judge(&self, request: &Request<Bytes>) -> Verdict {
        let Some(mut write) = Write::of(request) else {
            return Verdict::Pass;
        };
        let mut writes = self.writes.lock();
        write.nth += writes.iter().filter(|other| write.is_like(other)).count();
        writes.push(write.clone());
        (self.rule.lock())(&write)
    }

    fn stop(&self) -> anyhow::Error {
        (self.stop.lock())();
        self.stopped.send_replace(true);
        anyhow::anyhow!("the operator was stopped")
    }
}

/// Takes away what speaks of one connection only.
fn strip(headers: &mut HeaderMap) {
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ] {
        headers.remove(name);
    }
}
