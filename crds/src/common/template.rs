//! Pod templates, kept whole.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A core/v1 `PodTemplateSpec`. The CRD keeps its fields as they are; the planner decodes them
/// strictly and names every field that Kubernetes doesn't know before anything is created.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(transparent)]
pub struct PodTemplate(pub serde_json::Value);

impl JsonSchema for PodTemplate {
    fn schema_name() -> Cow<'static, str> {
        "PodTemplate".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "required": ["spec"],
            "properties": {
                "metadata": {
                    "type": "object",
                    "description": "Labels and annotations of the pod.",
                    "x-kubernetes-preserve-unknown-fields": true,
                },
                "spec": {
                    "type": "object",
                    "description": "A core/v1 PodSpec.",
                    "required": ["containers"],
                    "properties": {
                        "containers": {
                            "type": "array",
                            "description": "At least one container.",
                            "minItems": 1,
                            "maxItems": 20,
                            "items": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": true,
                            },
                        },
                    },
                    "x-kubernetes-preserve-unknown-fields": true,
                },
            },
        })
    }
}
