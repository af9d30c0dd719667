//! What people write into pod templates that a pod can't have.

use serde_json::{Value, json};

/// Changes of a pod template, as JSON merge patches of its main container, its spec or the whole, with
/// the field that a refusal has to name.
pub fn patches() -> Vec<(Place, &'static str, Value)> {
    use Place::{Container, Spec, Template};
    let huge: Vec<Value> = (0..2_000)
        .map(|index| json!({"name": format!("V{index}"), "value": "x".repeat(100)}))
        .collect();
    let mount = |path: &str| json!([{"name": "tmp", "mountPath": path}]);
    let quantity = |text: Value| json!({"requests": {"memory": text}});
    vec![
        (Container, "ports", json!([{"containerPort": -1}])),
        (Container, "ports", json!([{"containerPort": 70_000}])),
        (Container, "ports", json!([{"containerPort": "80"}])),
        (
            Container,
            "ports",
            json!([{"containerPort": 80, "name": "A_B"}]),
        ),
        (Container, "env", json!([{"name": "A", "value": 1}])),
        (Container, "env", json!([{"name": "a=b c", "value": "1"}])),
        (
            Container,
            "env",
            json!([{"name": "A"}, {"name": "A", "value": "1"}]),
        ),
        (
            Container,
            "env",
            json!([{"name": "MILLWRIGHT_TASK", "value": "{}"}]),
        ),
        (
            Container,
            "env",
            json!([{"name": "", "value": "\u{1F937}"}]),
        ),
        (Container, "env", huge.into()),
        (
            Container,
            "env",
            json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k"}}}]),
        ),
        (
            Container,
            "envFrom",
            json!([{"configMapRef": {"name": "Not A Name"}}]),
        ),
        (Container, "name", json!("millwright-agent")),
        (Container, "name", json!("Trainer")),
        (Container, "name", json!("")),
        (Container, "name", json!("a".repeat(64))),
        (Container, "volumeMounts", mount("/millwright/bin")),
        (Container, "volumeMounts", mount("/")),
        (Container, "volumeMounts", mount("relative:path")),
        (Container, "volumeMounts", mount("/mnt/model")),
        (Container, "volumeMounts", mount("/mnt/models")),
        (
            Container,
            "volumeMounts",
            json!([{"name": "nowhere", "mountPath": "/x"}]),
        ),
        (Container, "volumeMounts", json!("/x")),
        (Container, "resources", quantity(json!("lots"))),
        (Container, "resources", quantity(json!("-1Gi"))),
        (Container, "resources", quantity(json!({"Gi": 1}))),
        (
            Container,
            "resources",
            json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
        ),
        (Container, "resources", json!({"limits": {"bogus": "1"}})),
        (Container, "image", json!("")),
        (Container, "image", json!(7)),
        (Container, "image", json!("x".repeat(600))),
        (Container, "image", json!(" \u{1F937} ")),
        (Container, "command", json!([])),
        (Container, "command", json!("train")),
        (Container, "command", json!([1])),
        (Container, "args", json!(["$(params.nothing)"])),
        (Container, "args", json!(["$(params."])),
        (Container, "args", json!(["x".repeat(450_000)])),
        (
            Container,
            "readinessProbe",
            json!({"httpGet": {"port": 99_999}}),
        ),
        (
            Container,
            "readinessProbe",
            json!({"exec": {"command": ["a"]}, "httpGet": {"port": 1}}),
        ),
        (Container, "lifecycle", json!({"preStop": {}})),
        (Container, "imagePullPolicy", json!("Sometimes")),
        (Container, "securityContext", json!({"runAsUser": -1})),
        (Container, "securityContext", json!({"runAsUser": "root"})),
        (Container, "terminationMessagePolicy", json!("Nonsense")),
        (Container, "comand", json!(["train"])),
        (
            Spec,
            "volumes",
            json!([{"name": "a", "emptyDir": {}}, {"name": "a", "emptyDir": {}}]),
        ),
        (
            Spec,
            "volumes",
            json!([{"name": "tmp", "hostPath": {"path": "/", "type": "Nonsense"}}]),
        ),
        (
            Spec,
            "volumes",
            json!([{"name": "tmp", "hostPath": {"path": "/../etc"}}]),
        ),
        (
            Spec,
            "volumes",
            json!([{"name": "tmp", "emptyDir": {"sizeLimit": "a lot"}}]),
        ),
        (
            Spec,
            "volumes",
            json!([{"name": "millwright-run", "emptyDir": {}}]),
        ),
        (
            Spec,
            "volumes",
            json!([{"name": "tmp"}, {"name": "Not-A-Name", "emptyDir": {}}]),
        ),
        (Spec, "volumes", json!({"tmp": {}})),
        (Spec, "initContainers", json!("x")),
        (Spec, "initContainers", json!([{}])),
        (Spec, "initContainers", json!([null])),
        (
            Spec,
            "initContainers",
            json!([{"name": "trainer", "image": "i"}]),
        ),
        (Spec, "restartPolicy", json!("Sometimes")),
        (Spec, "restartPolicy", json!("Always")),
        (Spec, "nodeSelector", json!({"disk": 1})),
        (Spec, "nodeSelector", json!({"not a label": "x"})),
        (Spec, "tolerations", json!([{"operator": "Perhaps"}])),
        (
            Spec,
            "affinity",
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}),
        ),
        (Spec, "terminationGracePeriodSeconds", json!(-5)),
        (Spec, "activeDeadlineSeconds", json!(0)),
        (Spec, "dnsPolicy", json!("Whatever")),
        (Spec, "serviceAccountName", json!("Not A Name")),
        (Spec, "imagePullSecrets", json!([{"name": "missing"}])),
        (Spec, "hostNetwork", json!("yes")),
        (Spec, "securityContext", json!({"fsGroup": -1})),
        (Spec, "priority", json!("high")),
        (Spec, "schedulerName", json!(5)),
        (Template, "metadata", json!({"labels": {"a": "b c"}})),
        (Template, "metadata", json!({"labels": {"a": 1}})),
        (
            Template,
            "metadata",
            json!({"labels": {"not/a/label": "x"}}),
        ),
        (
            Template,
            "metadata",
            json!({"labels": {"millwright.dev/owner-uid": "mine"}}),
        ),
        (Template, "metadata", json!({"annotations": {"a": {}}})),
        (Template, "metadata", json!({"name": "a".repeat(253)})),
        (
            Template,
            "metadata",
            json!({"lables": {}, "finalizers": ["x"]}),
        ),
    ]
}

/// What of a template a patch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its first container.
    Container,
    /// Its spec.
    Spec,
    /// The whole.
    Template,
}
