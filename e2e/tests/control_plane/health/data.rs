//! Datasets, TrainingJobs, and the Model that a run registers.

use anyhow::Result;
use k8s_openapi::{
    api::{batch::v1::Job, core::v1::Pod},
    jiff::Timestamp,
};
use kube::{
    ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams},
};
use millwright_crds::{
    ANNOTATION_REFRESH, Dataset, LABEL_OWNER, Model, ModelVersion, TrainingJob,
    dataset::FailedExpectation,
    training_job::TrainingJobPhase,
    wire::{attempt::AttemptResult, evaluation::EvaluationReport, sync::SyncResult},
};
use serde_json::{Value, json};

use super::{DIGEST, SOON, Stage};
use crate::{
    kubelet::{End, Kubelet},
    operator::data,
    world::World,
};

/// Every way in which Datasets, TrainingJobs, Models and ModelVersions that serve nowhere can stand.
pub async fn data_and_runs(world: &World) -> Result<()> {
    let stage = Stage::new(world, "health-data").await?;
    datasets(&stage).await?;
    runs(&stage).await?;
    runs_in_the_way(&stage).await?;
    stage.delete::<ModelVersion>("delay-v1").await?;
    stage.delete::<Model>("by-hand").await?;
    stage.delete::<TrainingJob>("run").await?;
    stage.delete::<Dataset>("good").await?;
    // One whose sync has failed is tried again, and does not rest.
    stage.delete::<Dataset>("bad").await?;
    stage.close().await
}

async fn datasets(stage: &Stage) -> Result<()> {
    let kubelet = Kubelet(&stage.scene);
    let sync = async |name: &str, end: End| {
        let pod = syncs(stage, name).await?;
        kubelet.starts(&pod).await?;
        kubelet.ends(&pod, &end).await
    };
    for name in ["good", "bad", "rejected"] {
        stage.create("Dataset", name, spec("pvc://feed/")).await?;
    }
    stage
        .create("Dataset", "invalid", spec("pvc://feed/../other/"))
        .await?;
    let mut suspended = spec("pvc://feed/");
    suspended["suspend"] = true.into();
    stage.create("Dataset", "suspended", suspended).await?;
    stage
        .saw(&[
            "dataset-new",
            "dataset-syncing-unready-reconciling",
            "dataset-stalled-unready-stalled",
            "dataset-suspended-suspended",
        ])
        .await?;

    sync("bad", End::badly(1, "no such folder\n")).await?;
    stage.saw(&["dataset-failed-unready-reconciling"]).await?;
    let failed = FailedExpectation {
        expectation: "enough".into(),
        observed: "3 rows, at least 10 are expected".into(),
    };
    sync("rejected", End::well(&found(vec![failed]))?).await?;
    stage.saw(&["dataset-rejected-unready"]).await?;

    sync("good", End::well(&found(vec![]))?).await?;
    stage.saw(&["dataset-ready-ready"]).await?;
    let refresh = json!({"metadata": {"annotations": {ANNOTATION_REFRESH: "1"}}});
    stage.scene.merge::<Dataset>("good", &refresh).await?;
    stage.saw(&["dataset-syncing-ready-reconciling"]).await?;
    sync("good", End::badly(1, "no such folder\n")).await?;
    stage.saw(&["dataset-failed-ready-reconciling"]).await?;
    let suspend = json!({"spec": {"suspend": true}});
    stage.scene.merge::<Dataset>("good", &suspend).await?;
    stage
        .saw(&["dataset-changed", "dataset-suspended-ready-suspended"])
        .await
}

/// The pod of a sync under way.
async fn syncs(stage: &Stage, name: &str) -> Result<Pod> {
    let uid = stage.scene.get::<Dataset>(name).await?.uid();
    let labels = format!("{LABEL_OWNER}={}", uid.unwrap_or_default());
    let pods = stage.scene.api::<Pod>();
    let look = async || {
        let list = pods.list(&ListParams::default().labels(&labels)).await?;
        let under_way = |pod: &Pod| {
            let phase = pod
                .status
                .as_ref()
                .and_then(|status| status.phase.as_deref());
            phase == Some("Pending")
        };
        Ok(list.items.into_iter().find(under_way))
    };
    let what = format!("a sync of {name} has its pod");
    stage.scene.wait_until(&what, SOON, look).await
}

async fn runs(stage: &Stage) -> Result<()> {
    let kubelet = Kubelet(&stage.scene);
    stage
        .create(
            "Model",
            "by-hand",
            json!({"description": "made by a person"}),
        )
        .await?;
    stage.saw(&["model-new", "model-pending-ready"]).await?;

    let waits = run(json!({"inputs": [{"name": "train", "dataset": {"name": "none"}}]}));
    stage.create("TrainingJob", "waits", waits).await?;
    stage
        .create("TrainingJob", "suspended", run(json!({"suspend": true})))
        .await?;
    let invalid = json!({"template": {"spec": {"containers": [{"name": "a", "image": 1}]}}});
    stage.create("TrainingJob", "invalid", run(invalid)).await?;
    stage.create("TrainingJob", "run", evaluated()).await?;
    let uid = stage.scene.get::<TrainingJob>("run").await?.uid();
    let uid = uid.unwrap_or_default();
    let pod = kubelet.pod(&uid, "training", 1).await?;
    is_placed(stage, &pod, false).await?;
    stage
        .saw(&[
            "trainingjob-new",
            "trainingjob-pending-unready-reconciling",
            "trainingjob-suspended-suspended",
            "trainingjob-failed-unready-stalled-failed",
            "trainingjob-preparing-unready-reconciling",
        ])
        .await?;
    is_placed(stage, &pod, true).await?;
    kubelet.starts(&pod).await?;
    stage
        .saw(&["trainingjob-running-unready-reconciling"])
        .await?;
    // Its message is lost, so another pod reads the result from the store.
    kubelet.ends(&pod, &End::silently()).await?;
    stage
        .saw(&["trainingjob-publishing-unready-reconciling"])
        .await?;
    let pod = kubelet.pod(&uid, "collect", 1).await?;
    kubelet.ends(&pod, &End::well(&made())?).await?;
    stage
        .saw(&["trainingjob-evaluating-unready-reconciling"])
        .await?;
    let pod = kubelet.pod(&uid, "evaluation", 1).await?;
    kubelet.ends(&pod, &End::well(&report())?).await?;
    stage
        .saw(&[
            "trainingjob-succeeded-ready-complete",
            "model-ready-ready",
            "modelversion-new",
            "modelversion-registered-ready",
        ])
        .await
}

/// A run whose next Job has a name that is taken, each time until the name is free.
async fn runs_in_the_way(stage: &Stage) -> Result<()> {
    let kubelet = Kubelet(&stage.scene);
    let free = async |job: &str| -> Result<()> {
        let jobs = stage.scene.api::<Job>();
        jobs.delete(job, &DeleteParams::background()).await?;
        let gone = async || Ok(jobs.get_opt(job).await?.is_none().then_some(()));
        let what = format!("{job} is gone");
        stage.scene.wait_until(&what, SOON, gone).await?;
        // It looks again by itself, minutes later.
        let look = json!({"metadata": {"annotations": {"example.com/look": job}}});
        stage.scene.merge::<TrainingJob>("halted", &look).await?;
        Ok(())
    };
    let taken = ["halted-1", "halted-1-collect", "halted-1-evaluation"];
    let taken = taken.map(|name| {
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"suspend": true, "template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "a", "image": "example/other:1"}],
            }}},
        })
    });
    stage.scene.apply_documents(&taken).await?;
    stage.create("TrainingJob", "halted", evaluated()).await?;
    stage.saw(&["trainingjob-pending-unready-stalled"]).await?;

    free("halted-1").await?;
    let uid = stage.scene.get::<TrainingJob>("halted").await?.uid();
    let uid = uid.unwrap_or_default();
    let pod = kubelet.pod(&uid, "training", 1).await?;
    kubelet.starts(&pod).await?;
    let runs = |run: &TrainingJob| {
        let phase = run.status.as_ref().map(|status| status.phase);
        (phase == Some(TrainingJobPhase::Running)).then_some(())
    };
    stage
        .scene
        .wait("halted", "the run runs", SOON, runs)
        .await?;
    kubelet.ends(&pod, &End::silently()).await?;
    stage.saw(&["trainingjob-running-unready-stalled"]).await?;

    free("halted-1-collect").await?;
    let pod = kubelet.pod(&uid, "collect", 1).await?;
    kubelet.ends(&pod, &End::well(&made())?).await?;
    stage
        .saw(&["trainingjob-publishing-unready-stalled"])
        .await?;

    free("halted-1-evaluation").await?;
    let pod = kubelet.pod(&uid, "evaluation", 1).await?;
    kubelet.ends(&pod, &End::well(&report())?).await?;
    let ended = |run: &TrainingJob| {
        let phase = run.status.as_ref().map(|status| status.phase);
        (phase == Some(TrainingJobPhase::Succeeded)).then_some(())
    };
    stage
        .scene
        .wait("halted", "the run ends well", SOON, ended)
        .await
}

/// Plays the scheduler, which finds a node for a pod or finds none.
async fn is_placed(stage: &Stage, pod: &Pod, placed: bool) -> Result<()> {
    let (status, reason) = if placed {
        ("True", "Scheduled")
    } else {
        ("False", "Unschedulable")
    };
    let status = json!({"status": {"conditions": [{
        "type": "PodScheduled", "status": status, "reason": reason,
        "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
        "lastTransitionTime": Timestamp::now(),
    }]}});
    let pods = stage.scene.api::<Pod>();
    pods.patch_status(
        &pod.name_any(),
        &PatchParams::default(),
        &Patch::Merge(status),
    )
    .await?;
    Ok(())
}

fn spec(uri: &str) -> Value {
    json!({"source": {"uri": uri}, "format": {"type": "Csv"}})
}

fn run(changes: Value) -> Value {
    let mut spec = json!({
        "model": "delay",
        "retry": {"limit": 0},
        "template": {"spec": {"containers": [
            {"name": "trainer", "image": "example/trainer:1", "command": ["train"]},
        ]}},
    });
    json_patch::merge(&mut spec, &changes);
    spec
}

fn evaluated() -> Value {
    let evaluation = json!({"dataset": {"name": "good"}, "template": {"spec": {"containers": [
        {"name": "evaluator", "image": "example/trainer:1", "command": ["score"]},
    ]}}});
    run(json!({"evaluation": evaluation}))
}

fn found(failed: Vec<FailedExpectation>) -> SyncResult {
    let mut result = data::found();
    result.current = result.current.filter(|_| failed.is_empty());
    result.version.failed = failed;
    result
}

fn made() -> AttemptResult {
    AttemptResult {
        v: 1,
        digest: DIGEST.into(),
        files: 1,
        bytes: 10,
        metrics: [("mae".to_owned(), 9.5)].into(),
        key: "runs/a/1/result.json".into(),
        profile: None,
    }
}

fn report() -> EvaluationReport {
    EvaluationReport {
        v: 1,
        candidate: [("mae".to_owned(), 9.5)].into(),
        champion: Default::default(),
        predictions: None,
    }
}
