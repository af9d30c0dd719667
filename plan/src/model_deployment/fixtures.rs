//! Objects that tests begin with.

use std::collections::BTreeMap;

use millwright_crds::{
    ModelDeployment, ModelVersion,
    model_version::{Champion, VersionEvaluation},
};
use serde_json::{Value, json};

use super::Observed;
use crate::observed::{Labels, PodState};

pub(super) use crate::fixtures::{bucket, labels, settings, with_secrets};

/// A digest that tells its number.
pub fn digest(number: u32) -> String {
    format!("sha256:{number:064x}")
}

/// The digest of the data that versions are evaluated on.
pub fn data() -> String {
    format!("sha256:{}", "5".repeat(64))
}

/// A version without an evaluation.
pub fn version(number: u32) -> ModelVersion {
    serde_json::from_value(json!({
        "apiVersion": "millwright.dev/v1alpha1",
        "kind": "ModelVersion",
        "metadata": {"name": format!("m-v{number}"), "namespace": "ns", "uid": format!("v{number}")},
        "spec": {
            "model": "m",
            "version": number,
            "artifact": {"digest": digest(number), "bytes": 1, "files": 1},
        },
    }))
    .unwrap()
}

/// A version with this error, compared with this champion.
pub fn evaluated(number: u32, mae: f64, champion: Option<(u32, f64)>) -> ModelVersion {
    let metrics = |mae| BTreeMap::from([("mae".to_owned(), mae)]);
    let mut version = version(number);
    version.spec.evaluation = Some(VersionEvaluation {
        dataset: "flights".into(),
        version: "v6".into(),
        digest: data(),
        metrics: metrics(mae),
        champion: champion.map(|(version, mae)| Champion {
            version,
            metrics: metrics(mae),
        }),
    });
    version
}

/// A deployment with these stages.
pub fn deployment(stages: Value) -> ModelDeployment {
    serde_json::from_value(json!({
        "apiVersion": "millwright.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "d", "namespace": "ns", "uid": "uid-d", "generation": 1},
        "spec": {
            "model": {"name": "m", "track": "Latest"},
            "server": {"template": {"spec": {"containers": [{"name": "server", "image": "s:1"}]}}},
            "stages": stages,
        },
    }))
    .unwrap()
}

/// The pod of a test.
pub fn test_template() -> Value {
    json!({"spec": {"containers": [{"name": "smoke", "image": "t:1", "command": ["t"]}]}})
}

/// Two stages; the second has both kinds of gates.
pub fn two_stages() -> Value {
    json!([
        {"name": "staging"},
        {"name": "production", "replicas": 2, "gates": [
            {"name": "quality", "evaluation": {"metric": "mae", "limit": 12.0, "minImprovement": 0.0}},
            {"name": "smoke", "test": {"timeout": "3m", "template": test_template()}},
        ]},
    ])
}

/// A deployment that nothing is known of but itself.
pub fn observed() -> Observed {
    Observed {
        object: deployment(two_stages()),
        versions: vec![],
        deployments: vec![],
        services: vec![],
        jobs: vec![],
        pods: vec![],
        store_claim: false,
        foreign: vec![],
    }
}

/// A pod of nobody.
pub fn pod(name: &str) -> PodState {
    PodState {
        name: name.into(),
        uid: name.into(),
        labels: Labels::default(),
        ip: None,
        phase: "Running".into(),
        reason: None,
        message: None,
        ready: false,
        unschedulable: None,
        disrupted: None,
        deleting: false,
        gone_by: None,
        placed: None,
        containers: vec![],
    }
}
