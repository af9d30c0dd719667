//! An object of each kind in each phase that it can be in.
//!
//! Left out are phases that last only until the first pass: Pending of a Dataset and of a ModelVersion.

use anyhow::{Context as _, Result};
use k8s_openapi::{api::core::v1::Pod, jiff::Timestamp};
use kube::api::{ListParams, Patch, PatchParams};
use millwright_crds::{
    Dataset, LABEL_OWNER, ModelDeployment, RetrainPolicy, TrainingJob,
    dataset::FailedExpectation,
    wire::{attempt::AttemptResult, sync::SyncResult},
};
use millwright_e2e::{record::Recorder, scene::Scene};
use serde_json::{Value, json};

use super::super::{SOON, run_manifest, uid};
use crate::{
    kubelet::{End, Kubelet},
    operator::data::found,
    world::resource,
};

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Kind, name and phase.
pub const CASES: [(&str, &str, &str); 32] = [
    ("RetrainPolicy", "rp-pending", "Pending"),
    ("RetrainPolicy", "rp-watching", "Watching"),
    ("RetrainPolicy", "rp-retraining", "Retraining"),
    ("RetrainPolicy", "rp-cooling", "CoolingDown"),
    ("RetrainPolicy", "rp-suspended", "Suspended"),
    ("RetrainPolicy", "rp-stalled", "Stalled"),
    ("ModelDeployment", "md-pending", "Pending"),
    ("ModelDeployment", "md-deploying", "Deploying"),
    ("ModelDeployment", "md-promoting", "Promoting"),
    ("ModelDeployment", "md-paused", "Paused"),
    ("ModelDeployment", "md-healthy", "Healthy"),
    ("ModelDeployment", "md-back", "RolledBack"),
    ("ModelDeployment", "md-degraded", "Degraded"),
    ("ModelDeployment", "md-stalled", "Stalled"),
    ("TrainingJob", "tj-pending", "Pending"),
    ("TrainingJob", "tj-preparing", "Preparing"),
    ("TrainingJob", "tj-running", "Running"),
    ("TrainingJob", "tj-publishing", "Publishing"),
    ("TrainingJob", "tj-evaluating", "Evaluating"),
    ("TrainingJob", "tj-succeeded", "Succeeded"),
    ("TrainingJob", "tj-failed", "Failed"),
    ("TrainingJob", "tj-suspended", "Suspended"),
    ("Dataset", "ds-syncing", "Syncing"),
    ("Dataset", "ds-ready", "Ready"),
    ("Dataset", "ds-rejected", "Rejected"),
    ("Dataset", "ds-failed", "Failed"),
    ("Dataset", "ds-stalled", "Stalled"),
    ("Dataset", "ds-suspended", "Suspended"),
    ("ModelVersion", "served-v1", "Serving"),
    ("ModelVersion", "idle-v1", "Registered"),
    ("Model", "idle", "Pending"),
    ("Model", "tj-succeeded", "Ready"),
];

/// The manifest of a case; nothing for a Model that a run makes.
pub fn manifest(kind: &str, name: &str) -> Option<Value> {
    let spec = match kind {
        "Dataset" => dataset(name),
        "TrainingJob" => return Some(training_job(name)),
        "ModelDeployment" => model_deployment(name),
        "RetrainPolicy" => retrain_policy(name),
        "ModelVersion" => {
            let model = name.trim_end_matches("-v1");
            json!({
                "model": model, "version": 1,
                "artifact": {"digest": DIGEST, "bytes": 1, "files": 1},
            })
        }
        _ if name == "idle" => json!({"description": "made by hand"}),
        _ => return None,
    };
    let meta = match name {
        "rp-retraining" => json!({"name": name, "annotations": {"millwright.dev/retrain": "1"}}),
        _ => json!({"name": name}),
    };
    Some(json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec,
    }))
}

fn dataset(name: &str) -> Value {
    let uri = if name == "ds-stalled" {
        "pvc://Not-A-Claim/"
    } else {
        "pvc://feed/"
    };
    json!({
        "source": {"uri": uri}, "format": {"type": "Csv"}, "suspend": name == "ds-suspended",
        "expectations": [{"name": "enough", "rows": {"min": 5}}],
    })
}

fn training_job(name: &str) -> Value {
    let mut spec = json!({"model": name, "retry": {"limit": 0}});
    match name {
        "tj-pending" => {
            spec["inputs"] = json!([{"name": "train", "dataset": {"name": "nothing"}}]);
        }
        "tj-evaluating" => {
            spec["evaluation"] = json!({
                "dataset": {"name": "ds-ready"},
                "template": {"spec": {"containers": [
                    {"name": "evaluator", "image": "example/trainer:1", "command": ["score"]},
                ]}},
            });
        }
        _ => {}
    }
    run_manifest(name, &spec)
}

fn model_deployment(name: &str) -> Value {
    let gated = |restart: &str| {
        let pod = json!({"restartPolicy": restart, "containers": [{"name": "test", "image": "i"}]});
        let gate = json!({"name": "smoke", "test": {"template": {"spec": pod}}});
        json!([{"name": "staging"}, {"name": "serving", "gates": [gate]}])
    };
    let stages = match name {
        "md-promoting" => gated("Never"),
        "md-stalled" => gated("Always"),
        "md-degraded" => json!([{"name": "serving", "rollback": {"onUnavailable": "1s"}}]),
        "md-back" => json!([{"name": "serving", "rollback": {"onUnavailable": "3s"}}]),
        _ => json!([{"name": "serving", "rollback": {"onUnavailable": "10m"}}]),
    };
    let model = if name == "md-pending" {
        "none"
    } else {
        "served"
    };
    json!({
        "model": {"name": model, "track": "Latest"},
        "server": {"template": {"spec": {"containers": [{"name": "server", "image": "example/server:1"}]}}},
        "stages": stages,
    })
}

fn retrain_policy(name: &str) -> Value {
    let deployment = match name {
        "rp-pending" => "md-pending",
        "rp-stalled" => "nothing",
        _ => "md-healthy",
    };
    json!({
        "deployment": {"name": deployment, "stage": "serving"},
        "triggers": [{"name": "quality", "quality": {"metric": "mae", "limit": {"value": 12}}}],
        "evaluate": {"interval": "5m", "breaches": 1, "of": 1},
        "suspend": name == "rp-suspended",
        "template": {"spec": {"model": name, "template": {"spec": {"containers": [
            {"name": "trainer", "image": "example/trainer:1", "command": ["train"]},
        ]}}}},
    })
}

/// Creates all of them and leads each to its phase.
pub async fn reach(scene: &Scene) -> Result<()> {
    let manifests = CASES
        .iter()
        .filter_map(|(kind, name, _)| manifest(kind, name));
    let (policies, others): (Vec<_>, Vec<_>) =
        manifests.partition(|manifest| manifest["kind"] == "RetrainPolicy");
    scene.apply_documents(&others).await?;
    futures::try_join!(syncs(scene), runs(scene), deployments(scene))?;
    scene.apply_documents(&policies).await?;
    cool_down(scene).await?;
    let failed = ("Dataset", "ds-failed", "Failed");
    for (kind, name, phase) in CASES.into_iter().filter(|case| *case != failed) {
        is_in(scene, kind, name, phase).await?;
    }
    start_retraining(scene).await?;
    // It is tried again after 10 s, so it comes last.
    let owner = uid::<Dataset>(scene, failed.1).await?;
    let kubelet = Kubelet(scene);
    let pod = kubelet.pod(&owner, "sync", 1).await?;
    kubelet.ends(&pod, &End::badly(1, "no such folder")).await?;
    is_in(scene, failed.0, failed.1, failed.2).await
}

/// Waits until an object is in a phase.
pub async fn is_in(scene: &Scene, kind: &str, name: &str, phase: &str) -> Result<()> {
    let api = millwright_e2e::apply::api(scene.client(), Some(scene.namespace()), &resource(kind));
    let mut last = Value::Null;
    let look = async || {
        let object = api.get_opt(name).await?;
        last = object.map_or(Value::Null, |object| object.data["status"].clone());
        Ok((last["phase"] == phase).then_some(()))
    };
    let waited = scene
        .wait_until(&format!("{kind} {name} is {phase}"), SOON, look)
        .await;
    waited.map_err(|error| error.context(format!("{kind} {name}: {last}")))
}

async fn syncs(scene: &Scene) -> Result<()> {
    let kubelet = Kubelet(scene);
    for name in ["ds-ready", "ds-syncing", "ds-rejected", "ds-failed"] {
        let owner = uid::<Dataset>(scene, name).await?;
        let pod = kubelet.pod(&owner, "sync", 1).await?;
        kubelet.starts(&pod).await?;
        match name {
            "ds-ready" => kubelet.ends(&pod, &End::well(&found())?).await?,
            "ds-rejected" => kubelet.ends(&pod, &End::well(&rejected())?).await?,
            _ => {}
        }
    }
    Ok(())
}

fn rejected() -> SyncResult {
    let mut result = found();
    result.current = None;
    result.version.failed = vec![FailedExpectation {
        expectation: "enough".into(),
        observed: "1 row".into(),
    }];
    result
}

async fn runs(scene: &Scene) -> Result<()> {
    let kubelet = Kubelet(scene);
    // The one that waits for a Dataset comes last.
    for name in [
        "tj-preparing",
        "tj-running",
        "tj-publishing",
        "tj-succeeded",
        "tj-failed",
        "tj-suspended",
        "tj-evaluating",
    ] {
        let owner = uid::<TrainingJob>(scene, name).await?;
        let pod = kubelet.pod(&owner, "training", 1).await?;
        if name == "tj-preparing" {
            kubelet
                .has_no_place(&pod, "0/3 nodes are available")
                .await?;
            continue;
        }
        kubelet.starts(&pod).await?;
        match name {
            // Nobody can read what it says, so it is looked for in the store.
            "tj-publishing" => kubelet.ends(&pod, &End::silently()).await?,
            "tj-succeeded" | "tj-evaluating" => kubelet.ends(&pod, &End::well(&result())?).await?,
            "tj-failed" => kubelet.ends(&pod, &End::badly(3, "no such column")).await?,
            "tj-suspended" => {
                let suspend = json!({"spec": {"suspend": true}});
                scene.merge::<TrainingJob>(name, &suspend).await?;
            }
            _ => {}
        }
    }
    let owner = uid::<TrainingJob>(scene, "tj-suspended").await?;
    let params = ListParams::default().labels(&format!("{LABEL_OWNER}={owner}"));
    let stopped = async || {
        let pods = scene.api::<Pod>().list_metadata(&params).await?;
        Ok(pods.items.is_empty().then_some(()))
    };
    scene
        .wait_until("the suspended run is stopped", SOON, stopped)
        .await
}

/// What an attempt says that has published a model.
pub fn result() -> AttemptResult {
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

async fn deployments(scene: &Scene) -> Result<()> {
    let kubelet = Kubelet(scene);
    for (name, stage) in [
        ("md-back", "serving"),
        ("md-promoting", "staging"),
        ("md-paused", "serving"),
        ("md-healthy", "serving"),
    ] {
        let owner = uid::<ModelDeployment>(scene, name).await?;
        kubelet
            .serves(&kubelet.server(&owner, stage).await?)
            .await?;
    }
    for name in ["md-healthy", "md-paused"] {
        is_in(scene, "ModelDeployment", name, "Healthy").await?;
    }
    let pause = json!({"spec": {"paused": true}});
    scene.merge::<ModelDeployment>("md-paused", &pause).await?;
    is_in(scene, "ModelDeployment", "md-back", "Healthy").await?;
    // Its pods never serve.
    let container = json!([{"name": "server", "image": "example/server:2"}]);
    let change = json!({"spec": {"server": {"template": {"spec": {"containers": container}}}}});
    scene.merge::<ModelDeployment>("md-back", &change).await?;
    Ok(())
}

/// The run that a policy has started runs.
async fn start_retraining(scene: &Scene) -> Result<()> {
    let policy: RetrainPolicy = scene.get("rp-retraining").await?;
    let run = policy.status.and_then(|status| status.last_run);
    let run = run.context("the policy has started no run")?.training_job;
    let kubelet = Kubelet(scene);
    let owner = uid::<TrainingJob>(scene, &run).await?;
    let pod = kubelet.pod(&owner, "training", 1).await?;
    kubelet.starts(&pod).await?;
    is_in(scene, "TrainingJob", &run, "Running").await
}

/// A policy whose trigger is breached a minute after its last run.
async fn cool_down(scene: &Scene) -> Result<()> {
    let recorder = Recorder::start(scene.client(), Some(scene.namespace())).await?;
    is_in(scene, "RetrainPolicy", "rp-cooling", "Watching").await?;
    let now = Timestamp::now().as_second();
    let ago = |seconds: i64| Timestamp::from_second(now - seconds).map(|time| time.to_string());
    let (ended, evaluated) = (ago(60)?, ago(10)?);
    let status = json!({"status": {
        "version": 1,
        "lastRun": {
            "trainingJob": "earlier", "firing": 1, "trigger": "quality", "startedAt": ended,
            "finishedAt": ended, "outcome": "Failed",
        },
        "triggers": [{
            "name": "quality", "state": "Breached", "value": 20.0, "threshold": 12.0,
            "evaluations": 1, "through": evaluated,
            "recent": [{"breach": true, "value": 20.0, "samples": 500, "through": evaluated}],
        }],
    }});
    scene
        .api::<RetrainPolicy>()
        .patch_status("rp-cooling", &PatchParams::default(), &Patch::Merge(status))
        .await?;
    // Status alone asks for no pass.
    let note = json!({"metadata": {"annotations": {"example.com/note": "look"}}});
    scene.merge::<RetrainPolicy>("rp-cooling", &note).await?;
    // No other test has a policy that cools down.
    recorder
        .saw("retrainpolicy-coolingdown-ready", SOON)
        .await?;
    recorder.write()
}
