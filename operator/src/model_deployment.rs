//! ModelDeployments: what is read for a plan.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use millwright_crds::{
    ModelDeployment, ModelDeploymentStatus, model_deployment::ModelDeploymentPhase,
};
use millwright_plan::{
    Plan, Settings,
    model_deployment::{self, Foreign, Observed},
    observed::DeploymentState,
};

use crate::runtime::{
    apply::ApplyError,
    context::Context,
    controller::Controller,
    index::{Key, Other},
};

/// The controller of ModelDeployments.
pub(crate) struct ModelDeployments;

impl Controller for ModelDeployments {
    type Object = ModelDeployment;
    type Seen = Observed;
    const NAME: &'static str = model_deployment::FIELD_MANAGER;

    async fn observe(context: &Context, object: Arc<ModelDeployment>) -> anyhow::Result<Observed> {
        let stores = &context.stores;
        let namespace = object.namespace().unwrap_or_default();
        let uid = object.uid().unwrap_or_default();
        let model = &object.spec.model.name;
        let versions = stores.model_versions.state_filter(|version| {
            version.namespace().as_deref() == Some(&namespace) && version.spec.model == *model
        });
        let own_name = object.name_any();
        let foreign = |kind: &str, others: Vec<Other>| {
            let (kind, own_name) = (kind.to_owned(), own_name.clone());
            others.into_iter().map(move |other| Foreign {
                kind: kind.clone(),
                leaving: other.owned && other.owner == own_name,
                name: other.name,
            })
        };
        Ok(Observed {
            versions: versions.iter().map(|version| (**version).clone()).collect(),
            deployments: stores
                .deployments
                .of_owner(&uid)
                .iter()
                .map(|one| {
                    let key = (namespace.clone(), one.name.clone());
                    let spec = (one.uid.as_str(), one.generation, one.shared);
                    let exists = |key: &Key| stores.deployments.contains(key);
                    DeploymentState {
                        edited: context.edits.is_edited(key, spec, exists),
                        ..(**one).clone()
                    }
                })
                .collect(),
            services: stores
                .services
                .of_owner(&uid)
                .iter()
                .map(|s| (**s).clone())
                .collect(),
            jobs: stores
                .jobs
                .of_owner(&uid)
                .iter()
                .map(|job| (**job).clone())
                .collect(),
            pods: stores
                .pods
                .of_owner(&uid)
                .iter()
                .map(|pod| (**pod).clone())
                .collect(),
            store_claim: stores.has_store(&namespace, &context.settings.store),
            foreign: foreign("Deployment", stores.deployments.of_others(&namespace, &uid))
                .chain(foreign(
                    "Service",
                    stores.services.of_others(&namespace, &uid),
                ))
                .collect(),
            object: (*object).clone(),
        })
    }

    fn plan(seen: &Observed, settings: &Settings, now: Timestamp) -> Plan<ModelDeploymentStatus> {
        model_deployment::plan(seen, settings, now)
    }

    fn unjudged(seen: &Observed, status: ModelDeploymentStatus) -> ModelDeploymentStatus {
        ModelDeploymentStatus {
            conditions: status.conditions,
            phase: status.phase,
            ..model_deployment::judge_later(seen)
        }
    }

    fn stalled(
        _: &Observed,
        mut status: ModelDeploymentStatus,
        _: &ApplyError,
        _: Timestamp,
    ) -> ModelDeploymentStatus {
        status.phase = ModelDeploymentPhase::Stalled;
        status
    }
}
