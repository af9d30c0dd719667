//! Everything that planners build is accepted as it is, and writing it twice changes nothing.
//!
//! No builder is called by its name: each test leads a planner through the life of an object, stores
//! what it wants to write, and compares what was built with a list, so that a new child is seen.

mod dataset;
mod model_deployment;
mod retrain_policy;
mod training_job;
mod writer;

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use kube::ResourceExt;
use millwright_crds::LABEL_ROLE;
use millwright_e2e::{
    apply,
    scene::{Kind, Scene},
    suite::Test,
};
use millwright_plan::{
    Settings,
    observed::{JobPhase, JobState, LABEL_JOB, PodState},
    settings::AgentResources,
};
use serde_json::{Value, json};

use crate::world::World;

/// The builders' tests.
pub fn tests() -> Vec<Test<World>> {
    macro_rules! test {
        ($module:ident) => {
            Test::new(
                concat!("builders::", stringify!($module)),
                |world: Arc<World>| async move { $module::write_twice(&world).await },
            )
        };
    }
    vec![
        test!(dataset),
        test!(training_job),
        test!(model_deployment),
        test!(retrain_policy),
    ]
}

/// Settings as the chart's defaults make them.
fn settings() -> Result<Settings> {
    let store = "pvc://millwright-artifacts/".parse();
    Ok(Settings {
        agent_image: "example/agent:1".into(),
        agent_pull_policy: "IfNotPresent".into(),
        store: store.map_err(anyhow::Error::msg)?,
        agent_resources: AgentResources::default(),
    })
}

/// Stores the first document of a valid manifest and returns it as the API server has it.
async fn store<K: Kind>(scene: &Scene, manifest: &str) -> Result<K> {
    let mut document = apply::parse(manifest)?.swap_remove(0);
    if let Some(fields) = document.as_object_mut() {
        fields.remove("status");
    }
    let stored = scene.apply_documents(&[document]).await?;
    let stored = stored.first().context("nothing was stored")?;
    scene.get(&stored.name_any()).await
}

/// A Job that ended well a second ago.
fn complete(mut job: JobState) -> JobState {
    job.phase = JobPhase::Complete;
    job.finished = job.created;
    job
}

/// The pod of a Job whose container ended well with this message.
fn ended_pod(job: &JobState, message: &impl serde::Serialize) -> Result<PodState> {
    let pod: Value = json!({
        "metadata": {"name": format!("{}-0", job.name), "uid": format!("pod-{}", job.uid)},
        "status": {"phase": "Succeeded", "containerStatuses": [{
            "name": "main", "image": "i", "imageID": "i", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 0, "message": serde_json::to_string(message)?}},
        }]},
    });
    let pod: k8s_openapi::api::core::v1::Pod = serde_json::from_value(pod)?;
    let mut pod = PodState::from(&pod);
    pod.labels = job.labels.with(LABEL_JOB, &job.uid);
    Ok(pod)
}

/// The Job of a role.
fn job_of(jobs: &[JobState], role: &str) -> Result<JobState> {
    let job = jobs.iter().find(|job| job.label(LABEL_ROLE) == Some(role));
    job.cloned()
        .with_context(|| format!("there is no Job with the role {role}"))
}

/// A planner that plans twice from the same must want the same.
fn ensure_same<P: PartialEq + std::fmt::Debug>(plan: impl Fn() -> P) -> Result<P> {
    let (one, two) = (plan(), plan());
    ensure!(one == two, "planning twice gives {one:?} and {two:?}");
    Ok(one)
}
