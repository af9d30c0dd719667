//! Runs and the data that they are made from.

use anyhow::{Context as _, Result, ensure};
use kube::ResourceExt;
use millwright_crds::{
    Dataset, TrainingJob,
    dataset::DatasetPhase,
    training_job::TrainingJobPhase,
    wire::sync::{SyncResult, VersionRecord},
};
use serde_json::json;

use super::{phase, run_manifest, status, uid};
use crate::{
    kubelet::{End, Kubelet},
    world::{World, scene},
};

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub async fn a_run_waits_for_its_data(world: &World) -> Result<()> {
    let scene = scene(world, "waits").await?;
    let kubelet = Kubelet(&scene);
    let inputs = json!({"inputs": [{"name": "train", "dataset": {"name": "flights"}}]});
    scene
        .apply_documents(&[run_manifest("run", &inputs)])
        .await?;
    let waits = status::<TrainingJob>(&scene, "run", "it says what it waits for", |status| {
        let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
        ready.is_some_and(|c| c.reason == "InputUnavailable" && c.message.contains("flights"))
    })
    .await?;
    ensure!(waits.phase == TrainingJobPhase::Pending, "{waits:?}");

    let dataset = json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": "Dataset", "metadata": {"name": "flights"},
        "spec": {"source": {"uri": "pvc://feed/"}, "format": {"type": "Csv"}},
    });
    scene.apply_documents(&[dataset]).await?;
    let sync = kubelet
        .pod(&uid::<Dataset>(&scene, "flights").await?, "sync", 1)
        .await?;
    kubelet.starts(&sync).await?;
    kubelet.ends(&sync, &End::well(&found())?).await?;
    let data = status::<Dataset>(&scene, "flights", "a version is current", |status| {
        status.phase == DatasetPhase::Ready
    })
    .await?;
    let current = data.current.context("Ready without a current version")?;
    ensure!(
        current.digest == DIGEST && current.version == "v1",
        "{current:?}"
    );

    let pod = kubelet
        .pod(&uid::<TrainingJob>(&scene, "run").await?, "training", 1)
        .await?;
    kubelet.starts(&pod).await?;
    let running = phase(&scene, "run", TrainingJobPhase::Running).await?;
    let resolved = running.resolved.unwrap_or_default().inputs;
    ensure!(
        resolved
            .iter()
            .any(|input| input.version == "v1" && input.digest == DIGEST),
        "the run of pod {} does not say what it is made from: {resolved:?}",
        pod.name_any()
    );
    scene.close().await
}

/// What a sync says that found one version.
pub fn found() -> SyncResult {
    SyncResult {
        v: 1,
        version: VersionRecord {
            number: 1,
            digest: DIGEST.into(),
            rows: 10,
            files: 1,
            bytes: 100,
            created_at: "2026-01-02T03:04:05Z".into(),
            failed: vec![],
        },
        current: Some("v1".into()),
        unchanged: false,
        profile: None,
        columns: vec![],
        column_count: 0,
    }
}
