//! The images of Millwright and of the examples.

use std::fs;

use anyhow::Result;

use crate::{
    cluster::Cluster,
    command::Command,
    machine::{self, tool},
};

/// Makes an image of a program that `hack/tools.sh` builds, named `localhost/NAME:dev`, and loads it
/// into the cluster's node.
///
/// # Errors
/// When it can't be made or loaded.
pub async fn load_tool(cluster: &Cluster, name: &str) -> Result<()> {
    let archive = cluster.kubeconfig().with_file_name(format!("{name}.tar"));
    let image = Command::new(tool("devcluster"))
        .args(["image", "--reference", &format!("localhost/{name}:dev")])
        .arg("--program")
        .arg(tool(name))
        .arg("--output")
        .arg(&archive);
    image.output().await?;
    let load = Command::new(tool("devcluster"))
        .args(["load", "--name", cluster.name()])
        .arg(&archive);
    load.output().await?;
    Ok(fs::remove_file(archive)?)
}

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
