//! What a ModelDeployment's planner builds.

use anyhow::{Result, bail, ensure};
use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job, core::v1::Service};
use kube::ResourceExt;
use millwright_crds::{ModelDeployment, ModelVersion, model_deployment::ModelDeploymentPhase};
use millwright_e2e::scene::Scene;
use millwright_plan::{
    model_deployment::{FIELD_MANAGER, Observed, plan},
    observed::DeploymentState,
};

use super::{complete, ensure_same, settings, store, writer::Writer};
use crate::world::World;

const MANIFEST: &str = include_str!("../valid/model-deployment.yaml");
const VERSION: &str = include_str!("../valid/model-version.yaml");
/// More passes than a version needs to get through two stages.
const PASSES: usize = 20;

/// Everything that a version needs on its way through two stages and their gates, twice.
pub async fn write_twice(world: &World) -> Result<()> {
    let scene = Scene::new(world.bare().await?.client(), "builders-stages", None).await?;
    let object: ModelDeployment = store(&scene, MANIFEST).await?;
    let version: ModelVersion = store(&scene, VERSION).await?;
    let owner = object.uid().unwrap_or_default();
    let settings = settings()?;
    let mut writer = Writer::new(&scene, FIELD_MANAGER);
    let mut seen = Observed {
        object,
        versions: vec![version],
        deployments: vec![],
        services: vec![],
        jobs: vec![],
        pods: vec![],
        store_claim: false,
        foreign: vec![],
    };
    for _ in 0..PASSES {
        let next = ensure_same(|| plan(&seen, &settings, Timestamp::UNIX_EPOCH))?;
        writer.write(&next.operations).await?;
        let healthy = next.status.phase == ModelDeploymentPhase::Healthy;
        if healthy && next.operations.is_empty() {
            let expected = [
                "apply Deployment serving",
                "apply Service serving",
                "create Job gate",
                "create PersistentVolumeClaim store",
                "delete Job",
            ];
            ensure!(
                writer.written() == expected,
                "written: {:#?}",
                writer.written()
            );
            return Ok(());
        }
        seen.object.status = Some(next.status);
        seen.store_claim = true;
        let deployments = writer.children::<Deployment, _>(&owner).await?;
        seen.deployments = deployments.into_iter().map(serving).collect();
        seen.services = writer.children::<Service, _>(&owner).await?;
        let jobs = writer.children::<Job, _>(&owner).await?;
        seen.jobs = jobs.into_iter().map(complete).collect();
    }
    bail!("it doesn't come to an end: {:#?}", seen.object.status)
}

/// A Deployment whose pods all serve.
fn serving(mut deployment: DeploymentState) -> DeploymentState {
    deployment.observed = true;
    deployment.updated = deployment.replicas;
    deployment.total = deployment.replicas;
    deployment.available = deployment.replicas;
    deployment
}
