//! TrainingJobs: what is read for a plan.

use std::sync::Arc;

use jiff::Timestamp;
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use millwright_crds::{
    ModelDeployment, TrainingJob, TrainingJobStatus, model_deployment::ModelSelector,
};
use millwright_plan::{
    Plan, Settings,
    training_job::{self, Champion, Observed},
};

use crate::runtime::{apply::ApplyError, context::Context, controller::Controller};

/// The controller of TrainingJobs.
pub(crate) struct TrainingJobs;

impl Controller for TrainingJobs {
    type Object = TrainingJob;
    type Seen = Observed;
    const NAME: &'static str = "millwright-trainingjob";

    async fn observe(context: &Context, object: Arc<TrainingJob>) -> anyhow::Result<Observed> {
        let stores = &context.stores;
        let namespace = object.namespace().unwrap_or_default();
        let uid = object.uid().unwrap_or_default();
        let spec = &object.spec;
        let references = spec.inputs.iter().map(|input| &input.dataset.name).chain(
            spec.evaluation
                .as_ref()
                .map(|evaluation| &evaluation.dataset.name),
        );
        let datasets = references
            .filter_map(|name| {
                let dataset = stores
                    .datasets
                    .get(&ObjectRef::new(name).within(&namespace))?;
                Some((name.clone(), dataset.status.clone().unwrap_or_default()))
            })
            .collect();
        let model = spec
            .model
            .as_ref()
            .and_then(|name| stores.models.get(&ObjectRef::new(name).within(&namespace)));
        let last_version = model.as_ref().and_then(|model| {
            let number = model.status.as_ref()?.last_version;
            let name = format!("{}-v{number}", model.name_any());
            stores
                .model_versions
                .get(&ObjectRef::new(&name).within(&namespace))
        });
        Ok(Observed {
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
            datasets,
            champion: spec
                .model
                .as_ref()
                .and_then(|model| champion(context, &namespace, model)),
            model: model.map(|model| (*model).clone()),
            last_version: last_version.map(|version| (*version).clone()),
            store_claim: stores.has_claim(&namespace, &context.settings.store.claim),
            progress: None,
            object: (*object).clone(),
        })
    }

    fn plan(seen: &Observed, settings: &Settings, now: Timestamp) -> Plan<TrainingJobStatus> {
        training_job::plan(seen, settings, now)
    }

    fn stalled(
        seen: &Observed,
        status: TrainingJobStatus,
        error: &ApplyError,
        now: Timestamp,
    ) -> TrainingJobStatus {
        match error {
            ApplyError::Refused(message) => training_job::after_refusal(&seen.object, message, now),
            // The run goes on when the name is free.
            _ => status,
        }
    }
}

/// What the last stage of a ModelDeployment that follows the model runs. A deployment that is
/// pinned to a version keeps an old one on purpose and is no champion.
fn champion(context: &Context, namespace: &str, model: &str) -> Option<Champion> {
    let follows = |deployment: &ModelDeployment| {
        let ModelSelector { name, track, .. } = &deployment.spec.model;
        deployment.namespace().as_deref() == Some(namespace) && name == model && track.is_some()
    };
    let mut deployments = context.stores.model_deployments.state_filter(follows);
    deployments.sort_by_key(|deployment| deployment.name_any());
    deployments.iter().find_map(|deployment| {
        let current = deployment
            .status
            .as_ref()?
            .stages
            .last()?
            .current
            .as_ref()?;
        Some(Champion {
            version: current.version,
            digest: current.digest.clone(),
        })
    })
}
