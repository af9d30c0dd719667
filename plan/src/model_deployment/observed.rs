//! What a plan for a ModelDeployment is made from.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{api::core::v1::Service, apimachinery::pkg::util::intstr::IntOrString};
use millwright_crds::{ModelDeployment, ModelVersion};

use super::stamp;
use crate::observed::{DeploymentState, JobState, PodState};

/// What a plan for a ModelDeployment is made from.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The deployment.
    pub object: ModelDeployment,
    /// The versions of its model in its namespace; others are left aside.
    pub versions: Vec<ModelVersion>,
    /// The Deployments that carry its UID.
    pub deployments: Vec<DeploymentState>,
    /// The Services that carry its UID.
    pub services: Vec<ServiceState>,
    /// The Jobs that carry its UID: tests of gates.
    pub jobs: Vec<JobState>,
    /// The pods that carry its UID: serving ones and those of tests.
    pub pods: Vec<PodState>,
    /// Whether the artifact store's claim exists in the namespace.
    pub store_claim: bool,
    /// Deployments and Services of the namespace that carry another UID: a name of ours among
    /// them is not to be taken over.
    pub foreign: Vec<Foreign>,
}

/// A Service of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceState {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Hash of what was applied.
    pub spec_hash: Option<String>,
    /// Which pods it sends traffic to.
    pub selector: BTreeMap<String, String>,
    /// Its ports, with the pods' port or the name of it.
    pub ports: BTreeSet<(i32, String)>,
}

impl ServiceState {
    /// Whether it sends traffic where `wanted` does. Somebody may have given it more ports.
    pub(super) fn leads_like(&self, wanted: &Self) -> bool {
        self.selector == wanted.selector && self.ports.is_superset(&wanted.ports)
    }
}

impl From<&Service> for ServiceState {
    fn from(service: &Service) -> Self {
        let meta = &service.metadata;
        let spec = service.spec.clone().unwrap_or_default();
        let ports = spec.ports.into_iter().flatten();
        let target = |target| match target {
            Some(IntOrString::Int(number)) => number.to_string(),
            Some(IntOrString::String(name)) => name,
            None => String::new(),
        };
        Self {
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            spec_hash: meta
                .annotations
                .as_ref()
                .and_then(|a| a.get(stamp::ANNOTATION))
                .cloned(),
            selector: spec.selector.unwrap_or_default(),
            ports: ports
                .map(|port| (port.port, target(port.target_port)))
                .collect(),
        }
    }
}

/// A Deployment or Service of another owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Foreign {
    /// `Deployment` or `Service`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Whether it was a deployment's of the same name that is gone, so that it goes, too.
    pub leaving: bool,
}
