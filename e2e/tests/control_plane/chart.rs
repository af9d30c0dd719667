//! An API server takes what the chart renders, and what users are told to patch Argo CD with.

use std::sync::Arc;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use millwright_e2e::{
    command::Command,
    machine::{self, tool},
    scene::Scene,
    suite::Test,
};
use serde_json::json;

use crate::world::World;

/// Values that together render every template but the monitors, whose kinds are not ours to bring.
const VALUES: [&str; 4] = [
    "{}",
    r#"{"replicas": 2, "networkPolicy": {"enabled": true, "gatewayNamespaces": ["chart", "chart-b"]}}"#,
    r#"{"watchNamespaces": ["chart", "chart-b"], "rbac": {"aggregate": false},
        "networkPolicy": {"enabled": true}, "metrics": {"service": false}, "crds": {"install": false}}"#,
    r#"{"replicas": 3, "podLabels": {"example.com/a": "b"}, "podAnnotations": {"example.com/a": "b"},
        "nodeSelector": {"kubernetes.io/os": "linux"}, "tolerations": [{"operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}}, "priorityClassName": "system-cluster-critical",
        "imagePullSecrets": [{"name": "registry"}], "serviceAccount": {"name": "robot"},
        "artifacts": {"storageClass": "fast", "accessMode": "ReadWriteMany"}}"#,
];

/// The chart's tests.
pub fn tests() -> Vec<Test<World>> {
    vec![
        Test::new("chart::is_accepted", |world: Arc<World>| async move {
            is_accepted(&world).await
        }),
        Test::new(
            "chart::argo_cd_is_patched",
            |world: Arc<World>| async move { argo_cd_is_patched(&world).await },
        ),
    ]
}

async fn is_accepted(world: &World) -> Result<()> {
    let cluster = world.bare().await?;
    let scene = Scene::new(cluster.client(), "chart", None).await?;
    let other = Scene::new(cluster.client(), "chart-b", None).await?;
    for (index, values) in VALUES.into_iter().enumerate() {
        let (given, rendered) = (
            cluster.file(&format!("values-{index}.yaml")),
            cluster.file(&format!("rendered-{index}.yaml")),
        );
        std::fs::write(&given, values)?;
        let render = Command::new(tool("helm"))
            .args(["template", "millwright"])
            .arg(machine::repository().join("charts/millwright"))
            .args(["--namespace", scene.namespace(), "--values"])
            .arg(&given);
        std::fs::write(&rendered, render.output().await?)?;
        let apply = Command::new(tool("kubectl"))
            .args([
                "apply",
                "--server-side",
                "--force-conflicts",
                "--validate=strict",
            ])
            .args(["--dry-run=server", "--filename"])
            .arg(&rendered)
            .env("KUBECONFIG", cluster.kubeconfig());
        apply.output().await?;
    }
    other.close().await?;
    scene.close().await
}

async fn argo_cd_is_patched(world: &World) -> Result<()> {
    let cluster = world.bare().await?;
    let scene = Scene::new(cluster.client(), "argocd", None).await?;
    let own = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"},
        "data": {"url": "https://argocd.example.com"},
    });
    scene.apply_documents(&[own]).await?;
    let file = machine::repository().join("charts/millwright/argocd/argocd-cm.yaml");
    let patch = Command::new(tool("kubectl"))
        .args([
            "--namespace",
            "argocd",
            "patch",
            "configmap",
            "argocd-cm",
            "--patch-file",
        ])
        .arg(file)
        .env("KUBECONFIG", cluster.kubeconfig());
    patch.output().await?;
    let data = scene.get::<ConfigMap>("argocd-cm").await?.data;
    let data = data.unwrap_or_default();
    let scripts = data
        .keys()
        .filter(|key| key.starts_with("resource.customizations.health."));
    ensure!(
        scripts.count() == 6 && data.contains_key("url"),
        "the patch left {:?}",
        data.keys()
    );
    scene.close().await
}
