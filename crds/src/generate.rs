//! The CRDs, as the chart ships them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use crate::{Dataset, Model, ModelDeployment, ModelVersion, RetrainPolicy, TrainingJob};

/// All CRDs, in the order of the loop.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        Dataset::crd(),
        TrainingJob::crd(),
        Model::crd(),
        ModelVersion::crd(),
        ModelDeployment::crd(),
        RetrainPolicy::crd(),
    ]
}

/// A CRD as JSON, with what the derive can't say:
/// - no `nullable`: an absent field is absent, and `null` is pruned before it reaches us;
/// - no number formats that Kubernetes doesn't know;
/// - the default of `status`, so that a new object never reads as finished before the first pass;
/// - a spec that is immutable in its own kind may be changed where it is another kind's template.
pub fn polished(crd: &CustomResourceDefinition) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(crd)?;
    if let Some(versions) = value
        .pointer_mut("/spec/versions")
        .and_then(Value::as_array_mut)
    {
        for version in versions {
            if let Some(schema) = version.pointer_mut("/schema/openAPIV3Schema") {
                polish_schema(schema);
                if let Some(template) =
                    schema.pointer_mut("/properties/spec/properties/template/properties/spec")
                {
                    drop_transition_rules(template);
                }
                if let Some(status) = schema.pointer_mut("/properties/status") {
                    set(
                        status,
                        "default",
                        json!({"observedGeneration": -1, "phase": "Pending"}),
                    );
                }
            }
        }
    }
    Ok(value)
}

fn set(value: &mut Value, key: &str, to: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(key.into(), to);
    }
}

/// Removes the rules that compare a value with what it was before.
fn drop_transition_rules(schema: &mut Value) {
    if let Some(Value::Array(rules)) = schema.get_mut("x-kubernetes-validations") {
        let compares = |rule: &Value| rule["rule"].as_str().is_some_and(|r| r.contains("oldSelf"));
        rules.retain(|rule| !compares(rule));
    }
}

const KNOWN_FORMATS: [&str; 5] = ["int32", "int64", "double", "float", "date-time"];

fn polish_schema(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("nullable");
    if object
        .get("format")
        .and_then(Value::as_str)
        .is_some_and(|f| !KNOWN_FORMATS.contains(&f))
    {
        object.remove("format");
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    tidy_description(object);
    for key in ["properties", "patternProperties"] {
        if let Some(Value::Object(properties)) = object.get_mut(key) {
            properties.values_mut().for_each(polish_schema);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(key) {
            polish_schema(inner);
        }
    }
}

/// Descriptions are doc comments: their line breaks are ours, not the reader's.
fn tidy_description(object: &mut Map<String, Value>) {
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
        visit(path, schema);
        if let Some(Value::Object(properties)) = schema.get("properties") {
            for (name, inner) in properties {
                walk(&format!("{path}.{name}"), inner, visit);
            }
        }
        for key in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(key).filter(|inner| inner.is_object()) {
                walk(&format!("{path}[]"), inner, visit);
            }
        }
    }

    fn each_schema(mut visit: impl FnMut(&str, &Value)) {
        for crd in crds() {
            let value = polished(&crd).unwrap();
            let kind = value
                .pointer("/spec/names/kind")
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned();
            let schema = value
                .pointer("/spec/versions/0/schema/openAPIV3Schema")
                .unwrap();
            walk(&kind, schema, &mut visit);
        }
    }

    #[test]
    fn every_field_has_a_description() {
        each_schema(|path, schema| {
            let leaf = path.rsplit('.').next().unwrap_or(path);
            if path.contains('.') && !leaf.ends_with("[]") && !path.contains("conditions") {
                assert!(
                    schema.get("description").is_some(),
                    "{path} has no description"
                );
            }
        });
    }

    #[test]
    fn every_list_of_the_spec_has_a_bound() {
        each_schema(|path, schema| {
            if path.contains(".spec") && schema.get("type") == Some(&json!("array")) {
                assert!(schema.get("maxItems").is_some(), "{path} has no maxItems");
            }
        });
    }

    #[test]
    fn every_string_of_the_spec_has_a_bound() {
        each_schema(|path, schema| {
            if path.contains(".spec") && schema.get("type") == Some(&json!("string")) {
                let bounded = schema.get("maxLength").is_some() || schema.get("enum").is_some();
                assert!(bounded, "{path} has no maxLength");
            }
        });
    }

    #[test]
    fn only_a_kinds_own_spec_is_immutable() {
        each_schema(|path, schema| {
            let rules = schema.get("x-kubernetes-validations").map(Value::to_string);
            if path.matches('.').count() > 1 {
                assert!(
                    !rules.unwrap_or_default().contains("oldSelf"),
                    "{path} can't be changed"
                );
            }
        });
    }

    #[test]
    fn new_objects_never_read_as_finished() {
        for crd in crds() {
            let value = polished(&crd).unwrap();
            let default = value
                .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/status/default")
                .unwrap();
            assert_eq!(default["observedGeneration"], json!(-1));
        }
    }
}
