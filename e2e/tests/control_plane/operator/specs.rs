//! Specs that can't work, although the API server takes them.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Event;
use kube::api::{ApiResource, ListParams, Patch, PatchParams};
use millwright_crds::training_job::{FailureReason, TrainingJobPhase};
use millwright_e2e::apply;
use serde_json::{Value, json};

use super::{SOON, phase, run_manifest, uid};
use crate::{
    kubelet::Kubelet,
    world::{World, scene},
};
use millwright_crds::TrainingJob;

pub async fn a_misspelt_field_is_named(world: &World) -> Result<()> {
    let container = json!({"name": "trainer", "image": "i", "comand": ["train"]});
    let field = "spec.template.spec.containers[0].comand";
    fails(
        world,
        "misspelt",
        json!({"template": {"spec": {"containers": [container]}}}),
        field,
    )
    .await
}

pub async fn an_unknown_parameter_is_named(world: &World) -> Result<()> {
    let container =
        json!({"name": "trainer", "image": "i", "command": ["train"], "args": ["$(params.trees)"]});
    let spec = json!({
        "parameters": {"leaves": "3"}, "template": {"spec": {"containers": [container]}},
    });
    fails(
        world,
        "parameter",
        spec,
        "spec.template.spec.containers[0].args[0]",
    )
    .await
}

async fn fails(world: &World, namespace: &str, spec: Value, field: &str) -> Result<()> {
    let scene = scene(world, namespace).await?;
    scene.apply_documents(&[run_manifest("run", &spec)]).await?;
    let status = phase(&scene, "run", TrainingJobPhase::Failed).await?;
    let failure = status
        .failure
        .unwrap_or_else(|| unreachable!("a failed run has a failure"));
    ensure!(failure.reason == FailureReason::InvalidSpec, "{failure:?}");
    ensure!(
        failure.message.contains(field),
        "{field} is not in: {}",
        failure.message
    );
    let reasons: Vec<_> = status
        .conditions
        .iter()
        .map(|c| c.reason.as_str())
        .collect();
    ensure!(
        reasons.iter().all(|reason| *reason == "InvalidSpec"),
        "conditions say {reasons:?}"
    );
    scene.close().await
}

pub async fn one_bad_object_does_not_stop_others(world: &World) -> Result<()> {
    let scene = scene(world, "one-bad").await?;
    let bad = json!({"template": {"spec": {"containers": [{"name": "a", "image": 1}]}}});
    let good = run_manifest("good", &json!({}));
    scene
        .apply_documents(&[run_manifest("bad", &bad), good])
        .await?;
    let owner = uid::<TrainingJob>(&scene, "good").await?;
    let kubelet = Kubelet(&scene);
    let pod = kubelet.pod(&owner, "training", 1).await?;
    kubelet.starts(&pod).await?;
    phase(&scene, "good", TrainingJobPhase::Running).await?;
    phase(&scene, "bad", TrainingJobPhase::Failed).await?;
    scene.close().await
}

pub async fn an_object_that_cannot_be_read_is_told_in_an_event(world: &World) -> Result<()> {
    let scene = scene(world, "unreadable").await?;
    scene
        .apply_documents(&[run_manifest("run", &json!({"suspend": true}))])
        .await?;
    phase(&scene, "run", TrainingJobPhase::Suspended).await?;
    // The API server takes any whole number here, the operator only those of 32 bits.
    let attempts = async |number: u64| {
        let resource = ApiResource::erase::<TrainingJob>(&());
        let patch = Patch::Merge(json!({"status": {"attempts": number}}));
        apply::api(scene.client(), Some(scene.namespace()), &resource)
            .patch_status("run", &PatchParams::default(), &patch)
            .await
            .map_err(apply::refusal)
    };
    attempts(5_000_000_000).await?;
    let events = scene.api::<Event>();
    let told = async || {
        let list = events.list(&ListParams::default()).await?;
        let told = list.iter().any(|event| {
            event.reason.as_deref() == Some("Unreadable")
                && event
                    .message
                    .as_deref()
                    .unwrap_or_default()
                    .contains("5000000000")
        });
        Ok(told.then_some(()))
    };
    scene
        .wait_until("an Event says that the run can't be read", SOON, told)
        .await?;
    attempts(0).await?;
    scene.close().await
}
