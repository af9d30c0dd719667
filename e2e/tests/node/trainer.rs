//! Runs whose trainer is a few lines of Python.

use std::time::Duration;

use anyhow::Result;
use kube::core::object::HasStatus;
use millwright_crds::{TrainingJob, TrainingJobStatus};
use millwright_e2e::scene::Scene;
use serde_json::{Value, json};

/// An image with Python.
pub const IMAGE: &str = "localhost/millwright/flights:dev";
/// Longest time that a run of seconds may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(180);

/// Leaves a model: one file with the parameter `kind`, and a metric.
pub const MODEL: &str = "
import json, os
folder = os.environ['MILLWRIGHT_MODEL_DIR']
with open(folder + '/model.txt', 'w') as file:
    file.write(os.environ.get('PARAM_KIND', 'plain'))
with open(folder + '/metrics.json', 'w') as file:
    json.dump({'mae': 1.0}, file)
";

/// A run of this script, with these changes of its spec. It is not tried again unless they say so.
pub fn run(name: &str, script: &str, spec: &Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": "TrainingJob",
        "metadata": {"name": name},
        "spec": {
            "retry": {"limit": 0, "backoff": {"initial": "1s"}},
            "cancelGracePeriod": "2s",
            "template": {"spec": pod("trainer", json!({"command": ["python3", "-c", script]}))},
        },
    });
    json_patch::merge(&mut manifest["spec"], spec);
    manifest
}

/// A pod of one container, as restricted as a namespace may ask for.
pub fn pod(name: &str, container: Value) -> Value {
    let mut whole = json!({
        "name": name,
        "image": IMAGE,
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
    });
    json_patch::merge(&mut whole, &container);
    json!({
        "automountServiceAccountToken": false,
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [whole],
    })
}

/// Waits until a run's status is as it should be.
pub async fn status(
    scene: &Scene,
    name: &str,
    what: &str,
    is_right: impl Fn(&TrainingJobStatus) -> bool,
) -> Result<TrainingJobStatus> {
    let look = |run: &TrainingJob| run.status().filter(|status| is_right(status)).cloned();
    scene.wait(name, what, SOON, look).await
}
