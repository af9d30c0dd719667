//! References between objects of one namespace.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// A Dataset of the same namespace, at one version.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DatasetReference {
    /// Name of the Dataset.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Version, e.g. `v3`. Absent: the version that is current when the consumer starts; what it
    /// resolved to is recorded in the consumer's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 12), regex(pattern = "^v[1-9][0-9]*$"))]
    pub version: Option<String>,
}
