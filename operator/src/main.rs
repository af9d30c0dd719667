//! The operator: watches, reads, applies plans and writes status.
//!
//! It must never touch data: no storage credentials, no volume, no model bytes. What is decided is
//! in the `plan` crate; here is only how it comes about.

mod config;
mod controllers;
mod dataset;
mod model;
mod model_deployment;
mod model_version;
mod retrain_policy;
mod runtime;
mod stores;
mod training_job;
mod triggers;
mod watches;

use anyhow::Context as _;
use clap::Parser;
use kube::Client;
use tracing_subscriber::EnvFilter;

use config::Config;
use controllers::Controllers;
use runtime::{context::Context, leader, metrics::Metrics, server};
use stores::Stores;
use watches::Writers;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let client = Client::try_default().await.context(
        "no way to the API server: run in a pod with a service account, or set KUBECONFIG",
    )?;
    let metrics = Metrics::new()?;
    let leadership = leader::elect(
        client.clone(),
        &config.pod_namespace,
        config.pod_name.clone(),
    );
    let writers = Writers::default();
    let context = Context::new(
        client,
        config.settings()?,
        Stores::new(&writers),
        leadership,
        metrics.clone(),
        &config.pod_name,
    );
    let (queues, controllers) = Controllers::new(&metrics);
    watches::start(&context, &queues, writers, &config.namespaces());
    let server = tokio::spawn({
        let (context, listen) = (context.clone(), config.listen.clone());
        async move { server::serve(context, &listen).await }
    });
    let mut lost = context.leadership.clone();
    tokio::select! {
        () = controllers.run(context) => Ok(()),
        result = server => result?,
        () = async { lost.acquired().await; lost.lost().await } => {
            anyhow::bail!("another replica leads now: this one stops and starts anew")
        }
        () = terminated() => Ok(()),
    }
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut term) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! { _ = term.recv() => {}, _ = tokio::signal::ctrl_c() => {} }
}
