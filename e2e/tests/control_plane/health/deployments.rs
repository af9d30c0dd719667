//! ModelDeployments, the ModelVersions that they serve, and RetrainPolicies.

use anyhow::Result;
use kube::core::object::HasStatus;
use millwright_crds::{
    ANNOTATION_RETRAIN, LABEL_STAGE, ModelDeployment, RetrainPolicy,
    model_deployment::ModelDeploymentPhase,
};
use serde_json::{Value, json};

use super::{DIGEST, SOON, Stage, pods_are_ready};
use crate::world::World;

/// The pods that serve of the deployment that gets far.
const SERVING: &str = "millwright.dev/owner-name=main,millwright.dev/role=serving";

/// Every way in which ModelDeployments, RetrainPolicies and versions that serve can stand, but for a
/// policy that cools down: that takes live traffic.
pub async fn deployments_and_policies(world: &World) -> Result<()> {
    let stage = Stage::new(world, "health-stages").await?;
    aside(&stage).await?;
    life(&stage).await?;
    policies(&stage).await?;
    stage.delete::<RetrainPolicy>("watches").await?;
    stage.delete::<ModelDeployment>("main").await?;
    stage.close().await
}

/// Deployments that don't get far.
async fn aside(stage: &Stage) -> Result<()> {
    let empty = json!({"model": {"name": "none", "track": "Latest"}});
    let paused = json!({"model": {"name": "none", "track": "Latest"}, "paused": true});
    let invalid = json!({"server": {"template": {"spec": {"containers": [
        {"name": "server", "image": "example/server:1", "comand": ["serve"]},
    ]}}}});
    for (name, changes) in [("empty", empty), ("paused", paused), ("invalid", invalid)] {
        stage
            .create("ModelDeployment", name, deployment(changes))
            .await?;
    }
    version(stage, 1, 9.0).await?;
    stage
        .saw(&[
            "modeldeployment-new",
            "modeldeployment-pending-unready",
            "modeldeployment-paused-suspended",
            "modeldeployment-stalled-unready-stalled",
            "modelversion-registered-ready",
        ])
        .await
}

/// A deployment from its first version on.
async fn life(stage: &Stage) -> Result<()> {
    let labels = format!("{SERVING},{LABEL_STAGE}=b");
    let ready = async |count| pods_are_ready(&stage.scene, &labels, count).await;
    let change = async |spec: Value| {
        let patch = json!({"spec": spec});
        stage.scene.merge::<ModelDeployment>("main", &patch).await
    };
    stage
        .create("ModelDeployment", "main", deployment(json!({})))
        .await?;
    rolls(stage, "modeldeployment-deploying-unready-reconciling").await?;
    rolls(stage, "modeldeployment-healthy-ready").await?;
    stage
        .saw(&[
            "modeldeployment-deploying-ready-reconciling",
            "modelversion-serving-ready",
        ])
        .await?;

    ready(1).await?;
    stage
        .saw(&["modeldeployment-degraded-ready-reconciling"])
        .await?;
    ready(0).await?;
    stage
        .saw(&["modeldeployment-degraded-unready-reconciling"])
        .await?;
    ready(2).await?;
    phase(stage, ModelDeploymentPhase::Healthy).await?;
    change(json!({"paused": true})).await?;
    stage
        .saw(&[
            "modeldeployment-changed",
            "modeldeployment-paused-ready-suspended",
        ])
        .await?;
    change(json!({"paused": false, "model": {"track": null, "version": 9}})).await?;
    stage.saw(&["modeldeployment-pending-ready"]).await?;

    let stages =
        json!([{"name": "a"}, {"name": "b", "replicas": 2, "gates": [quality(), smoke()]}]);
    change(json!({"model": {"track": "Latest", "version": null}, "stages": stages})).await?;
    phase(stage, ModelDeploymentPhase::Healthy).await?;
    version(stage, 2, 11.0).await?;
    rolls(stage, "modeldeployment-promoting-ready").await?;
    version(stage, 3, 20.0).await?;
    rolls(stage, "modeldeployment-rolledback-ready").await
}

/// Makes pods that serve ready as they come, until the deployment stands like this.
async fn rolls(stage: &Stage, standing: &str) -> Result<()> {
    let look = async || {
        pods_are_ready(&stage.scene, SERVING, usize::MAX).await?;
        Ok(stage.recorder.has(standing).then_some(()))
    };
    let what = format!("the deployment is {standing}");
    stage.scene.wait_until(&what, SOON, look).await
}

async fn phase(stage: &Stage, wanted: ModelDeploymentPhase) -> Result<()> {
    let look = |deployment: &ModelDeployment| {
        let phase = deployment.status().map(|status| status.phase);
        (phase == Some(wanted)).then_some(())
    };
    let what = format!("it is {wanted:?}");
    stage.scene.wait("main", &what, SOON, look).await
}

async fn policies(stage: &Stage) -> Result<()> {
    for (name, deployment, suspend) in [
        ("watches", "main", false),
        ("waits", "empty", false),
        ("stalled", "nowhere", false),
        ("suspended", "main", true),
    ] {
        stage
            .create("RetrainPolicy", name, policy(deployment, suspend))
            .await?;
    }
    stage
        .saw(&[
            "retrainpolicy-new",
            "retrainpolicy-watching-ready",
            "retrainpolicy-pending-unready",
            "retrainpolicy-stalled-unready-stalled",
            "retrainpolicy-suspended-suspended",
        ])
        .await?;
    let asked = json!({"metadata": {"annotations": {ANNOTATION_RETRAIN: "now"}}});
    stage
        .scene
        .merge::<RetrainPolicy>("watches", &asked)
        .await?;
    stage.saw(&["retrainpolicy-retraining-ready"]).await
}

/// Two stages; the second has two pods and takes no model that is more than 12 off.
fn deployment(changes: Value) -> Value {
    let mut spec = json!({
        "model": {"name": "small", "track": "Latest"},
        "server": {"template": {"spec": {"containers": [
            {"name": "server", "image": "example/server:1"},
        ]}}},
        "stages": [{"name": "a"}, {"name": "b", "replicas": 2, "gates": [quality()]}],
    });
    json_patch::merge(&mut spec, &changes);
    spec
}

fn quality() -> Value {
    json!({"name": "quality", "evaluation": {"metric": "mae", "limit": 12}})
}

fn smoke() -> Value {
    json!({"name": "smoke", "test": {"template": {"spec": {"containers": [
        {"name": "test", "image": "example/test:1"},
    ]}}}})
}

/// Registers a version by hand.
async fn version(stage: &Stage, number: u32, mae: f64) -> Result<()> {
    let spec = json!({
        "model": "small", "version": number,
        "artifact": {"digest": format!("sha256:{number:064x}"), "bytes": 10, "files": 1},
        "evaluation": {
            "dataset": "flights", "version": "v1", "digest": DIGEST, "metrics": {"mae": mae},
        },
        "lineage": {},
    });
    stage
        .create("ModelVersion", &format!("small-v{number}"), spec)
        .await
}

fn policy(deployment: &str, suspend: bool) -> Value {
    json!({
        "deployment": {"name": deployment, "stage": "b"},
        "triggers": [{"name": "quality", "quality": {"metric": "mae", "limit": {"value": 12}}}],
        "evaluate": {"interval": "1s"},
        "suspend": suspend,
        "template": {"spec": {
            "model": "small",
            "template": {"spec": {"containers": [
                {"name": "trainer", "image": "example/trainer:1", "command": ["train"]},
            ]}},
        }},
    })
}
