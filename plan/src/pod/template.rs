//! Users' pod templates, decoded strictly: every field that Kubernetes doesn't know is named
//! before anything is created. The API server's own refusals of an apply name no field.

use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use millwright_crds::common::PodTemplate;
use serde_json::Value;

use super::{
    mounts::{self, Wanted},
    parts, quantity,
};
use crate::SpecError;

/// Most bytes of a template: the API server takes 1.5 MiB for a Job, which carries beside it who
/// owns each field.
const LIMIT: usize = 400_000;
/// Most characters of an image's name: a ModelVersion records it.
const IMAGE_LIMIT: usize = 512;

/// A template whose fields Kubernetes knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The template.
    pub template: PodTemplateSpec,
    /// Index of the container that the template is for.
    pub main: usize,
    /// Path of the template, for messages.
    pub field: String,
}

impl Decoded {
    /// Spec of the pod.
    pub fn spec(&mut self) -> &mut PodSpec {
        self.template.spec.get_or_insert_default()
    }

    /// The container that the template is for.
    pub fn container(&mut self) -> &mut Container {
        let main = self.main;
        &mut self.spec().containers[main]
    }

    /// Refuses mounts of that container that meet what we mount there.
    ///
    /// # Errors
    /// Names the field of the first that does.
    pub fn check_mounts(&mut self, wanted: &[Wanted<'_>]) -> Result<(), SpecError> {
        let field = format!("{}.spec.containers[{}].volumeMounts", self.field, self.main);
        let theirs = self.container().volume_mounts.clone().unwrap_or_default();
        mounts::check(&theirs, &field, wanted)
    }

    /// An error of a field of that container.
    pub fn container_error(&self, field: &str, message: impl Into<String>) -> SpecError {
        SpecError::new(
            format!("{}.spec.containers[{}].{field}", self.field, self.main),
            message,
        )
    }
}

/// Decodes the template at `field` and finds the container named `main`, else the only one.
///
/// # Errors
/// Names the first field that Kubernetes doesn't know, or that has the wrong type.
pub fn decode(template: &PodTemplate, field: &str, main: &str) -> Result<Decoded, SpecError> {
    let bytes = template.0.to_string().len();
    if bytes > LIMIT {
        return Err(SpecError::new(
            field,
            format!(
                "has {bytes} bytes, at most {LIMIT} are allowed: move large values to a ConfigMap"
            ),
        ));
    }
    let mut input = template.0.clone();
    quantities(&mut input);
    let decoded: PodTemplateSpec = serde_path_to_error::deserialize(&input).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." {
            field.to_owned()
        } else {
            format!("{field}.{path}")
        };
        SpecError::new(path, format!("{}", error.inner()))
    })?;
    let known = serde_json::to_value(&decoded).unwrap_or(Value::Null);
    if let Some(path) = unknown(&input, &known, field) {
        return Err(SpecError::new(
            path,
            "Kubernetes has no such field: check its spelling and place",
        ));
    }
    if let Some((path, text)) = quantity::first_wrong(&input, field) {
        return Err(SpecError::new(
            path,
            format!("{text:?} is not a quantity: write a number with a unit, as in 500m or 2Gi"),
        ));
    }
    if let Some(spec) = &decoded.spec {
        parts::check(spec, field)?;
    }
    let containers = decoded
        .spec
        .as_ref()
        .map_or(&[][..], |spec| &spec.containers);
    let main = match containers {
        [_] => 0,
        _ => containers
            .iter()
            .position(|c| c.name == main)
            .ok_or_else(|| {
                SpecError::new(
                    format!("{field}.spec.containers"),
                    format!("one container must be named \"{main}\" when there are several"),
                )
            })?,
    };
    for (index, container) in containers.iter().enumerate() {
        let image = container.image.as_deref().unwrap_or_default();
        if image.is_empty() || image.chars().count() > IMAGE_LIMIT {
            return Err(SpecError::new(
                format!("{field}.spec.containers[{index}].image"),
                format!("an image of at most {IMAGE_LIMIT} characters is required"),
            ));
        }
    }
    Ok(Decoded {
        template: decoded,
        main,
        field: field.into(),
    })
}

/// Kubernetes takes numbers as quantities (`cpu: 1`); the typed form wants strings.
fn quantities(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(quantities),
        Value::Object(fields) => {
            for (key, inner) in fields.iter_mut() {
                match (key.as_str(), &mut *inner) {
                    ("requests" | "limits" | "overhead", Value::Object(resources)) => {
                        resources.values_mut().for_each(stringify);
                    }
                    ("sizeLimit" | "divisor" | "storage", number @ Value::Number(_)) => {
                        stringify(number);
                    }
                    _ => quantities(inner),
                }
            }
        }
        _ => {}
    }
}

fn stringify(value: &mut Value) {
    if let Value::Number(number) = value {
        *value = Value::String(number.to_string());
    }
}

/// Path of the first field of `input` that is not in `known`. Absent and empty are the same.
fn unknown(input: &Value, known: &Value, path: &str) -> Option<String> {
    match (input, known) {
        (Value::Object(input), Value::Object(known)) => input.iter().find_map(|(key, value)| {
            let path = format!("{path}.{key}");
            match known.get(key) {
                Some(inner) => unknown(value, inner, &path),
                None if is_empty(value) => None,
                None => Some(path),
            }
        }),
        (Value::Array(input), Value::Array(known)) => input
            .iter()
            .zip(known)
            .enumerate()
            .find_map(|(index, (a, b))| unknown(a, b, &format!("{path}[{index}]"))),
        _ => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(template: Value) -> String {
        decode(&PodTemplate(template), "spec.template", "trainer")
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn takes_what_kubernetes_takes() {
        let template = PodTemplate(json!({
            "metadata": {"labels": {"a": "b"}},
            "spec": {"nodeSelector": {}, "containers": [{
                "name": "x", "image": "i", "command": ["c"],
                "resources": {"requests": {"cpu": 1, "memory": "1Gi"}},
                "livenessProbe": {"httpGet": {"port": "http"}},
            }]},
        }));
        let mut decoded = decode(&template, "spec.template", "trainer").unwrap();
        let requests = decoded
            .container()
            .resources
            .clone()
            .unwrap()
            .requests
            .unwrap();
        assert_eq!(requests["cpu"].0, "1");
    }

    #[test]
    fn names_the_unknown_field() {
        let message =
            error(json!({"spec": {"containers": [{"name": "x", "image": "i", "comand": ["c"]}]}}));
        assert!(
            message.starts_with("spec.template.spec.containers[0].comand:"),
            "{message}"
        );
    }

    #[test]
    fn names_the_field_of_a_wrong_type() {
        let message =
            error(json!({"spec": {"containers": [{"name": "x", "image": "i", "command": "c"}]}}));
        assert!(
            message.starts_with("spec.template.spec.containers[0].command:"),
            "{message}"
        );
    }

    #[test]
    fn asks_for_a_name_among_several() {
        let message = error(json!({"spec": {"containers": [
            {"name": "a", "image": "i"}, {"name": "b", "image": "i"}]}}));
        assert!(message.contains("\"trainer\""), "{message}");
        let two = json!({"spec": {"containers": [
            {"name": "a", "image": "i"}, {"name": "trainer", "image": "i"}]}});
        assert_eq!(decode(&PodTemplate(two), "t", "trainer").unwrap().main, 1);
    }

    #[test]
    fn names_what_the_api_server_would_refuse_without_a_place() {
        let container = |extra: Value| {
            let mut container = json!({"name": "x", "image": "i"});
            for (key, value) in extra.as_object().unwrap() {
                container[key] = value.clone();
            }
            container
        };
        let spec = |extra: Value| {
            let mut spec = json!({"containers": [container(json!({}))]});
            for (key, value) in extra.as_object().unwrap() {
                spec[key] = value.clone();
            }
            json!({"spec": spec})
        };
        let cpu = container(json!({"resources": {"limits": {"cpu": "many"}}}));
        let volume = json!({"name": "a", "emptyDir": {}});
        let huge = container(json!({"args": ["a".repeat(LIMIT)]}));
        let long = json!({"name": "x", "image": "i".repeat(IMAGE_LIMIT + 1)});
        for (template, place) in [
            (
                spec(json!({"containers": [cpu]})),
                ".spec.containers[0].resources.limits.cpu:",
            ),
            (
                spec(json!({"volumes": [volume, volume]})),
                ".spec.volumes[1].name:",
            ),
            (
                spec(json!({"volumes": [{"name": "millwright-bin"}]})),
                ".spec.volumes[0].name:",
            ),
            (
                spec(json!({"initContainers": [container(json!({}))]})),
                ".spec.initContainers[0].name:",
            ),
            (spec(json!({"containers": [huge]})), ": has "),
            (
                spec(json!({"containers": [long]})),
                ".spec.containers[0].image:",
            ),
        ] {
            let message = error(template);
            assert!(
                message.starts_with(&format!("spec.template{place}")),
                "{message:.200}"
            );
        }
    }

    #[test]
    fn asks_for_an_image() {
        let message = error(json!({"spec": {"containers": [{"name": "x"}]}}));
        assert!(message.contains("containers[0].image"), "{message}");
    }
}
