//! The Deployment of a stage.

use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use millwright_crds::{LABEL_MODEL, LABEL_STAGE, ModelDeployment, model_deployment::Stage};

use super::{
    SERVING, names,
    revision::{self, Revision},
};
use crate::{Object, pod::inject::Owner};

/// Old ReplicaSets that are kept: the one to return to, and one to look at.
const HISTORY: i32 = 2;

/// The Deployment that runs these pods, and remembers which to return to.
pub(super) fn build(
    object: &ModelDeployment,
    stage: &Stage,
    running: &Revision,
    before: Option<&Revision>,
) -> Object {
    let owner = Owner::of(object);
    let mut metadata = owner.child(names::stage(&owner.name, &stage.name), SERVING);
    metadata.labels.get_or_insert_default().extend([
        (LABEL_STAGE.into(), stage.name.clone()),
        (LABEL_MODEL.into(), object.spec.model.name.clone()),
    ]);
    metadata.annotations.get_or_insert_default().insert(
        revision::ANNOTATION.into(),
        revision::write(running, before),
    );
    // Its controller says when a rollout is late, to us as to `kubectl rollout status`.
    let deadline = i32::try_from(stage.rollback.on_unavailable.as_secs()).unwrap_or(i32::MAX);
    Object::built_in(&Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(replicas(stage)),
            selector: LabelSelector {
                match_labels: Some(names::selector(&owner, &stage.name)),
                match_expressions: None,
            },
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".into()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            progress_deadline_seconds: Some(deadline.max(1)),
            revision_history_limit: Some(HISTORY),
            template: running.template.clone(),
            ..DeploymentSpec::default()
        }),
        status: None,
    })
}

/// Pods that a stage wants.
pub(super) fn replicas(stage: &Stage) -> i32 {
    i32::try_from(stage.replicas).unwrap_or(i32::MAX)
}
