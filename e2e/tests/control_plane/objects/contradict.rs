//! Fields that are right one by one and can't be together, and references to nothing.

use serde_json::{Value, json};

/// JSON merge patches of the spec of a kind, each with the field that a refusal or a reason has to
/// name.
pub fn patches(kind: &str) -> Vec<(&'static str, Value)> {
    let stages = |gates: Value| json!({"stages": [{"name": "a", "gates": gates}]});
    let test = json!({"template": {"spec": {"containers": [{"name": "a", "image": "i"}]}}});
    match kind {
        "Dataset" => vec![
            ("csv", json!({"format": {"type": "Parquet", "csv": {}}})),
            (
                "rows",
                json!({"expectations": [{"name": "a", "rows": {"min": 2, "max": 1}}]}),
            ),
            ("rows", json!({"expectations": [{"name": "a", "rows": {}}]})),
            (
                "include",
                json!({"source": {"uri": "https://example.com/a/", "include": null}}),
            ),
            (
                "include",
                json!({"source": {"uri": "https://example.com/a/", "include": ["*"]}}),
            ),
            ("uri", json!({"source": {"uri": "pvc://Not-A-Claim/"}})),
            ("uri", json!({"source": {"uri": "pvc://feed/../../etc/"}})),
            ("uri", json!({"source": {"uri": "s3://bucket/x/"}})),
            ("interval", json!({"refresh": {"interval": "1s"}})),
        ],
        "TrainingJob" => vec![
            (
                "model",
                json!({"model": null, "evaluation": {
                "dataset": {"name": "flights"}, "template": test["template"]}}),
            ),
            (
                "inputs",
                json!({"inputs": [{"name": "data", "dataset": {"name": "flights"}}]}),
            ),
            (
                "path",
                json!({"inputs": [
                {"name": "a", "dataset": {"name": "flights"}, "path": "/data"},
                {"name": "b", "dataset": {"name": "flights"}, "path": "/data/"}]}),
            ),
            (
                "path",
                json!({"inputs": [
                {"name": "a", "dataset": {"name": "flights"}, "path": "/mnt/model"}]}),
            ),
            ("path", json!({"output": {"path": "/etc"}})),
            (
                "nothing",
                json!({"inputs": [{"name": "a", "dataset": {"name": "nothing"}}]}),
            ),
            (
                "flights",
                json!({"inputs": [
                {"name": "a", "dataset": {"name": "flights", "version": "v99"}}]}),
            ),
            (
                "goal",
                json!({"objective": {"metric": "profit", "goal": null}}),
            ),
            (
                "evaluation",
                json!({"evaluation": {"dataset": {"name": "flights"}, "template":
                {"spec": {"containers": [{"name": "a", "image": "i"}]}}}}),
            ),
        ],
        "ModelDeployment" => vec![
            ("model", json!({"model": {"track": "Latest", "version": 1}})),
            ("model", json!({"model": {"track": null, "version": null}})),
            (
                "delay-v99",
                json!({"model": {"name": "delay", "track": null, "version": 99}}),
            ),
            (
                "nothing",
                json!({"model": {"name": "nothing", "track": "Latest", "version": null}}),
            ),
            ("port", json!({"server": {"port": 9001}})),
            ("test", stages(json!([{"name": "t", "test": test}]))),
            (
                "gate",
                stages(json!([{"name": "t", "test": test,
                "evaluation": {"metric": "mae", "limit": 1}}])),
            ),
            (
                "limit",
                stages(json!([{"name": "t", "evaluation": {"metric": "mae"}}])),
            ),
            (
                "metric",
                stages(json!([{"name": "t", "evaluation": {"metric": "profit", "limit": 1}}])),
            ),
            (
                "name",
                json!({"stages": [{"name": "a"}, {"name": "a-peers"}]}),
            ),
            ("stages", json!({"stages": [{"name": "a"}, {"name": "a"}]})),
        ],
        "RetrainPolicy" => vec![
            ("deployment", json!({"deployment": {"name": "nothing"}})),
            ("stage", json!({"deployment": {"stage": "nothing"}})),
            ("breaches", json!({"evaluate": {"breaches": 5, "of": 2}})),
            ("trigger", json!({"triggers": [{"name": "a"}]})),
            (
                "limit",
                json!({"triggers": [{"name": "a", "quality": {"metric": "mae",
                "limit": {"value": 1, "ratio": 1}}}]}),
            ),
            (
                "metric",
                json!({"triggers": [{"name": "a", "quality": {"metric": "auc",
                "limit": {"value": 1}}}]}),
            ),
            (
                "evaluation",
                json!({"template": {"spec": {"evaluation": {
                "template": {"spec": {"containers": [{"name": "a", "image": "i", "comand": []}]}}}}}}),
            ),
        ],
        "ModelVersion" => vec![
            ("name", json!({"version": 999_999})),
            ("model", json!({"model": "other"})),
            ("digest", json!({"artifact": {"digest": "sha256:abc"}})),
        ],
        _ => vec![("description", json!({"description": "x".repeat(300)}))],
    }
}
