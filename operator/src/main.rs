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

use clap::Parser;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use config::Config;
use controllers::Controllers;
use runtime::{
    client, context::Context, election::Election, health::Health, leader::Leadership,
    metrics::Metrics, server,
};
use stores::Stores;
use watches::Writers;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    tracing_subscriber::fmt()
        .with_env_filter(log_filter())
        .with_writer(std::io::stderr)
        .init();
    let api_server = client::config(&config.pod_name).await?;
    let metrics = Metrics::new()?;
    let health = Health::default();
    let leadership = Leadership::new(config.pod_name.clone());
    let writers = Writers::default();
    let context = Context::new(
        client::connect(&api_server, Some(leadership.clone()))?,
        config.settings()?,
        Stores::new(&writers),
        health.clone(),
        leadership.clone(),
        metrics.clone(),
    );
    // The election's connections are its own: a renewal never waits behind other requests.
    let election = Election::join(
        client::connect(&api_server, None)?,
        &config.pod_namespace,
        leadership,
        health,
    );
    let (queues, controllers) = Controllers::new(&metrics);
    watches::start(&context, &queues, writers, &config.namespaces());
    let server = tokio::spawn({
        let (context, listen) = (context.clone(), config.listen.clone());
        async move { server::serve(context, &listen).await }
    });
    // Apart, so that it goes on to the end of the writes that are under way.
    let work = tokio::spawn(controllers.run(context, queues));
    let result = tokio::select! {
        result = work => result.map_err(Into::into),
        result = server => result?,
        () = terminated() => Ok(()),
    };
    election.resign().await;
    result
}

/// What is logged: `RUST_LOG`, by default what matters to people.
fn log_filter() -> EnvFilter {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    if filter.max_level_hint() > Some(LevelFilter::INFO) {
        return filter;
    }
    // The libraries repeat with every try what the operator says once.
    ["kube_client=off", "kube_runtime=off"]
        .into_iter()
        .filter_map(|directive| directive.parse().ok())
        .fold(filter, EnvFilter::add_directive)
}

async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut term) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! { _ = term.recv() => {}, _ = tokio::signal::ctrl_c() => {} }
}
