//! Flags and environment of the operator: the chart's values.

use anyhow::{anyhow, bail};
use clap::Parser;
use millwright_plan::{Settings, settings::AgentResources, store::Store};

/// The operator of Millwright.
#[derive(Parser, Clone, Debug)]
#[command(name = "millwright-operator", version)]
pub(crate) struct Config {
    /// Image of the agent that is put into pods.
    #[arg(long, env = "MILLWRIGHT_AGENT_IMAGE")]
    agent_image: String,
    /// Pull policy of that image.
    #[arg(
        long,
        env = "MILLWRIGHT_AGENT_PULL_POLICY",
        default_value = "IfNotPresent"
    )]
    agent_pull_policy: String,
    /// CPU that injected containers ask for.
    #[arg(long, env = "MILLWRIGHT_AGENT_CPU_REQUEST", default_value = "20m")]
    agent_cpu_request: String,
    /// Memory that injected containers ask for.
    #[arg(long, env = "MILLWRIGHT_AGENT_MEMORY_REQUEST", default_value = "32Mi")]
    agent_memory_request: String,
    /// Memory limit of injected containers.
    #[arg(long, env = "MILLWRIGHT_AGENT_MEMORY_LIMIT", default_value = "512Mi")]
    agent_memory_limit: String,
    /// The artifact store: pvc://CLAIM/FOLDER, s3://BUCKET/FOLDER, gs://BUCKET/FOLDER or
    /// az://CONTAINER/FOLDER.
    #[arg(
        long,
        env = "MILLWRIGHT_ARTIFACTS_URL",
        default_value = "pvc://millwright-artifacts/"
    )]
    artifacts_url: String,
    /// Secret with the credentials of an object store, in each namespace that uses it; empty: the
    /// pods' own identity in their cloud.
    #[arg(long, env = "MILLWRIGHT_ARTIFACTS_SECRET", default_value = "")]
    artifacts_secret: String,
    /// Size of the store's claim in each namespace.
    #[arg(long, env = "MILLWRIGHT_ARTIFACTS_SIZE", default_value = "10Gi")]
    artifacts_size: String,
    /// StorageClass of the store's claim; empty: the cluster's default.
    #[arg(long, env = "MILLWRIGHT_ARTIFACTS_STORAGE_CLASS", default_value = "")]
    artifacts_storage_class: String,
    /// Access mode of the store's claim.
    #[arg(
        long,
        env = "MILLWRIGHT_ARTIFACTS_ACCESS_MODE",
        default_value = "ReadWriteOnce"
    )]
    artifacts_access_mode: String,
    /// Namespaces to work in, separated by commas; empty: all.
    #[arg(long, env = "MILLWRIGHT_NAMESPACES", default_value = "")]
    namespaces: String,
    /// Address of health and metrics.
    #[arg(long, env = "MILLWRIGHT_LISTEN", default_value = "0.0.0.0:8080")]
    pub(crate) listen: String,
    /// Name of this pod: its identity in the election. No two processes may have the same.
    #[arg(long, env = "POD_NAME", default_value_t = unique_name())]
    pub(crate) pod_name: String,
    /// Namespace of this pod: where the Lease is.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default")]
    pub(crate) pod_namespace: String,
}

fn unique_name() -> String {
    let now = jiff::Timestamp::now().as_microsecond();
    format!("millwright-operator-{}-{now}", std::process::id())
}

impl Config {
    /// Settings for planners.
    ///
    /// # Errors
    /// When the store's URL is not one, or its Secret doesn't go with it.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let mut store: Store = self
            .artifacts_url
            .parse()
            .map_err(|error: String| anyhow!(error))?;
        let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let secret = given(&self.artifacts_secret);
        match &mut store {
            Store::Claim(_) if secret.is_some() => {
                bail!("artifacts.secretName is for object stores; artifacts.url is a pvc:// URL")
            }
            Store::Claim(claim) => {
                claim.size.clone_from(&self.artifacts_size);
                claim.access_mode.clone_from(&self.artifacts_access_mode);
                claim.class = given(&self.artifacts_storage_class);
            }
            Store::Objects(objects) => objects.secret = secret,
        }
        Ok(Settings {
            agent_image: self.agent_image.clone(),
            agent_pull_policy: self.agent_pull_policy.clone(),
            store,
            agent_resources: AgentResources {
                cpu_request: self.agent_cpu_request.clone(),
                memory_request: self.agent_memory_request.clone(),
                memory_limit: self.agent_memory_limit.clone(),
            },
        })
    }

    /// Namespaces to work in; `None` stands for all.
    pub(crate) fn namespaces(&self) -> Vec<Option<String>> {
        let named: Vec<_> = self
            .namespaces
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| Some(name.to_owned()))
            .collect();
        if named.is_empty() { vec![None] } else { named }
    }
}
