//! What a RetrainPolicy's planner builds.

use anyhow::{Result, ensure};
use jiff::Timestamp;
use millwright_crds::{ANNOTATION_RETRAIN, ModelDeployment, RetrainPolicy};
use millwright_e2e::{apply, scene::Scene};
use millwright_plan::retrain_policy::{Observed, plan};
use serde_json::json;

use super::{ensure_same, settings, store, writer::Writer};
use crate::world::World;

const MANIFEST: &str = include_str!("../valid/retrain-policy.yaml");
const DEPLOYMENT: &str = include_str!("../valid/model-deployment.yaml");

/// The run that a person asks for, twice.
pub async fn write_twice(world: &World) -> Result<()> {
    let scene = Scene::new(world.bare().await?.client(), "builders-policy", None).await?;
    let mut deployment = apply::parse(DEPLOYMENT)?.swap_remove(0);
    deployment["status"]["stages"][0]["name"] = "production".into();
    let deployment: ModelDeployment = serde_json::from_value(deployment)?;
    store::<RetrainPolicy>(&scene, MANIFEST).await?;
    let asked = json!({"metadata": {"annotations": {ANNOTATION_RETRAIN: "now"}}});
    let seen = Observed {
        object: scene.merge("monthly", &asked).await?,
        deployment: Some(deployment),
        version: None,
        runs: vec![],
        profiles: vec![],
        silent: vec![],
    };
    let settings = settings()?;
    let next = ensure_same(|| plan(&seen, &settings, Timestamp::UNIX_EPOCH))?;
    let mut writer = Writer::new(&scene, "millwright-retrainpolicy");
    writer.write(&next.operations).await?;
    ensure!(
        writer.written() == ["create TrainingJob run"],
        "written: {:#?}",
        writer.written()
    );
    Ok(())
}
