use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;

use super::Labels;

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
        let status = deployment.status.clone().unwrap_or_default();
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
            observed: status.observed_generation >= meta.generation,
            replicas: deployment
                .spec
                .as_ref()
                .and_then(|spec| spec.replicas)
                .unwrap_or(1),
            updated: status.updated_replicas.unwrap_or(0),
            total: status.replicas.unwrap_or(0),
            available: status.available_replicas.unwrap_or(0),
            refused: status
                .conditions
                .iter()
                .flatten()
                .find(|c| c.type_ == "ReplicaFailure" && c.status == "True")
                .map(|c| c.message.clone().unwrap_or_default()),
        }
    }
}
