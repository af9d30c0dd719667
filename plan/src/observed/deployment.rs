use std::collections::BTreeMap;

use k8s_openapi::{
    api::apps::v1::Deployment,
    apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry},
};

use super::Labels;
use crate::model_deployment::FIELD_MANAGER;

/// Whether somebody else has changed a spec since it was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// Nobody has.
    No,
    /// It was applied before this process began, and others have parts of it.
    Perhaps,
    /// Somebody has.
    Yes,
}

/// An apps/v1 Deployment of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentState {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Its labels.
    pub labels: Labels,
    /// Annotations of ours.
    pub annotations: BTreeMap<String, String>,
    /// Number of the newest spec.
    pub generation: i64,
    /// Whether somebody else has changed the spec since it was applied.
    pub edited: Edited,
    /// Whether parts of the spec have another owner: somebody has changed it at some time, and what
    /// was changed may be a part that should be ours.
    pub shared: bool,
    /// Whether its controller has seen its newest spec.
    pub observed: bool,
    /// Pods asked for.
    pub replicas: i32,
    /// Pods made from the newest template.
    pub updated: i32,
    /// Pods, old ones included.
    pub total: i32,
    /// Pods that serve.
    pub available: i32,
    /// Why pods could not be created, in the API server's words.
    pub refused: Option<String>,
    /// Whether its controller has given the newest template up: for as long as the Deployment allows,
    /// no further pod of it has begun to serve.
    pub late: bool,
    /// Whether somebody has told its controller to wait.
    pub paused: bool,
}

impl DeploymentState {
    /// Whether all pods are new and serve, and no old one is left.
    pub fn complete(&self) -> bool {
        self.observed
            && self.updated == self.replicas
            && self.total == self.replicas
            && self.available == self.replicas
    }
}

impl From<&Deployment> for DeploymentState {
    fn from(deployment: &Deployment) -> Self {
        let meta = &deployment.metadata;
        let spec = deployment.spec.as_ref();
        let status = deployment.status.clone().unwrap_or_default();
        let observed = status.observed_generation >= meta.generation;
        let conditions = || status.conditions.iter().flatten();
        Self {
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            labels: Labels::of(meta),
            annotations: meta
                .annotations
                .clone()
                .unwrap_or_default()
                .into_iter()
                .filter(|(key, _)| key.starts_with("millwright.dev/"))
                .collect(),
            generation: meta.generation.unwrap_or_default(),
            edited: Edited::No,
            shared: meta.managed_fields.iter().flatten().any(is_others),
            observed,
            replicas: spec.and_then(|spec| spec.replicas).unwrap_or(1),
            updated: status.updated_replicas.unwrap_or(0),
            total: status.replicas.unwrap_or(0),
            available: status.available_replicas.unwrap_or(0),
            refused: conditions()
                .find(|c| c.type_ == "ReplicaFailure" && c.status == "True")
                .map(|c| c.message.clone().unwrap_or_default()),
            late: observed
                && conditions().any(|c| {
                    c.type_ == "Progressing"
                        && c.reason.as_deref() == Some("ProgressDeadlineExceeded")
                }),
            paused: spec.and_then(|spec| spec.paused).unwrap_or_default(),
        }
    }
}

/// Whether somebody else has parts of the spec; a scaler has them by way of a subresource.
fn is_others(entry: &ManagedFieldsEntry) -> bool {
    let of_spec = |fields: &FieldsV1| fields.0.get("f:spec").is_some();
    entry.manager.as_deref() != Some(FIELD_MANAGER)
        && entry.subresource.as_deref().unwrap_or_default().is_empty()
        && entry.fields_v1.as_ref().is_some_and(of_spec)
}
