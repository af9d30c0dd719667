//! The operator: watches, reads, applies plans and writes status.
//!
//! It must never touch data: no storage credentials, no volume, no model bytes. What is decided is
//! in the `plan` crate; here is only how it comes about.

mod config;
mod dataset;
mod model_deployment;
mod model_version;
mod retrain_policy;
mod runtime;
mod stores;
mod training_job;
mod triggers;
mod watches;

use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use kube::Client;
use tracing_subscriber::EnvFilter;

use config::Config;
use dataset::Datasets;
use model_deployment::ModelDeployments;
use model_version::ModelVersions;
use retrain_policy::RetrainPolicies;
use runtime::{context::Context, controller, leader, metrics::Metrics, queue::Queue, server};
use stores::Stores;
use training_job::TrainingJobs;
use watches::{Queues, Writers};

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
    let stores = Stores {
        datasets: writers.datasets.as_reader(),
        training_jobs: writers.training_jobs.as_reader(),
        models: writers.models.as_reader(),
        model_versions: writers.model_versions.as_reader(),
        model_deployments: writers.model_deployments.as_reader(),
        retrain_policies: writers.retrain_policies.as_reader(),
        jobs: Default::default(),
        pods: Default::default(),
        deployments: Default::default(),
        services: Default::default(),
        claims: Default::default(),
    };
    let settings = config.settings()?;
    let context = Context::new(
        client,
        settings,
        stores,
        leadership,
        metrics.clone(),
        &config.pod_name,
    );
    let (datasets, datasets_out) = Queue::new(metrics.queue("dataset"));
    let (training_jobs, runs_out) = Queue::new(metrics.queue("trainingjob"));
    let (model_versions, versions_out) = Queue::new(metrics.queue("modelversion"));
    let (model_deployments, deployments_out) = Queue::new(metrics.queue("modeldeployment"));
    let (retrain_policies, policies_out) = Queue::new(metrics.queue("retrainpolicy"));
    let queues = Queues {
        datasets,
        training_jobs,
        model_versions,
        model_deployments,
        retrain_policies,
    };
    watches::start(&context, &queues, writers, &config.namespaces());

    let server = tokio::spawn({
        let (context, listen) = (context.clone(), config.listen.clone());
        async move { server::serve(context, &listen).await }
    });
    let mut leadership = context.leadership.clone();
    let controllers = async {
        leadership.acquired().await;
        metrics.leads(true);
        tracing::info!("leads");
        // A plan made from half a list would create what exists already.
        while !context.health.listed() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (c, stores) = (&context, &context.stores);
        tokio::join!(
            controller::run::<Datasets>(c.clone(), stores.datasets.clone(), datasets_out),
            controller::run::<TrainingJobs>(c.clone(), stores.training_jobs.clone(), runs_out),
            controller::run::<ModelVersions>(
                c.clone(),
                stores.model_versions.clone(),
                versions_out
            ),
            controller::run::<ModelDeployments>(
                c.clone(),
                stores.model_deployments.clone(),
                deployments_out
            ),
            controller::run::<RetrainPolicies>(
                c.clone(),
                stores.retrain_policies.clone(),
                policies_out
            ),
        );
    };
    let mut lost = context.leadership.clone();
    tokio::select! {
        () = controllers => Ok(()),
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
