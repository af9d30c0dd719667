//! When the gateway is ready, and how it ends without a dropped request.
//!
//! What happens when a pod is deleted. The endpoints are updated at once, but it takes a while
//! until every node has heard; and connections that clients hold go on to this pod, heard or not.
//! Meanwhile the kubelet runs the `preStop` hook of the model server's container, then sends it
//! SIGTERM; only when the main containers have ended does it send SIGTERM to sidecars, this
//! gateway among them. So at the gateway's SIGTERM it is too late to save requests: the server is
//! gone. What saves them is the server's `preStop` hook, and the gateway has to take part in it,
//! for only the gateway can tell clients to let go of their connections. Therefore the hook is
//! `httpGet` of `/drain` on the admin port. It makes the gateway unready and lets it answer every
//! request with `connection: close`, and the hook's own answer comes when the drain's time is over
//! and no request is under way; then connections on which nothing was asked meanwhile are closed, and
//! the kubelet stops the server. With a plain `sleep` as the
//! hook everything else works, but a client that keeps its connection fails with 503 in the end.
//!
//! A pod is ready when all its containers are, sidecars included, so the gateway's readiness,
//! which asks the server, is enough. The server's container needs no probe of its own.
//!
//! The kubelet also runs the hook when it restarts the server alone, after a failed liveness
//! probe. The gateway then gets no SIGTERM, so a drain ends by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::metrics::Metrics;

/// How long after a drain the gateway stays unready, for the server to be stopped in.
const AFTER_DRAIN: Duration = Duration::from_secs(30);

/// Whether the gateway takes part, and what it still has to answer.
pub(super) struct Lifecycle {
    drain: Duration,
    stopping: AtomicBool,
    drains: AtomicUsize,
    drained: AtomicBool,
    in_flight: watch::Sender<usize>,
    released: watch::Sender<u64>,
}

impl Lifecycle {
    /// `drain` is the time in which endpoints are updated and clients let go.
    pub fn new(drain: Duration) -> Self {
        Self {
            drain,
            stopping: AtomicBool::new(false),
            drains: AtomicUsize::new(0),
            drained: AtomicBool::new(false),
            in_flight: watch::Sender::new(0),
            released: watch::Sender::new(0),
        }
    }

    /// Whether clients should go elsewhere.
    pub fn is_draining(&self) -> bool {
        self.stopping.load(Ordering::SeqCst) || self.drains.load(Ordering::SeqCst) > 0
    }

    /// Sends clients elsewhere for good.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Changes at the end of each drain, when connections must not be used any more.
    pub fn released(&self) -> watch::Receiver<u64> {
        self.released.subscribe()
    }

    /// Waits for clients to let go, unless a drain has done that before.
    pub async fn let_go(&self) {
        if !self.drained.load(Ordering::SeqCst) {
            tokio::time::sleep(self.drain).await;
        }
    }

    /// Sends clients elsewhere for a while. Ends when the drain's time is over and no request is
    /// under way, or after twice that time: requests then end beside the server's own shutdown.
    pub async fn drain(self: Arc<Self>) {
        self.drains.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.drain).await;
        let mut in_flight = self.in_flight.subscribe();
        let idle = in_flight.wait_for(|requests| *requests == 0);
        if tokio::time::timeout(self.drain, idle).await.is_err() {
            tracing::warn!("requests are still under way at the end of the drain");
        }
        self.released.send_modify(|drains| *drains += 1);
        self.drained.store(true, Ordering::SeqCst);
        tokio::spawn(async move {
            tokio::time::sleep(AFTER_DRAIN).await;
            self.drains.fetch_sub(1, Ordering::SeqCst);
            self.drained.store(false, Ordering::SeqCst);
        });
    }
}

/// A request under way, from its head to the end of the response.
pub(super) struct Exchange {
    lifecycle: Arc<Lifecycle>,
    metrics: Arc<Metrics>,
    started: Instant,
    status: Option<u16>,
}

impl Exchange {
    /// A request that begins now.
    pub fn begin(lifecycle: Arc<Lifecycle>, metrics: Arc<Metrics>) -> Self {
        lifecycle.in_flight.send_modify(|requests| *requests += 1);
        metrics.begin();
        Self {
            lifecycle,
            metrics,
            started: Instant::now(),
            status: None,
        }
    }

    /// Notes the status that the client gets.
    pub fn answered(&mut self, status: hyper::StatusCode) {
        self.status = Some(status.as_u16());
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.lifecycle
            .in_flight
            .send_modify(|requests| *requests -= 1);
        self.metrics.end(self.status, self.started.elapsed());
    }
}
