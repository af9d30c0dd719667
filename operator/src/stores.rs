//! What the watches know.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{
    Resource, ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use millwright_crds::{Dataset, Model, ModelDeployment, ModelVersion, RetrainPolicy, TrainingJob};
use millwright_plan::{
    model_deployment::ServiceState,
    observed::{DeploymentState, JobState, PodState},
    store::Store as ArtifactStore,
};

use crate::{
    runtime::index::{self, Index, Key},
    watches::Writers,
};

/// A claim of ours: that it exists is all that matters.
pub(crate) struct Claim;

impl From<&PersistentVolumeClaim> for Claim {
    fn from(_: &PersistentVolumeClaim) -> Self {
        Self
    }
}

/// What the watches know: our kinds whole, others as projections.
pub(crate) struct Stores {
    pub(crate) datasets: Store<Dataset>,
    pub(crate) training_jobs: Store<TrainingJob>,
    pub(crate) models: Store<Model>,
    pub(crate) model_versions: Store<ModelVersion>,
    pub(crate) model_deployments: Store<ModelDeployment>,
    pub(crate) retrain_policies: Store<RetrainPolicy>,
    pub(crate) jobs: Index<JobState>,
    pub(crate) pods: Index<PodState>,
    pub(crate) deployments: Index<DeploymentState>,
    pub(crate) services: Index<ServiceState>,
    pub(crate) claims: Index<Claim>,
}

impl Stores {
    /// What these writers write.
    pub(crate) fn new(writers: &Writers) -> Self {
        Self {
            datasets: writers.datasets.as_reader(),
            training_jobs: writers.training_jobs.as_reader(),
            models: writers.models.as_reader(),
            model_versions: writers.model_versions.as_reader(),
            model_deployments: writers.model_deployments.as_reader(),
            retrain_policies: writers.retrain_policies.as_reader(),
            jobs: Index::default(),
            pods: Index::default(),
            deployments: Index::default(),
            services: Index::default(),
            claims: Index::default(),
        }
    }

    /// The resourceVersion that the stores have of an object.
    pub(crate) fn resource_version(&self, kind: &str, key: &Key) -> Option<u64> {
        match kind {
            "Dataset" => of(&self.datasets, key),
            "TrainingJob" => of(&self.training_jobs, key),
            "Model" => of(&self.models, key),
            "ModelVersion" => of(&self.model_versions, key),
            "ModelDeployment" => of(&self.model_deployments, key),
            "RetrainPolicy" => of(&self.retrain_policies, key),
            "Job" => self.jobs.resource_version(key),
            "Pod" => self.pods.resource_version(key),
            "Deployment" => self.deployments.resource_version(key),
            "Service" => self.services.resource_version(key),
            "PersistentVolumeClaim" => self.claims.resource_version(key),
            _ => None,
        }
    }

    /// UID of the owner of a child that is written by apply, if the stores have the child.
    pub(crate) fn owner_uid(&self, kind: &str, key: &Key) -> Option<String> {
        match kind {
            "Deployment" => self.deployments.owner_uid(key),
            "Service" => self.services.owner_uid(key),
            _ => None,
        }
    }

    /// Whether what pods need for the artifact store exists in a namespace: its claim, if it has
    /// one.
    pub(crate) fn has_store(&self, namespace: &str, store: &ArtifactStore) -> bool {
        store.claim().is_none_or(|claim| {
            self.claims
                .contains(&(namespace.to_owned(), claim.to_owned()))
        })
    }
}

fn of<K>(store: &Store<K>, (namespace, name): &Key) -> Option<u64>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let object = store.get(&ObjectRef::new(name).within(namespace))?;
    Some(index::parse(object.resource_version().as_deref()))
}
