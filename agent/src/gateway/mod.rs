//! `agent gateway`: the reverse proxy in front of a model server.
//!
//! Two ports. **Traffic** passes to the server on loopback as it is. Requests of the Open Inference
//! Protocol v2 (REST) are read on their way, with their responses: each input tensor is a column
//! that is counted over the bins of the training data's profile, the output is the prediction.
//! **Admin** answers `/metrics`, `/profile`, `/healthz`, `/readyz` and `/drain`, and takes labels
//! at `POST /v2/models/<model>/feedback`, which join predictions by the request's `id`. A request
//! without an id gets one. `x-millwright-id` on a response says that the request can be named in
//! feedback, `x-millwright-version` which version of the model answered.
//!
//! **Monitoring never fails or slows a request.** What is read is copied to a queue, and a thread
//! of its own does the rest; what doesn't fit is dropped and counted.
//!
//! **Memory** is bounded, whatever the traffic:
//! - bodies under way and waiting for the profiler: 64 MiB together, and at most 4 MiB of one;
//! - the profiler's working space: about eight times the body it reads, so up to 64 MiB for the
//!   few milliseconds that the largest one takes;
//! - windows: per numeric column and window about 1 kB, per text column the reference's
//!   categories, times `retain`; the classes of a classification, at most 1,000 names per window;
//! - predictions that wait: 8 bytes per row (16 for classes, whose names share memory), at most
//!   `maxPending` rows, and about 200 bytes and the id per request, at most as many requests.
//!
//! `lifecycle` tells how a pod ends without a dropped request.

mod admin;
mod body;
mod config;
mod id;
mod label;
mod lifecycle;
mod metrics;
mod monitor;
mod peers;
mod pending;
mod proxy;
mod recorder;
mod server;
mod tensor;
mod upstream;
mod windows;

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context;
use hyper::{header::HeaderValue, service::service_fn};
use hyper_util::service::TowerToHyperService;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{oneshot, watch},
};

pub use config::{Clock, Config, Limits, References, Resolver};

use admin::Admin;
use lifecycle::Lifecycle;
use metrics::Metrics;
use monitor::Monitor;
use peers::Peers;
use proxy::Proxy;
use recorder::{Budget, Recorder};
use upstream::Upstream;

/// Longest time that answers on the admin port may take when everything else has ended.
const ADMIN_SHUTDOWN: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When the task or a reference can't be read, or a port can't be had.
pub async fn run() -> anyhow::Result<ExitCode> {
    let config = Config::from_environment()?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let gateway = Gateway::bind(config).await?;
    gateway
        .serve(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
    Ok(ExitCode::SUCCESS)
}

/// A gateway that has its ports.
pub struct Gateway {
    traffic: TcpListener,
    admin: TcpListener,
    proxy: Arc<Proxy>,
    api: Arc<Admin>,
}

impl Gateway {
    /// Takes the ports; connections wait until [`serve`](Self::serve).
    ///
    /// # Errors
    /// When a port can't be had or the profiler can't be started.
    pub async fn bind(config: Config) -> anyhow::Result<Self> {
        let task = &config.task;
        // The newest window is not over.
        let kept = u64::from(task.retain).saturating_sub(1) * task.window_seconds;
        if kept < task.horizon_seconds {
            tracing::warn!(
                "labels that come {kept} s after their window find it no more, although the horizon \
                 is {} s: raise monitoring.retain or monitoring.window",
                task.horizon_seconds
            );
        }
        let limits = config.limits;
        let traffic = server::listen(config.traffic).await?;
        let admin = server::listen(config.admin).await?;
        let metrics = Arc::new(Metrics::new(task)?);
        let monitor = Arc::new(Monitor::new(&config, metrics.clone()));
        let recorder = Recorder::start(monitor.clone(), limits.queue, limits.body)?;
        let recorder = Arc::new(recorder);
        let upstream = Arc::new(Upstream::new(task.port, task.protocol)?);
        let drain = Duration::from_secs(task.drain_seconds);
        let lifecycle = Arc::new(Lifecycle::new(drain));
        let proxy = Proxy {
            protocol: task.protocol,
            limits,
            upstream: upstream.clone(),
            monitor: monitor.clone(),
            recorder: recorder.clone(),
            metrics: metrics.clone(),
            lifecycle: lifecycle.clone(),
            budget: Budget::new(limits.buffered),
            version: proxy::version(task),
        };
        let api = Admin {
            pod_uid: HeaderValue::from_str(&config.pod_uid).context("the pod's UID")?,
            body: limits.body,
            upstream,
            monitor,
            recorder,
            metrics,
            lifecycle,
            peers: Peers::new(config.peers, task.peers.clone(), config.pod_uid),
            task: config.task,
        };
        Ok(Self {
            traffic,
            admin,
            proxy: Arc::new(proxy),
            api: Arc::new(api),
        })
    }

    /// The addresses of traffic and admin.
    ///
    /// # Errors
    /// When the system doesn't tell them.
    pub fn addresses(&self) -> std::io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.traffic.local_addr()?, self.admin.local_addr()?))
    }

    /// Serves until `shutdown` ends, and after it until clients have let go and the last request
    /// is answered. The admin port ends last, so that labels and profiles go on till then.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self {
            traffic,
            admin,
            proxy,
            api,
        } = self;
        let (stop_traffic, traffic_stops) = oneshot::channel::<()>();
        let (stop_admin, admin_stops) = oneshot::channel::<()>();
        let handler = proxy.clone();
        let service = service_fn(move |request| handler.clone().handle(request));
        let released = proxy.lifecycle.released();
        let traffic = tokio::spawn(server::serve(traffic, service, released, async {
            let _ = traffic_stops.await;
        }));
        let service = TowerToHyperService::new(admin::router(api));
        // The hook itself, and feedback, come here to the end.
        let (_kept, never) = watch::channel(0);
        let admin = tokio::spawn(server::serve(admin, service, never, async {
            let _ = admin_stops.await;
        }));

        shutdown.await;
        tracing::info!("draining");
        proxy.lifecycle.stop();
        // Without a server there is nothing to wait for.
        if proxy.upstream.accepts().await {
            proxy.lifecycle.let_go().await;
        }
        drop(stop_traffic);
        if traffic.await.is_err() {
            tracing::warn!("traffic ended early");
        }
        drop(stop_admin);
        if tokio::time::timeout(ADMIN_SHUTDOWN, admin).await.is_err() {
            tracing::warn!("answers on the admin port were cut off");
        }
    }
}

/// Locks, also after a thread panicked with the lock: counts may then lack what that thread was
/// about to add, and serving goes on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
