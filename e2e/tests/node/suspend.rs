//! Runs that are suspended: while they train, and while they publish.

use anyhow::{Context as _, Result, ensure};
use millwright_crds::{
    TrainingJob, TrainingJobStatus,
    training_job::TrainingJobPhase::{self, Publishing, Succeeded, Suspended},
};
use millwright_e2e::scene::Scene;
use serde_json::json;

use crate::{
    failures::store_folder,
    trainer::{self, MODEL, run},
    world::World,
};

/// Says how far it is, for longer than the operator waits before it asks again.
const SLOW: &str = "
import os, time
with open(os.environ['MILLWRIGHT_MODEL_DIR'] + '/metrics.jsonl', 'w') as file:
    for second in range(20):
        file.write('{\"percent\": %d, \"loss\": %d}\\n' % (5 * second, 20 - second))
        file.flush()
        time.sleep(1)
";

pub async fn a_run_shows_its_progress_and_goes_on_after_a_suspend(world: &World) -> Result<()> {
    let scene = world.scene("progress").await?;
    let script = format!("{SLOW}{MODEL}");
    scene
        .apply_documents(&[run("run", &script, &json!({"model": "small"}))])
        .await?;
    let what = "status says how far the trainer is";
    let status = trainer::status(&scene, "run", what, |s| s.progress.is_some()).await?;
    let progress = status.progress.context("no progress")?;
    let percent = f64::from(progress.percent.context("no percent")?);
    ensure!(
        progress.metrics["loss"] == 20.0 - percent / 5.0,
        "{progress:?}"
    );
    suspend(&scene, true).await?;
    phase(&scene, Suspended).await?;
    suspend(&scene, false).await?;
    let end = phase(&scene, Succeeded).await?;
    ensure!((end.attempts, end.failures) == (2, 0), "{end:?}");
    scene.close().await
}

pub async fn a_suspend_waits_for_what_is_being_published(world: &World) -> Result<()> {
    let scene = world.scene("publishing").await?;
    // The first run makes the store.
    scene
        .apply_documents(&[run("first", MODEL, &json!({}))])
        .await?;
    let ended = |status: &TrainingJobStatus| status.phase == Succeeded;
    trainer::status(&scene, "first", "the first run has ended well", ended).await?;
    let blobs = store_folder(world, &scene).await?.join("blobs");
    let away = blobs.with_file_name("blobs-away");
    std::fs::rename(&blobs, &away).with_context(|| format!("move {}", blobs.display()))?;
    std::fs::write(&blobs, "a file where a folder should be")?;

    let spec = json!({"model": "small", "parameters": {"kind": "other"}});
    scene.apply_documents(&[run("run", MODEL, &spec)]).await?;
    // The trainer takes a moment, publishing lasts as long as the store is broken.
    let published = async {
        phase(&scene, Publishing).await?;
        suspend(&scene, true).await?;
        let what = "the run waits with the suspend";
        let waits = |status: &TrainingJobStatus| {
            let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
            ready.is_some_and(|c| c.message.contains("then the run is suspended"))
        };
        trainer::status(&scene, "run", what, waits).await
    }
    .await;
    std::fs::remove_file(&blobs)?;
    std::fs::rename(&away, &blobs)?;
    published?;
    phase(&scene, Suspended).await?;
    suspend(&scene, false).await?;
    let end = phase(&scene, Succeeded).await?;
    ensure!((end.attempts, end.failures) == (1, 0), "{end:?}");
    ensure!(end.model_version.as_deref() == Some("small-v1"), "{end:?}");
    scene.close().await
}

async fn suspend(scene: &Scene, suspend: bool) -> Result<()> {
    let patch = json!({"spec": {"suspend": suspend}});
    scene.merge::<TrainingJob>("run", &patch).await.map(drop)
}

async fn phase(scene: &Scene, phase: TrainingJobPhase) -> Result<TrainingJobStatus> {
    let what = format!("the run is {phase:?}");
    trainer::status(scene, "run", &what, |status| status.phase == phase).await
}
