//! The whole loop in a namespace: from data to a second model in production.

use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::core::object::HasStatus;
use millwright_crds::{
    Dataset, ModelDeployment, ModelVersion, RetrainPolicy, TrainingJob,
    dataset::DatasetPhase,
    model_deployment::ModelDeploymentPhase,
    retrain_policy::{RetrainPolicyPhase, RunOutcome},
    training_job::TrainingJobPhase,
};
use millwright_e2e::scene::{Kind, Scene};
use serde_json::{Value, json};

use super::{gateway, node::Node};

/// Name of the run that people start.
pub const FIRST: &str = "first";
/// Longest time for a step, with a restart of the operator in it, on a busy machine.
const STEP: Duration = Duration::from_secs(90);

/// Leads through the loop. Every step waits until the operator has done what follows from the one
/// before.
///
/// # Errors
/// When a step doesn't come to its end.
pub async fn tell(scene: &Scene, node: &Node, port: u16) -> Result<()> {
    let story = Story(scene);
    story.apply(dataset()).await?;
    story
        .wait::<Dataset>("flights", "a version is current", |status| {
            status.phase == DatasetPhase::Ready
        })
        .await?;
    story
        .apply(json!({
            "apiVersion": "millwright.dev/v1alpha1", "kind": "TrainingJob",
            "metadata": {"name": FIRST}, "spec": run(),
        }))
        .await?;
    story
        .wait::<TrainingJob>(FIRST, "the first run has ended well", |status| {
            status.phase == TrainingJobPhase::Succeeded
        })
        .await?;
    story.apply(deployment(port)).await?;
    story.serves(1).await?;
    story.apply(policy()).await?;
    story
        .wait::<RetrainPolicy>("delay", "it watches", |status| {
            status.phase == RetrainPolicyPhase::Watching && status.version == Some(1)
        })
        .await?;
    gateway::predict_badly(&node.gateway("production")?, "delay").await?;
    story.serves(2).await?;
    story
        .wait::<RetrainPolicy>("delay", "it watches the second model", |status| {
            let last = status.last_run.as_ref();
            status.phase == RetrainPolicyPhase::Watching
                && status.version == Some(2)
                && last.is_some_and(|run| run.outcome == Some(RunOutcome::Succeeded))
        })
        .await?;
    story
        .wait::<ModelVersion>("delay-v2", "it says where it serves", |status| {
            status.running.len() == 2
        })
        .await
}

struct Story<'a>(&'a Scene);

impl Story<'_> {
    async fn apply(&self, document: Value) -> Result<()> {
        self.0.apply_documents(&[document]).await.map(drop)
    }

    async fn wait<K>(
        &self,
        name: &str,
        what: &str,
        is_right: impl Fn(&K::Status) -> bool,
    ) -> Result<()>
    where
        K: Kind + HasStatus,
    {
        let look = |object: &K| object.status().is_some_and(&is_right).then_some(());
        self.0.wait(name, what, STEP, look).await
    }

    async fn serves(&self, version: u32) -> Result<()> {
        let what = format!("v{version} is in production");
        self.wait::<ModelDeployment>("delay", &what, |status| {
            let current = status
                .stages
                .last()
                .and_then(|stage| stage.current.as_ref());
            status.phase == ModelDeploymentPhase::Healthy
                && current.is_some_and(|current| current.version == version)
        })
        .await
        .with_context(|| what)
    }
}

fn pod(container: &str) -> Value {
    let image = format!("example/{container}:1");
    json!({"spec": {"containers": [{"name": container, "image": image, "command": [container]}]}})
}

fn dataset() -> Value {
    json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": "Dataset", "metadata": {"name": "flights"},
        "spec": {"source": {"uri": "pvc://feed/"}, "format": {"type": "Csv"}},
    })
}

fn run() -> Value {
    json!({
        "model": "delay",
        "inputs": [{"name": "train", "dataset": {"name": "flights"}}],
        "template": pod("trainer"),
        "evaluation": {
            "dataset": {"name": "flights"}, "against": "Champion", "template": pod("evaluator"),
        },
        "objective": {"metric": "mae"},
    })
}

fn deployment(port: u16) -> Value {
    let better = json!({"metric": "mae", "limit": 12, "minImprovement": 0});
    json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": "ModelDeployment",
        "metadata": {"name": "delay"},
        "spec": {
            "model": {"name": "delay", "track": "Latest"},
            "server": {"protocol": "OpenInference", "port": port, "template": pod("server")},
            "stages": [
                {"name": "staging", "replicas": 1},
                {"name": "production", "replicas": 1, "gates": [
                    {"name": "quality", "evaluation": better},
                    {"name": "smoke", "test": {"template": pod("test")}},
                ]},
            ],
            "monitoring": {
                "task": "Regression", "window": "5s", "retain": 100, "feedback": {"horizon": "7m"},
            },
        },
    })
}

fn policy() -> Value {
    json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": "RetrainPolicy",
        "metadata": {"name": "delay"},
        "spec": {
            "deployment": {"name": "delay", "stage": "production"},
            "triggers": [{
                "name": "quality", "quality": {"metric": "mae", "limit": {"value": 12}, "minLabels": 1},
            }],
            "evaluate": {"interval": "1s", "breaches": 1, "of": 1},
            "template": {"spec": run()},
        },
    })
}
