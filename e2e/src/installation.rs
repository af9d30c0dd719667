//! What the chart says of the operator, without its pod: rights, and settings.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

use crate::{
    apply,
    cluster::Cluster,
    command::Command,
    machine::{self, tool},
};

/// Namespace of the installation that looks after all namespaces.
pub const NAMESPACE: &str = "millwright-system";
/// Name of the operator's ServiceAccount and Deployment.
const ACCOUNT: &str = "millwright-operator";
/// How long the operator's token is good for, in seconds: longer than any run of the tests.
const TOKEN_SECONDS: i64 = 6 * 3_600;

/// The user that the operator of the installation in this namespace is.
pub fn user(namespace: &str) -> String {
    format!("system:serviceaccount:{namespace}:{ACCOUNT}")
}

/// The chart in a namespace, without the operator's Deployment.
#[derive(Clone, Debug)]
pub struct Installation {
    namespace: String,
    environment: Vec<(String, String)>,
    kubeconfig: PathBuf,
}

impl Installation {
    /// Of an operator that looks after all namespaces.
    ///
    /// # Errors
    /// When the chart is refused.
    pub async fn everywhere(cluster: &Cluster) -> Result<Self> {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE},
        });
        apply::apply(cluster.client(), "", &[namespace]).await?;
        Self::install(cluster, NAMESPACE, &[]).await
    }

    /// Of an operator that lives in this namespace and looks after nothing else: its rights are
    /// Roles, and so is its Lease. The namespace must exist.
    ///
    /// # Errors
    /// When the chart is refused.
    pub async fn within(cluster: &Cluster, namespace: &str) -> Result<Self> {
        let values = format!("watchNamespaces={{{namespace}}}");
        Self::install(cluster, namespace, &["--set", &values]).await
    }

    /// Applies all of the chart but the Deployment, and makes a kubeconfig of its ServiceAccount.
    async fn install(cluster: &Cluster, namespace: &str, values: &[&str]) -> Result<Self> {
        let render = Command::new(tool("helm"))
            .args(["template", "millwright"])
            .arg(machine::repository().join("charts/millwright"))
            .args(["--namespace", namespace, "--set", "crds.install=false"])
            .args(values);
        let documents = apply::parse(&render.output().await?)?;
        let (deployments, others): (Vec<_>, Vec<_>) = documents
            .into_iter()
            .partition(|document| document["kind"] == "Deployment");
        apply::apply(cluster.client(), namespace, &others).await?;
        let environment = deployments
            .first()
            .and_then(|deployment| deployment.pointer("/spec/template/spec/containers/0/env"))
            .and_then(Value::as_array)
            .context("the chart has no Deployment with an environment")?
            .iter()
            .filter_map(|variable| {
                let value = variable["value"].as_str()?;
                Some((variable["name"].as_str()?.to_owned(), value.to_owned()))
            })
            .collect();
        Ok(Self {
            namespace: namespace.into(),
            environment,
            kubeconfig: kubeconfig(cluster, namespace).await?,
        })
    }

    /// Its namespace, where the Lease is.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The operator's settings, as environment variables.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// A kubeconfig with the rights of the operator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

async fn kubeconfig(cluster: &Cluster, namespace: &str) -> Result<PathBuf> {
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(TOKEN_SECONDS),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let answer = Api::<ServiceAccount>::namespaced(cluster.client().clone(), namespace)
        .create_token_request(ACCOUNT, &PostParams::default(), &request)
        .await
        .map_err(apply::refusal)
        .with_context(|| format!("a token of the ServiceAccount {namespace}/{ACCOUNT}"))?;
    let token = answer.status.context("the answer has no token")?.token;
    let [mut config] = <[Value; 1]>::try_from(apply::read(&cluster.kubeconfig())?)
        .map_err(|_| anyhow::anyhow!("the cluster's kubeconfig is not one document"))?;
    config["users"][0]["user"] = json!({"token": token});
    let path = cluster
        .kubeconfig()
        .with_file_name(format!("operator-{namespace}.kubeconfig"));
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}
