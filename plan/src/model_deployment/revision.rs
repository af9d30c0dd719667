//! What a stage's Deployment remembers: the pods that it runs, and those that they replaced.
//!
//! The spec says only what is wanted now. To scale, or to take a version back, after the spec has
//! changed, what ran before must be known to the letter, or else its pods would be replaced, too.
//! The Deployment itself carries it in an annotation.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde::{Deserialize, Serialize};

use super::target::Version;

/// Annotation with a list of revisions as JSON: what the Deployment's template is, and what it
/// replaced, which is what to return to while the template is being rolled out.
pub const ANNOTATION: &str = "millwright.dev/revisions";

/// What pods of a stage are made from.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(super) struct Revision {
    /// Number of the version.
    pub version: u32,
    /// Digest of its files.
    pub digest: String,
    /// Hash of what the pods are made from.
    pub revision: String,
    /// The pod.
    pub template: PodTemplateSpec,
}

impl Revision {
    /// The version.
    pub fn version(&self) -> Version {
        Version {
            number: self.version,
            digest: self.digest.clone(),
        }
    }
}

/// Reads the annotation; nothing when it isn't there or can't be read.
pub(super) fn read(annotations: &BTreeMap<String, String>) -> Vec<Revision> {
    annotations
        .get(ANNOTATION)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

/// The annotation's value.
pub(super) fn write(running: &Revision, before: Option<&Revision>) -> String {
    let list: Vec<&Revision> = std::iter::once(running).chain(before).collect();
    // Templates are made of strings and whole numbers, so they always have a JSON form.
    serde_json::to_string(&list).unwrap_or_default()
}
