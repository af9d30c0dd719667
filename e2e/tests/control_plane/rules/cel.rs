//! Cases of rules in CEL: for each message, JSON merge patches of the value that the rule is on. Each
//! of them must be refused. For a rule of immutability the patch is the change that is refused.

use serde_json::{Value, json};

/// Patches that break the rule with this message; `None` when there is no case for it.
pub fn patches(message: &str) -> Option<Vec<Value>> {
    if let Some(immutable) = message.strip_suffix(" is immutable: create a new TrainingJob") {
        return immutable_field(immutable);
    }
    let patches = match message {
        NAME => {
            let name = |name: &str| json!({"metadata": {"name": name}});
            vec![name(&"a".repeat(41)), name("1st"), name("a.b")]
        }
        "metadata.name must be <spec.model>-v<spec.version>" => {
            let name = |name: &str| json!({"metadata": {"name": name}});
            vec![name("delay-v4"), name("other-v3"), name("delay3")]
        }
        "spec is immutable: a new model is a new ModelVersion" => {
            vec![json!({"metrics": {"mae": 1.0}}), json!({"objective": null})]
        }
        "rows needs min, max or both" => vec![json!({"min": null, "max": null})],
        "rows.min must not be larger than rows.max" => vec![json!({"min": 2, "max": 1})],
        "format.csv may only be given when format.type is Csv" => vec![json!({"type": "Parquet"})],
        "refresh.interval must be at least 10s" => vec![json!("9s"), json!("0s")],
        "source.include must name the files to read when source.uri is an http(s) folder (it ends with /), because HTTP has no listing" =>
        {
            vec![json!({"uri": "http://example.com/data/", "include": null})]
        }
        "source.include must hold file names without wildcards when source.uri is http(s), because HTTP has no listing" =>
        {
            let include = |pattern: &str| json!({"uri": "http://example.com/data/", "include": ["a.csv", pattern]});
            vec![include("*.csv"), include("a?.csv"), include("[ab].csv")]
        }
        "source.uri must end with / when source.include or source.exclude is given for s3, gs or az: without it, it is one file" =>
        {
            vec![
                json!({"uri": "s3://feed/a.csv", "include": ["b.csv"]}),
                json!({"uri": "gs://feed/a", "include": null, "exclude": ["b.csv"]}),
            ]
        }
        "source.credentials may only be given when source.uri is s3://, gs:// or az://" => {
            let credentials = |uri: &str| json!({"uri": uri, "include": ["a.csv"], "credentials": {"secretName": "feed"}});
            vec![
                credentials("pvc://feed/folder/"),
                credentials("https://example.com/data/"),
            ]
        }
        "model needs exactly one of track (Latest) and version (a number)" => vec![
            json!({"track": "Latest", "version": 1}),
            json!({"track": null, "version": null}),
        ],
        "model.name is immutable: create a new ModelDeployment" => {
            vec![json!({"model": {"name": "other"}})]
        }
        "monitoring.window must be at least 5s" => vec![json!("4s"), json!("0s")],
        "server.port must not be 9000 or 9001: those are the gateway's" => {
            vec![json!(9000), json!(9001)]
        }
        "the first stage can't have a test gate: a test asks the stage before" => {
            let test = json!({"template": {"spec": {"containers": [{"name": "a"}]}}});
            let gate = json!({"name": "smoke", "test": test});
            let stage = json!({"name": "staging", "gates": [gate]});
            vec![
                json!({"stages": [stage]}),
                json!({"stages": [stage, {"name": "production"}]}),
            ]
        }
        "a gate needs exactly one of evaluation and test" => {
            let test = json!({"template": {"spec": {"containers": [{"name": "a"}]}}});
            vec![
                json!({"evaluation": null, "test": null}),
                json!({"evaluation": {"metric": "mae", "limit": 1}, "test": test}),
            ]
        }
        GOAL => vec![json!({"metric": "profit", "goal": null})],
        "an evaluation gate needs limit, minImprovement or both" => {
            vec![json!({"limit": null, "minImprovement": null})]
        }
        "test.timeout must be longer than 0s"
        | "rollback.onUnavailable must be longer than 0s"
        | "activeDeadline must be longer than 0s"
        | "output.publishTimeout must be longer than 0s"
        | "evaluate.interval must be at least 1s" => vec![json!("0s")],
        "evaluate.breaches must not be larger than evaluate.of" => {
            vec![json!({"breaches": 4, "of": 3})]
        }
        "evaluation needs model: only a registered model is evaluated" => {
            vec![json!({"model": null})]
        }
        "inputs must have different paths" => {
            let input = |name: &str| json!({"name": name, "dataset": {"name": "a"}, "path": "/a"});
            let default = json!({"name": "c", "dataset": {"name": "a"}});
            let mut taken = input("d");
            taken["path"] = json!("/mnt/inputs/c");
            vec![
                json!({"inputs": [input("a"), input("b")]}),
                json!({"inputs": [default, taken]}),
            ]
        }
        "output.path must not be the path of an input" => {
            let input = json!({"name": "a", "dataset": {"name": "a"}});
            vec![json!({"inputs": [input], "output": {"path": "/mnt/inputs/a"}})]
        }
        "backoff.initial must not be longer than backoff.max" => {
            vec![
                json!({"initial": "6m"}),
                json!({"initial": "1h", "max": "59m"}),
            ]
        }
        "an input can't be named data: that is the evaluation's" => {
            vec![json!([{"name": "data", "dataset": {"name": "a"}}])]
        }
        "a parameter's name must begin with a letter or _ and have at most 63 letters, digits, '_', '.' and '-'" =>
        {
            vec![
                json!({"1st": "x"}),
                json!({"a b": "x"}),
                json!({"a".repeat(64): "x"}),
            ]
        }
        "a trigger needs exactly one of quality and drift" => vec![
            json!({"quality": null, "drift": null}),
            json!({"quality": {"metric": "mae", "limit": {"value": 1}}, "drift": {}}),
        ],
        "limit needs exactly one of value and ratio" => vec![
            json!({"value": null, "ratio": null}),
            json!({"value": 1, "ratio": 1}),
        ],
        _ => return None,
    };
    Some(patches)
}

const NAME: &str = "metadata.name must be at most 40 lower-case letters, digits and '-', begin with a letter and end with a letter or digit";
const GOAL: &str = "goal (Maximize or Minimize) is required for a metric whose direction is not known; known are accuracy, precision, recall, f1, auc, r2, logloss, brier, mae, mse, rmse and mape";

/// Changes of a TrainingJob's spec that are refused: another value, and none where a field may be
/// absent.
fn immutable_field(field: &str) -> Option<Vec<Value>> {
    let template = json!({"spec": {"containers": [{"name": "other"}]}});
    let (other, optional) = match field {
        "model" => (json!("other"), true),
        "inputs" => (json!([{"name": "b", "dataset": {"name": "b"}}]), true),
        "parameters" => (json!({"trees": "20"}), true),
        "seed" => (json!(2), true),
        "template" => (template, false),
        "output" => (json!({"format": "onnx"}), false),
        "evaluation" => (json!({"against": "None"}), true),
        "objective" => (json!({"metric": "rmse"}), true),
        "retry" => (json!({"limit": 5}), false),
        "activeDeadline" => (json!("2h"), true),
        "cancelGracePeriod" => (json!("1m"), false),
        _ => return None,
    };
    let mut patches = vec![json!({field: other})];
    if optional {
        patches.push(json!({field: null}));
    }
    Some(patches)
}
