//! Runs that fail, and runs that recover.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::{ResourceExt, api::ListParams};
use millwright_crds::{
    LABEL_NAME, TrainingJobStatus,
    training_job::{Failure, FailureReason, TrainingJobPhase},
};
use millwright_e2e::scene::Scene;
use serde_json::{Value, json};

use crate::{
    trainer::{self, MODEL, run},
    world::World,
};

pub async fn out_of_memory(world: &World) -> Result<()> {
    let script = "
parts = []
while True:
    parts.append(b'x' * (8 << 20))
";
    let failure = fails(world, "oom", script, json!({})).await?;
    ensure!(
        failure.reason == FailureReason::OOMKilled
            && failure.message.contains("memory limit")
            && failure.container.as_deref() == Some("trainer"),
        "{failure:?}"
    );
    Ok(())
}

pub async fn exit_code(world: &World) -> Result<()> {
    let script = "
import sys
print('reading 12 files')
sys.exit(print('no such column: dep_delay', file=sys.stderr) or 3)
";
    let failure = fails(world, "exit-code", script, json!({})).await?;
    let log = failure.log.as_deref().unwrap_or_default();
    ensure!(
        failure.reason == FailureReason::ExitCode
            && failure.exit_code == Some(3)
            && log.contains("no such column: dep_delay")
            && log.contains("reading 12 files"),
        "{failure:?}"
    );
    Ok(())
}

/// Why a run of this script fails; its conditions say the same.
async fn fails(world: &World, namespace: &str, script: &str, spec: Value) -> Result<Failure> {
    let scene = world.scene(namespace).await?;
    scene.apply_documents(&[run("run", script, &spec)]).await?;
    let status = phase(&scene, TrainingJobPhase::Failed).await?;
    let failure = status.failure.context("a failed run says no failure")?;
    let word = format!("{:?}", failure.reason);
    for kind in ["Failed", "Stalled"] {
        let condition = status.conditions.iter().find(|c| c.type_ == kind);
        let condition = condition.with_context(|| format!("there is no condition {kind}"))?;
        ensure!(
            condition.status == "True" && condition.reason == word,
            "{condition:?}"
        );
    }
    scene.close().await?;
    Ok(failure)
}

async fn phase(scene: &Scene, phase: TrainingJobPhase) -> Result<TrainingJobStatus> {
    let what = format!("the run is {phase:?}");
    trainer::status(scene, "run", &what, |status| status.phase == phase).await
}

pub async fn wrong_image(world: &World) -> Result<()> {
    let scene = world.scene("wrong-image").await?;
    let image = "localhost/millwright/no-such-trainer:dev";
    let container = trainer::pod("trainer", json!({"image": image, "command": ["train"]}));
    let spec = json!({"template": {"spec": container}});
    scene.apply_documents(&[run("run", MODEL, &spec)]).await?;
    let what = "status names the image that can't be pulled";
    let status = trainer::status(&scene, "run", what, |status| {
        let failure = status.failure.as_ref();
        failure.is_some_and(|failure| failure.reason == FailureReason::ImagePull)
    })
    .await?;
    // Registries come back: the run is not over, but says what is wrong.
    ensure!(status.phase == TrainingJobPhase::Preparing, "{status:?}");
    let message = status
        .failure
        .map(|failure| failure.message)
        .unwrap_or_default();
    ensure!(message.contains(image), "{image} is not in: {message}");
    scene.close().await
}

pub async fn a_deleted_pod_is_replaced(world: &World) -> Result<()> {
    let scene = world.scene("pod-deleted").await?;
    let script = format!("import time\ntime.sleep(6)\n{MODEL}");
    // Long enough between the attempts to see what status says of the first.
    let spec = json!({"model": "small", "retry": {"limit": 1, "backoff": {"initial": "8s"}}});
    scene.apply_documents(&[run("run", &script, &spec)]).await?;
    phase(&scene, TrainingJobPhase::Running).await?;
    let pods = ListParams::default().labels(&format!("{LABEL_NAME}=run"));
    let pod = scene.api::<Pod>().list(&pods).await?.items.pop();
    scene
        .delete::<Pod>(&pod.context("a running run has no pod")?.name_any())
        .await?;
    let what = "status says that the pod was deleted";
    trainer::status(&scene, "run", what, |status| {
        let failure = status.failure.as_ref();
        failure.is_some_and(|failure| failure.reason == FailureReason::PodDeleted)
    })
    .await?;
    let end = phase(&scene, TrainingJobPhase::Succeeded).await?;
    ensure!(end.attempts == 2 && end.failure.is_none(), "{end:?}");
    ensure!(end.model_version.as_deref() == Some("small-v1"), "{end:?}");
    scene.close().await
}

pub async fn an_upload_fails_and_recovers(world: &World) -> Result<()> {
    let scene = world.scene("upload").await?;
    // The first run makes the store.
    scene
        .apply_documents(&[run("first", MODEL, &json!({"model": "small"}))])
        .await?;
    let what = "the first run has ended well";
    trainer::status(&scene, "first", what, |status| {
        status.phase == TrainingJobPhase::Succeeded
    })
    .await?;
    let store = store_folder(world, &scene).await?;
    let (blobs, away) = (store.join("blobs"), store.join("blobs-away"));
    std::fs::rename(&blobs, &away).with_context(|| format!("move {}", blobs.display()))?;
    std::fs::write(&blobs, "a file where a folder should be")?;

    let spec = json!({
        "model": "small", "parameters": {"kind": "other"},
        "retry": {"limit": 1}, "output": {"publishTimeout": "3s"},
    });
    scene.apply_documents(&[run("run", MODEL, &spec)]).await?;
    let what = "status says that the upload failed";
    let status = trainer::status(&scene, "run", what, |status| {
        let failure = status.failure.as_ref();
        failure.is_some_and(|failure| failure.reason == FailureReason::PublishFailed)
    })
    .await;
    std::fs::remove_file(&blobs)?;
    std::fs::rename(&away, &blobs)?;
    let message = status?
        .failure
        .map(|failure| failure.message)
        .unwrap_or_default();
    ensure!(message.contains("artifact store"), "{message}");
    let end = phase(&scene, TrainingJobPhase::Succeeded).await?;
    ensure!(end.attempts == 2 && end.failures == 1, "{end:?}");
    ensure!(end.model_version.as_deref() == Some("small-v2"), "{end:?}");
    scene.close().await
}

/// The folder of this machine that a namespace's artifact store is in.
pub async fn store_folder(world: &World, scene: &Scene) -> Result<PathBuf> {
    let claim: PersistentVolumeClaim = scene.get("millwright-artifacts").await?;
    let volume = claim.spec.and_then(|spec| spec.volume_name);
    let volume = volume.context("the store's claim has no volume")?;
    Ok(world.node().await?.cluster.volume(&volume))
}
