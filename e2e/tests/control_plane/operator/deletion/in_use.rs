//! Deleting what something else was made from, and objects that somebody keeps from going.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use kube::{ResourceExt, api::ListParams};
use millwright_crds::{
    Dataset, LABEL_OWNER, ModelDeployment, ModelVersion, TrainingJob,
    model_deployment::ModelDeploymentPhase, training_job::TrainingJobPhase,
};
use millwright_e2e::{scene::Scene, wait::never};
use serde_json::json;

use super::{
    super::{data::found, phase, run_manifest, status, uid},
    cases::{manifest, result},
};
use crate::{
    kubelet::{End, Kubelet},
    world::{World, scene},
};

/// How long something that must not happen is looked for.
const NEVER: Duration = Duration::from_secs(3);

/// A run goes on with the digests that it has resolved, even after it was suspended.
pub async fn a_dataset(world: &World) -> Result<()> {
    let scene = scene(world, "used-data").await?;
    let kubelet = Kubelet(&scene);
    let inputs = json!({"inputs": [{"name": "train", "dataset": {"name": "ds-ready"}}]});
    let dataset = manifest("Dataset", "ds-ready").context("no manifest")?;
    scene
        .apply_documents(&[dataset, run_manifest("run", &inputs)])
        .await?;
    let sync = kubelet
        .pod(&uid::<Dataset>(&scene, "ds-ready").await?, "sync", 1)
        .await?;
    kubelet.starts(&sync).await?;
    kubelet.ends(&sync, &End::well(&found())?).await?;
    let owner = uid::<TrainingJob>(&scene, "run").await?;
    let pod = kubelet.pod(&owner, "training", 1).await?;
    kubelet.starts(&pod).await?;
    let running = phase(&scene, "run", TrainingJobPhase::Running).await?;
    let before = running.resolved.context("nothing is resolved")?.inputs;

    scene.delete::<Dataset>("ds-ready").await?;
    for suspend in [true, false] {
        let change = json!({"spec": {"suspend": suspend}});
        scene.merge::<TrainingJob>("run", &change).await?;
        if suspend {
            phase(&scene, "run", TrainingJobPhase::Suspended).await?;
        }
    }
    kubelet.finds_nothing(&owner, 1).await?;
    let pod = kubelet.pod(&owner, "training", 2).await?;
    kubelet.starts(&pod).await?;
    kubelet.ends(&pod, &End::well(&result())?).await?;
    let ended = phase(&scene, "run", TrainingJobPhase::Succeeded).await?;
    let name = ended.model_version.context("nothing was registered")?;
    let version: ModelVersion = scene.get(&name).await?;
    ensure!(
        version.spec.lineage.inputs == before && !before.is_empty(),
        "made from {:?}, not from {before:?}",
        version.spec.lineage.inputs
    );
    scene.close().await
}

/// A stage serves on what it has, and says that the record is gone.
pub async fn a_model_version(world: &World) -> Result<()> {
    let scene = scene(world, "used-version").await?;
    let kubelet = Kubelet(&scene);
    let manifests = [
        ("ModelVersion", "served-v1"),
        ("ModelDeployment", "md-healthy"),
    ];
    let manifests: Vec<_> = manifests
        .iter()
        .filter_map(|(kind, name)| manifest(kind, name))
        .collect();
    scene.apply_documents(&manifests).await?;
    let owner = uid::<ModelDeployment>(&scene, "md-healthy").await?;
    let pod = kubelet.server(&owner, "serving").await?;
    kubelet.serves(&pod).await?;
    status::<ModelDeployment>(&scene, "md-healthy", "it serves", |status| {
        status.phase == ModelDeploymentPhase::Healthy
    })
    .await?;
    scene.delete::<ModelVersion>("served-v1").await?;
    let after = status::<ModelDeployment>(&scene, "md-healthy", "it says so", |status| {
        let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
        ready.is_some_and(|ready| {
            ready.status == "True" && ready.message.contains("served-v1 was deleted")
        })
    })
    .await?;
    ensure!(after.phase == ModelDeploymentPhase::Healthy, "{after:?}");
    let now = kubelet.server(&owner, "serving").await?;
    ensure!(now.uid() == pod.uid(), "its pods were replaced");
    scene.close().await
}

/// What somebody's finalizer keeps gets no new children, and its status stays as it is.
pub async fn kept_by_a_finalizer(world: &World) -> Result<()> {
    let scene = scene(world, "kept").await?;
    let kubelet = Kubelet(&scene);
    let retry = json!({"retry": {"limit": 3, "backoff": {"initial": "1s"}}});
    let mut run = run_manifest("run", &retry);
    run["metadata"]["finalizers"] = json!(["example.com/keep"]);
    let mut dataset = manifest("Dataset", "ds-ready").context("no manifest")?;
    dataset["metadata"]["finalizers"] = json!(["example.com/keep"]);
    scene.apply_documents(&[run, dataset]).await?;
    let owner = uid::<TrainingJob>(&scene, "run").await?;
    let pod = kubelet.pod(&owner, "training", 1).await?;
    kubelet.starts(&pod).await?;
    phase(&scene, "run", TrainingJobPhase::Running).await?;
    let syncs = uid::<Dataset>(&scene, "ds-ready").await?;
    let sync = kubelet.pod(&syncs, "sync", 1).await?;

    scene.delete::<TrainingJob>("run").await?;
    scene.delete::<Dataset>("ds-ready").await?;
    let version = resource_version(&scene).await?;
    // Both would start another Job now.
    kubelet.ends(&pod, &End::badly(3, "no such column")).await?;
    kubelet.starts(&sync).await?;
    kubelet
        .ends(&sync, &End::badly(1, "no such folder"))
        .await?;
    never("a new Job or a new status", NEVER, async || {
        let params = ListParams::default().labels(&format!("{LABEL_OWNER} in ({owner},{syncs})"));
        let jobs = scene.api::<Job>().list_metadata(&params).await?.items.len();
        let now = resource_version(&scene).await?;
        Ok((jobs > 2 || now != version).then_some((jobs, now)))
    })
    .await?;
    let free = json!({"metadata": {"finalizers": null}});
    scene.merge::<TrainingJob>("run", &free).await?;
    scene.merge::<Dataset>("ds-ready", &free).await?;
    scene.close().await
}

async fn resource_version(scene: &Scene) -> Result<[Option<String>; 2]> {
    Ok([
        scene.get::<TrainingJob>("run").await?.resource_version(),
        scene.get::<Dataset>("ds-ready").await?.resource_version(),
    ])
}
