//! The images of Millwright and of the examples.

use anyhow::Result;

use crate::{cluster::Cluster, command::Command, machine};

/// Builds these images where they have changed and loads them into the cluster's node.
///
/// # Errors
/// When one can't be built or loaded.
pub async fn load(cluster: &Cluster, names: &[&str]) -> Result<()> {
    let script = machine::repository().join("hack/images.sh");
    let command = Command::new(script)
        .args(names)
        .env("CLUSTER", cluster.name())
        .without_env("KUBECONFIG");
    command.output().await.map(drop)
}
