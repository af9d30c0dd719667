//! Whom a change concerns: the references between the resources are the pipeline.

use kube::ResourceExt;
use millwright_crds::{
    Dataset, LABEL_POLICY, Model, ModelDeployment, ModelVersion, RetrainPolicy, TrainingJob,
};

use crate::{
    controllers::Queues,
    runtime::{context::Context, index::Owner},
    watches::Changed,
};

/// A Dataset: itself, and the runs that wait for a version.
pub(crate) fn dataset(context: &Context, queues: &Queues, changed: &Changed<Dataset>) {
    let (namespace, name) = &changed.key;
    if changed.asked {
        queues.datasets.ask(namespace, name);
    }
    for run in context
        .stores
        .training_jobs
        .state_filter(|run| waits(run, namespace))
    {
        queues.training_jobs.ask(namespace, &run.name_any());
    }
}

fn waits(run: &TrainingJob, namespace: &str) -> bool {
    let attempts = run.status.as_ref().map_or(0, |status| status.attempts);
    run.namespace().as_deref() == Some(namespace) && attempts == 0
}

/// A run: itself, and the policy that started it.
pub(crate) fn training_job(context: &Context, queues: &Queues, changed: &Changed<TrainingJob>) {
    let (namespace, name) = &changed.key;
    if changed.asked {
        queues.training_jobs.ask(namespace, name);
    }
    let policy = changed
        .object
        .as_ref()
        .and_then(|run| run.labels().get(LABEL_POLICY).cloned());
    for known in context.stores.retrain_policies.state_filter(|known| {
        known.namespace().as_deref() == Some(namespace)
            && (changed.object.is_none() || known.uid() == policy)
    }) {
        queues.retrain_policies.ask(namespace, &known.name_any());
    }
}

/// A Model: itself, and the runs that are about to register a version.
pub(crate) fn model(context: &Context, queues: &Queues, changed: &Changed<Model>) {
    let (namespace, name) = &changed.key;
    if changed.asked {
        queues.models.ask(namespace, name);
    }
    for run in context.stores.training_jobs.state_filter(|run| {
        run.namespace().as_deref() == Some(namespace)
            && run.spec.model.as_deref() == Some(name)
            && !run
                .status
                .as_ref()
                .is_some_and(|status| status.phase.is_final())
    }) {
        queues.training_jobs.ask(namespace, &run.name_any());
    }
}

/// A version: itself, and the deployments of its model.
pub(crate) fn model_version(context: &Context, queues: &Queues, changed: &Changed<ModelVersion>) {
    let (namespace, name) = &changed.key;
    if changed.asked {
        queues.model_versions.ask(namespace, name);
        let model = changed
            .object
            .as_ref()
            .map(|version| version.spec.model.clone());
        for deployment in context.stores.model_deployments.state_filter(|deployment| {
            deployment.namespace().as_deref() == Some(namespace)
                && model
                    .as_ref()
                    .is_none_or(|model| deployment.spec.model.name == *model)
        }) {
            queues
                .model_deployments
                .ask(namespace, &deployment.name_any());
        }
    }
}

/// A deployment: itself, the policies that watch it, and the versions of its model, whose status
/// says where they serve.
pub(crate) fn model_deployment(
    context: &Context,
    queues: &Queues,
    changed: &Changed<ModelDeployment>,
) {
    let (namespace, name) = &changed.key;
    if changed.asked {
        queues.model_deployments.ask(namespace, name);
    }
    for policy in context.stores.retrain_policies.state_filter(|policy| {
        policy.namespace().as_deref() == Some(namespace) && policy.spec.deployment.name == *name
    }) {
        queues.retrain_policies.ask(namespace, &policy.name_any());
    }
    let model = changed
        .object
        .as_ref()
        .map(|deployment| deployment.spec.model.name.clone());
    for version in context.stores.model_versions.state_filter(|version| {
        version.namespace().as_deref() == Some(namespace)
            && model
                .as_ref()
                .is_none_or(|model| version.spec.model == *model)
    }) {
        queues.model_versions.ask(namespace, &version.name_any());
    }
}

/// A policy: itself.
pub(crate) fn retrain_policy(_: &Context, queues: &Queues, changed: &Changed<RetrainPolicy>) {
    if changed.asked {
        queues.retrain_policies.ask(&changed.key.0, &changed.key.1);
    }
}

/// A child: its owner. When the child is gone its kind of owner isn't known any more, and asking a
/// queue for an object that doesn't exist is nothing.
pub(crate) fn child(queues: &Queues, kind: Option<&str>, owner: &Owner) {
    let Owner { namespace, name } = owner;
    if kind.is_none_or(|kind| kind == "dataset") {
        queues.datasets.ask(namespace, name);
    }
    if kind.is_none_or(|kind| kind == "trainingjob") {
        queues.training_jobs.ask(namespace, name);
    }
    if kind.is_none_or(|kind| kind == "modeldeployment") {
        queues.model_deployments.ask(namespace, name);
    }
}
