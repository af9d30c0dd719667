//! One status write per pass, and only when something changed.

use std::fmt::Debug;

use kube::{Api, Resource, ResourceExt, api::PostParams, core::object::HasStatus};
use millwright_crds::common::Condition;
use serde::{Serialize, de::DeserializeOwned};

use super::{apply::ApplyError, context::Context, index};

/// What all statuses have.
pub(crate) trait Status:
    Clone + Default + PartialEq + Debug + Send + Sync + 'static
{
    /// The conditions.
    fn conditions(&mut self) -> &mut Vec<Condition>;
    /// The generation that the status speaks of.
    fn observed_generation(&mut self) -> &mut i64;
}

macro_rules! status {
    ($($type:ty),*) => {$(
        impl Status for $type {
            fn conditions(&mut self) -> &mut Vec<Condition> {
                &mut self.conditions
            }
            fn observed_generation(&mut self) -> &mut i64 {
                &mut self.observed_generation
            }
        }
    )*};
}
status!(
    millwright_crds::DatasetStatus,
    millwright_crds::TrainingJobStatus,
    millwright_crds::ModelStatus,
    millwright_crds::ModelVersionStatus,
    millwright_crds::ModelDeploymentStatus,
    millwright_crds::RetrainPolicyStatus
);

/// Writes the status if it is another than the object has. The resourceVersion that the plan was
/// made from is the precondition.
///
/// # Errors
/// When the write fails; a conflict is an [`ApplyError::Stale`].
pub(crate) async fn commit<K>(
    context: &Context,
    controller: &'static str,
    object: &K,
    status: K::Status,
) -> Result<(), ApplyError>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + HasStatus
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
    K::Status: Status,
{
    if object.status() == Some(&status) {
        return Ok(());
    }
    if !context.leadership.may_write() {
        return Err(ApplyError::NotLeading);
    }
    let mut object = object.clone();
    *object.status_mut() = Some(status);
    let namespace = object.namespace().unwrap_or_default();
    let name = object.name_any();
    let api = Api::<K>::namespaced(context.client.clone(), &namespace);
    let params = PostParams {
        field_manager: Some(controller.into()),
        ..PostParams::default()
    };
    let result = api
        .replace_subresource("status", &name, &params, &object)
        .await;
    context.metrics.write(controller, "status", result.is_ok());
    let written = result.map_err(|error| match &error {
        kube::Error::Api(status) if status.code == 404 => {
            ApplyError::Ends(format!("{} {name} is gone", K::kind(&())))
        }
        _ => ApplyError::from_kube("write the status", &error),
    })?;
    let uid = object.uid().unwrap_or_default();
    let version = index::parse(written.resource_version().as_deref());
    context
        .fresh
        .wrote(&uid, &K::kind(&()), (namespace, name), version);
    Ok(())
}
