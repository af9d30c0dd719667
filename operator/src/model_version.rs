//! ModelVersions: what is read for a plan.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use millwright_crds::{ModelDeployment, ModelVersion, ModelVersionStatus};
use millwright_plan::{Plan, Settings, model_version};

use crate::runtime::{context::Context, controller::Controller};

/// The controller of ModelVersions.
pub(crate) struct ModelVersions;

impl Controller for ModelVersions {
    type Object = ModelVersion;
    type Seen = (ModelVersion, Vec<ModelDeployment>);
    const NAME: &'static str = "millwright-modelversion";

    async fn observe(context: &Context, object: Arc<ModelVersion>) -> anyhow::Result<Self::Seen> {
        let namespace = object.namespace();
        let deployments = context.stores.model_deployments.state_filter(|deployment| {
            deployment.namespace() == namespace && deployment.spec.model.name == object.spec.model
        });
        let deployments = deployments
            .iter()
            .map(|deployment| (**deployment).clone())
            .collect();
        Ok(((*object).clone(), deployments))
    }

    fn plan(seen: &Self::Seen, _: &Settings, now: Timestamp) -> Plan<ModelVersionStatus> {
        model_version::plan(&seen.0, &seen.1, now)
    }
}
