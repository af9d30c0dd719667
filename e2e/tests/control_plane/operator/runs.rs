//! Runs that are stopped, fail and are tried again.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use millwright_crds::{
    TrainingJob,
    training_job::{FailureReason, TrainingJobPhase},
};
use serde_json::json;

use super::{SOON, phase, run_manifest, status, uid};
use crate::{
    commands::Commands,
    kubelet::{End, Kubelet},
    world::{World, scene},
};

pub async fn suspend_stops_and_resumes(world: &World) -> Result<()> {
    let scene = scene(world, "suspend").await?;
    let kubelet = Kubelet(&scene);
    scene
        .apply_documents(&[run_manifest("run", &json!({}))])
        .await?;
    let owner = uid::<TrainingJob>(&scene, "run").await?;
    let first = kubelet.pod(&owner, "training", 1).await?;
    kubelet.starts(&first).await?;
    phase(&scene, "run", TrainingJobPhase::Running).await?;

    scene
        .merge::<TrainingJob>("run", &json!({"spec": {"suspend": true}}))
        .await?;
    phase(&scene, "run", TrainingJobPhase::Suspended).await?;
    let pods = scene.api::<Pod>();
    let name = first.name_any();
    scene
        .wait_until("the pod is deleted", SOON, async || {
            let pod = pods.get_opt(&name).await?;
            let gone = pod.is_none_or(|pod| pod.metadata.deletion_timestamp.is_some());
            Ok(gone.then_some(()))
        })
        .await?;

    scene
        .merge::<TrainingJob>("run", &json!({"spec": {"suspend": false}}))
        .await?;
    kubelet.finds_nothing(&owner, 1).await?;
    let second = kubelet.pod(&owner, "training", 2).await?;
    kubelet.starts(&second).await?;
    let running = phase(&scene, "run", TrainingJobPhase::Running).await?;
    ensure!(
        running.attempts == 2 && running.failures == 0,
        "{running:?}"
    );
    scene.close().await
}

pub async fn a_failure_is_tried_again(world: &World) -> Result<()> {
    let scene = scene(world, "retry").await?;
    let kubelet = Kubelet(&scene);
    let retry = json!({"retry": {"limit": 1, "backoff": {"initial": "1s"}}});
    scene
        .apply_documents(&[run_manifest("run", &retry)])
        .await?;
    let owner = uid::<TrainingJob>(&scene, "run").await?;
    for attempt in [1, 2] {
        let pod = kubelet.pod(&owner, "training", attempt).await?;
        kubelet.starts(&pod).await?;
        kubelet
            .ends(&pod, &End::badly(3, "no such column: dep_delay\n"))
            .await?;
    }
    let failed = phase(&scene, "run", TrainingJobPhase::Failed).await?;
    ensure!((failed.attempts, failed.failures) == (2, 2), "{failed:?}");
    let is = |kind: &str| {
        failed
            .conditions
            .iter()
            .any(|c| c.type_ == kind && c.status == "True")
    };
    ensure!(is("Failed") && is("Stalled"), "{:?}", failed.conditions);
    let failure = failed
        .failure
        .unwrap_or_else(|| unreachable!("a failed run has a failure"));
    ensure!(
        failure.reason == FailureReason::ExitCode
            && failure.exit_code == Some(3)
            && failure.container.as_deref() == Some("trainer")
            && failure
                .log
                .as_deref()
                .is_some_and(|log| log.contains("dep_delay")),
        "{failure:?}"
    );
    let commands = Commands {
        cluster: &world.managed().await?.cluster,
        namespace: scene.namespace(),
    };
    commands.show_a_failure("run").await?;
    scene.close().await
}

pub async fn an_eviction_is_no_failure(world: &World) -> Result<()> {
    let scene = scene(world, "evicted").await?;
    let kubelet = Kubelet(&scene);
    let retry = json!({"retry": {"limit": 0, "backoff": {"initial": "1s"}}});
    scene
        .apply_documents(&[run_manifest("run", &retry)])
        .await?;
    let owner = uid::<TrainingJob>(&scene, "run").await?;
    let pod = kubelet.pod(&owner, "training", 1).await?;
    kubelet.starts(&pod).await?;
    kubelet.evicts(&pod).await?;
    let pod = kubelet.pod(&owner, "training", 2).await?;
    kubelet.starts(&pod).await?;
    let again = status::<TrainingJob>(&scene, "run", "the second attempt runs", |status| {
        status.phase == TrainingJobPhase::Running && status.attempts == 2
    })
    .await?;
    ensure!(again.failures == 0, "{again:?}");
    scene.close().await
}
