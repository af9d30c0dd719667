//! Policies, deployments, runs and traffic for tests.

use std::collections::BTreeMap;

use drift::{
    profile::{LiveBuilder, Profile, ReferenceBuilder},
    quality::Regression,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use millwright_crds::{
    LABEL_FIRING, LABEL_POLICY, ModelDeployment, ModelVersion, RetrainPolicy, TrainingJob,
    model_deployment::Task,
    retrain_policy::{Trigger, TriggerState, TriggerStatus},
    wire::serving::{GatewayProfile, Quality, Window},
};
use serde_json::{Value, json};

use super::window::Measured;

pub(super) use crate::fixtures::{at, settings};

/// Digest of version 1.
pub(super) const DIGEST: &str =
    "sha256:0000000000000000000000000000000000000000000000000000000000000001";
pub(super) fn digest(version: u32) -> String {
    format!("sha256:{version:064x}")
}

fn meta(name: &str, uid: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.into()),
        namespace: Some("demo".into()),
        uid: Some(uid.into()),
        generation: Some(1),
        ..ObjectMeta::default()
    }
}

fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// Two breaches of three; `quality` (limit 1.3 times what was recorded) acts, `inputs` is observed.
pub(super) fn policy() -> RetrainPolicy {
    let spec = of(json!({
        "deployment": {"name": "md", "stage": "production"},
        "template": {"spec": {"model": "m", "template": {"spec": {"containers": [
            {"name": "trainer", "image": "trainer:1", "command": ["train"]},
        ]}}}},
        "triggers": [
            {"name": "quality", "quality": {"metric": "mae", "limit": {"ratio": 1.3}, "minLabels": 4}},
            {"name": "inputs", "mode": "Observe", "drift": {"threshold": 0.2, "minSamples": 100}},
        ],
        "evaluate": {"interval": "5s", "breaches": 2, "of": 3},
        "cooldown": "1m",
    }));
    let mut policy = RetrainPolicy::new("watch", spec);
    policy.metadata = meta("watch", "p-uid");
    policy
}

pub(super) fn quality_trigger() -> Trigger {
    policy().spec.triggers[0].clone()
}

pub(super) fn drift_trigger() -> Trigger {
    policy().spec.triggers[1].clone()
}

pub(super) fn stands(name: &str, state: TriggerState) -> TriggerStatus {
    TriggerStatus {
        name: name.into(),
        state,
        value: Some(1.0),
        threshold: Some(2.0),
        measures: None,
        evaluations: 1,
        through: None,
        recent: vec![],
        columns: vec![],
        message: None,
    }
}

/// Windows of 10 s and a horizon of 100 s; `production` serves this version.
pub(super) fn deployment(version: Option<u32>) -> ModelDeployment {
    let spec = of(json!({
        "model": {"name": "m", "track": "Latest"},
        "server": {"template": {"spec": {"containers": [{"name": "server", "image": "s:1"}]}}},
        "stages": [{"name": "staging"}, {"name": "production"}],
        "monitoring": {"window": "10s", "retain": 100, "feedback": {"horizon": "1m40s"}},
    }));
    let mut deployment = ModelDeployment::new("md", spec);
    deployment.metadata = meta("md", "md-uid");
    let current = version.map(|version| {
        json!({
            "version": version, "digest": digest(version),
            "since": "1970-01-01T00:00:00Z", "revision": "r",
        })
    });
    let mut stage = json!({"name": "production", "replicas": 1});
    if let Some(current) = current {
        stage["current"] = current;
    }
    deployment.status = Some(of(json!({"stages": [{"name": "staging"}, stage]})));
    deployment
}

/// Its evaluation gave a MAE of 10, its training one of 5.
pub(super) fn version(number: u32) -> ModelVersion {
    let spec = of(json!({
        "model": "m", "version": number,
        "artifact": {"digest": digest(number), "bytes": 1, "files": 1},
        "metrics": {"mae": 5.0},
        "evaluation": {
            "dataset": "d", "version": "v1", "digest": DIGEST, "metrics": {"mae": 10.0},
        },
    }));
    let name = format!("m-v{number}");
    let mut version = ModelVersion::new(&name, spec);
    version.metadata = meta(&name, &name);
    version
}

/// A run that was created at this second and hasn't ended.
pub(super) fn run(firing: u32, created: i64) -> TrainingJob {
    let name = format!("p-{firing}");
    let mut run = TrainingJob::new(&name, policy().spec.template.spec);
    run.metadata = meta(&name, &name);
    run.metadata.creation_timestamp = Some(Time(at(created)));
    run.metadata.labels = Some(BTreeMap::from([
        (LABEL_POLICY.into(), "p-uid".into()),
        (LABEL_FIRING.into(), firing.to_string()),
    ]));
    run
}

pub(super) fn measured() -> Measured<'static> {
    Measured {
        digest: DIGEST,
        window: 10,
        task: Task::Regression,
    }
}

/// Labels 0, 1, 2, …, each missed by `error`.
pub(super) fn errors(labels: u64, error: f64) -> Regression {
    let mut quality = Regression::default();
    for label in 0..labels {
        quality.observe(label as f64, label as f64 + error);
    }
    quality
}

/// A window of 10 s with labels for all rows, missed by `error`, and none of the inputs profiled.
pub(super) fn window(start: u64, rows: u64, pending: u64, error: f64) -> Window {
    Window {
        start,
        rows,
        dropped: 0,
        inputs: None,
        predictions: None,
        pending,
        quality: Quality::Regression(errors(rows, error)),
    }
}

/// A pod of version 1.
pub(super) fn profile(pod: &str, windows: Vec<Window>) -> GatewayProfile {
    GatewayProfile {
        v: 1,
        pod_uid: pod.into(),
        digest: DIGEST.into(),
        window_seconds: 10,
        windows,
        reference: None,
        reference_predictions: None,
    }
}

/// Columns `a` and `b`, even from 0 to 100.
pub(super) fn reference() -> Profile {
    let values: Vec<f64> = (0..1_000).map(|i| f64::from(i) / 10.0).collect();
    let mut builder = ReferenceBuilder::default();
    for column in ["a", "b"] {
        builder.observe_numeric(column, &values).unwrap();
    }
    builder.finish().unwrap()
}

/// Rows as those of the reference, but for these columns, which are moved.
pub(super) fn live(reference: &Profile, rows: u64, moved: &[(&str, f64)]) -> Profile {
    let mut builder = LiveBuilder::new(reference);
    for (name, _) in reference.columns() {
        let by = moved.iter().find(|(column, _)| *column == name);
        let by = by.map_or(0.0, |(_, by)| *by);
        let values: Vec<f64> = (0..rows)
            .map(|row| row as f64 * 100.0 / rows as f64 + by)
            .collect();
        builder.observe_numeric(name, &values).unwrap();
    }
    builder.finish()
}
