//! Helm, as users run it, and a chart of the version before.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use millwright_e2e::{
    apply,
    cluster::Cluster,
    command::Command,
    diagnose,
    installation::NAMESPACE,
    machine::{self, tool},
};
use serde_json::Value;

/// What the tests set: two replicas that look after one namespace, and the images of this build.
const SETTINGS: [&str; 7] = [
    "watchNamespaces={team-a}",
    "replicas=2",
    "rbac.aggregate=false",
    "image.repository=localhost/millwright/operator",
    "image.tag=dev",
    "agent.image.repository=localhost/millwright/agent",
    "agent.image.tag=dev",
];

/// A release of the chart in a cluster.
pub struct Helm<'a>(pub &'a Cluster);

impl Helm<'_> {
    /// `helm install` of a chart, until all its pods are ready.
    pub async fn install(&self, chart: &Path) -> Result<()> {
        let settings = SETTINGS.iter().flat_map(|setting| ["--set", setting]);
        let install = self.command("install").arg(chart).args(settings);
        install.arg("--wait").output().await.map(drop)
    }

    /// `helm upgrade`, as the documentation says.
    pub async fn upgrade(&self, chart: &Path) -> Result<()> {
        let upgrade = self.command("upgrade").arg(chart);
        let arguments = ["--reset-then-reuse-values", "--wait"];
        upgrade.args(arguments).output().await.map(drop)
    }

    /// `helm uninstall`, until all that it removes is gone.
    pub async fn uninstall(&self) -> Result<()> {
        self.command("uninstall")
            .arg("--wait")
            .output()
            .await
            .map(drop)
    }

    fn command(&self, verb: &str) -> Command {
        let place = ["--namespace", NAMESPACE, "--timeout", "2m"];
        Command::new(tool("helm"))
            .args([verb, "millwright"])
            .args(place)
            .env("KUBECONFIG", self.0.kubeconfig())
    }
}

/// The chart of this repository.
pub fn current() -> PathBuf {
    machine::repository().join("charts/millwright")
}

/// A chart of the version before, whose Models have no `spec.description` and no columns to print.
pub async fn previous(cluster: &Cluster) -> Result<PathBuf> {
    let chart = cluster.file("previous-chart");
    let copy = Command::new("cp").arg("-r").arg(current()).arg(&chart);
    copy.output().await?;
    let about = chart.join("Chart.yaml");
    let text = std::fs::read_to_string(&about)?;
    let lines = text.lines().map(|line| match line {
        line if line.starts_with("version:") => "version: 0.0.9",
        line => line,
    });
    std::fs::write(&about, lines.collect::<Vec<_>>().join("\n"))?;

    let path = chart.join("files/crds/models.millwright.dev.yaml");
    let mut crd = apply::read(&path)?.swap_remove(0);
    let version = &mut crd["spec"]["versions"][0];
    version["additionalPrinterColumns"] = Value::Array(vec![]);
    version
        .pointer_mut("/schema/openAPIV3Schema/properties/spec/properties")
        .and_then(Value::as_object_mut)
        .and_then(|fields| fields.remove("description"))
        .context("Models have no spec.description: leave another field out")?;
    std::fs::write(&path, diagnose::yaml(&crd))?;
    Ok(chart)
}
