//! What a watch makes of an object's JSON.
//!
//! Objects of ours may be what no version of this program has written: each is read by itself, so
//! that one that can't be read never stops the others. Those of Kubernetes can be read always, but
//! most of each, above all the pod template and nearly all of `managedFields`, is of no use here, and
//! they come by the thousands: only the rest is read.

use std::{borrow::Cow, collections::BTreeMap, fmt::Debug};

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStatus},
        batch::v1::{Job, JobStatus},
        core::v1::{PersistentVolumeClaim, Pod, PodStatus, Service, ServicePort, ServiceSpec},
    },
    apimachinery::pkg::apis::meta::v1::{
        FieldsV1, ManagedFieldsEntry, ObjectMeta, OwnerReference, Time,
    },
};
use kube::{
    Resource,
    core::{NamespaceResourceScope, PartialObjectMeta, error_boundary::InvalidObject},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, IgnoredAny},
};
use serde_json::{Value, json};

/// An object of a namespace as a watch reads it.
pub(crate) trait Readable:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + 'static
{
    /// What it is an object of.
    type Object: Resource<DynamicType = (), Scope = NamespaceResourceScope>;

    /// The object, or why it can't be read.
    fn object(self) -> Result<Self::Object, Box<InvalidObject>>;
}

/// An object of ours, read by itself.
#[derive(Clone, Debug)]
pub(crate) struct Guarded<K>(Result<K, Box<InvalidObject>>);

impl<'de, K> Deserialize<'de> for Guarded<K>
where
    K: DeserializeOwned + Resource,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let object = match K::deserialize(&value) {
            Ok(object) => Ok(object),
            Err(error) => {
                let partial = PartialObjectMeta::<K>::deserialize(&value);
                Err(Box::new(InvalidObject {
                    error: error.to_string(),
                    metadata: partial.map_err(D::Error::custom)?.metadata,
                }))
            }
        };
        Ok(Self(object))
    }
}

impl<K> Readable for Guarded<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    type Object = K;

    fn object(self) -> Result<K, Box<InvalidObject>> {
        let mut object = self.0?;
        object.meta_mut().managed_fields = None;
        Ok(object)
    }
}

/// An object of Kubernetes without what nobody here reads.
#[derive(Clone, Debug)]
pub(crate) struct Lean<K>(K);

impl<'de, K: Part> Deserialize<'de> for Lean<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        K::Wire::deserialize(deserializer).map(|wire| Self(wire.into()))
    }
}

impl<K> Readable for Lean<K>
where
    K: Part
        + Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Send
        + 'static,
{
    type Object = K;

    fn object(self) -> Result<K, Box<InvalidObject>> {
        Ok(self.0)
    }
}

/// A kind of which a part is read.
pub(crate) trait Part: Sized {
    /// That part.
    type Wire: DeserializeOwned + Into<Self>;
}

/// `metadata` without `managedFields`.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Meta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

impl From<Meta> for ObjectMeta {
    fn from(meta: Meta) -> Self {
        Self {
            name: meta.name,
            namespace: meta.namespace,
            uid: meta.uid,
            resource_version: meta.resource_version,
            generation: meta.generation,
            creation_timestamp: meta.creation_timestamp,
            deletion_timestamp: meta.deletion_timestamp,
            labels: meta.labels,
            annotations: meta.annotations,
            owner_references: meta.owner_references,
            ..Self::default()
        }
    }
}

/// `metadata` with those of `managedFields` that have parts of the spec, without saying which parts.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ManagedMeta {
    #[serde(flatten)]
    meta: Meta,
    managed_fields: Vec<Managed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Managed {
    manager: Option<String>,
    subresource: Option<String>,
    fields_v1: Option<ManagedFields>,
}

#[derive(Deserialize)]
struct ManagedFields {
    #[serde(rename = "f:spec")]
    spec: Option<IgnoredAny>,
}

impl From<ManagedMeta> for ObjectMeta {
    fn from(meta: ManagedMeta) -> Self {
        let of_spec = |one: &Managed| {
            let fields = one.fields_v1.as_ref();
            fields.is_some_and(|fields| fields.spec.is_some())
        };
        let managed = meta.managed_fields.into_iter().filter(of_spec);
        let managed = managed.map(|one| ManagedFieldsEntry {
            manager: one.manager,
            subresource: one.subresource,
            fields_v1: Some(FieldsV1(json!({"f:spec": {}}))),
            ..ManagedFieldsEntry::default()
        });
        Self {
            managed_fields: Some(managed.collect()),
            ..meta.meta.into()
        }
    }
}

macro_rules! part {
    ($wire:ident of $kind:ident { $meta:ty, $($field:ident: $type:ty,)* $(..$rest:expr)? }) => {
        #[doc = concat!("What is read of a ", stringify!($kind), ".")]
        #[derive(Deserialize, Default)]
        #[serde(default)]
        pub(crate) struct $wire {
            metadata: $meta,
            $($field: Option<$type>,)*
        }

        impl From<$wire> for $kind {
            fn from(wire: $wire) -> Self {
                Self {
                    metadata: wire.metadata.into(),
                    $($field: wire.$field.map(Into::into),)*
                    $(..$rest)?
                }
            }
        }

        impl Part for $kind {
            type Wire = $wire;
        }
    };
}

part!(JobWire of Job { Meta, status: JobStatus, ..Self::default() });
part!(PodWire of Pod { Meta, status: PodStatus, ..Self::default() });
part!(DeploymentWire of Deployment { ManagedMeta, spec: Scale, status: DeploymentStatus, });
part!(ServiceWire of Service { Meta, spec: Routes, ..Self::default() });
part!(ClaimWire of PersistentVolumeClaim { Meta, ..Self::default() });

/// What is read of a Deployment's spec.
#[derive(Deserialize)]
pub(crate) struct Scale {
    replicas: Option<i32>,
    paused: Option<bool>,
}

impl From<Scale> for DeploymentSpec {
    fn from(spec: Scale) -> Self {
        Self {
            replicas: spec.replicas,
            paused: spec.paused,
            ..Self::default()
        }
    }
}

/// What is read of a Service's spec.
#[derive(Deserialize)]
pub(crate) struct Routes {
    selector: Option<BTreeMap<String, String>>,
    ports: Option<Vec<ServicePort>>,
}

impl From<Routes> for ServiceSpec {
    fn from(spec: Routes) -> Self {
        Self {
            selector: spec.selector,
            ports: spec.ports,
            ..Self::default()
        }
    }
}

macro_rules! resource {
    ($type:ident, $meta:expr, $meta_mut:expr) => {
        impl<K: Resource<DynamicType = ()>> Resource for $type<K> {
            type DynamicType = ();
            type Scope = K::Scope;

            fn kind((): &()) -> Cow<'_, str> {
                K::kind(&())
            }

            fn group((): &()) -> Cow<'_, str> {
                K::group(&())
            }

            fn version((): &()) -> Cow<'_, str> {
                K::version(&())
            }

            fn plural((): &()) -> Cow<'_, str> {
                K::plural(&())
            }

            fn meta(&self) -> &ObjectMeta {
                $meta(&self.0)
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                $meta_mut(&mut self.0)
            }
        }
    };
}

resource!(Lean, K::meta, K::meta_mut);
resource!(Guarded, guarded_meta, guarded_meta_mut);

fn guarded_meta<K: Resource>(object: &Result<K, Box<InvalidObject>>) -> &ObjectMeta {
    match object {
        Ok(object) => object.meta(),
        Err(invalid) => &invalid.metadata,
    }
}

fn guarded_meta_mut<K: Resource>(object: &mut Result<K, Box<InvalidObject>>) -> &mut ObjectMeta {
    match object {
        Ok(object) => object.meta_mut(),
        Err(invalid) => &mut invalid.metadata,
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job};
    use millwright_crds::Model;
    use millwright_plan::{
        model_deployment::ServiceState,
        observed::{DeploymentState, JobState, PodState},
    };
    use serde_json::json;

    use super::*;

    fn metadata() -> Value {
        json!({
            "name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "7", "generation": 2,
            "creationTimestamp": "2026-01-02T03:04:05Z", "labels": {"millwright.dev/role": "training"},
            "annotations": {"millwright.dev/resolved": "{}"},
            "deletionTimestamp": "2026-01-02T03:05:05Z",
            "ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "o", "uid": "x"}],
            "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {"f:replicas": {}}}}],
        })
    }

    /// What planners get of an object is the same, whether all of it is read or a part.
    fn reads_enough<K, T>(object: &Value)
    where
        K: Part + DeserializeOwned + Resource<DynamicType = ()>,
        T: for<'a> From<&'a K> + PartialEq + Debug,
    {
        let whole: K = serde_json::from_value(object.clone()).unwrap();
        let Lean(part) = serde_json::from_value::<Lean<K>>(object.clone()).unwrap();
        assert_eq!(T::from(&part), T::from(&whole));
        let [part, whole] = [part.meta(), whole.meta()].map(|meta| ObjectMeta {
            managed_fields: None,
            ..meta.clone()
        });
        assert_eq!(part, whole);
    }

    #[test]
    fn a_part_says_all_that_planners_ask() {
        reads_enough::<Job, JobState>(&json!({
            "metadata": metadata(), "spec": {"template": {"spec": {"containers": []}}},
            "status": {"startTime": "2026-01-02T03:04:06Z", "conditions": [
                {"type": "Failed", "status": "True", "reason": "r", "message": "m",
                 "lastTransitionTime": "2026-01-02T03:04:07Z"},
            ]},
        }));
        reads_enough::<Pod, PodState>(&json!({
            "metadata": metadata(), "spec": {"containers": [{"name": "c", "image": "i"}]},
            "status": {
                "phase": "Running", "podIP": "10.0.0.1",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [{
                    "name": "c", "image": "i", "imageID": "d", "ready": true, "restartCount": 1,
                    "state": {"terminated": {"exitCode": 3, "message": "m", "reason": "Error"}},
                }],
            },
        }));
        reads_enough::<Deployment, DeploymentState>(&json!({
            "metadata": metadata(),
            "spec": {"replicas": 3, "paused": true, "selector": {}, "template": {}},
            "status": {"observedGeneration": 2, "availableReplicas": 3, "replicas": 3, "conditions": [
                {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
            ]},
        }));
        reads_enough::<Service, ServiceState>(&json!({
            "metadata": metadata(),
            "spec": {
                "selector": {"a": "b"}, "clusterIP": "10.0.0.1",
                "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
            },
        }));
    }

    #[test]
    fn an_object_that_can_not_be_read_says_which_and_why() {
        let bad = json!({"apiVersion": "v", "kind": "k", "metadata": metadata(), "spec": 5});
        let Guarded(read) = serde_json::from_value::<Guarded<Model>>(bad).unwrap();
        let invalid = read.unwrap_err();
        assert_eq!(invalid.metadata.name.as_deref(), Some("a"));
        assert!(invalid.error.contains('5'), "{}", invalid.error);
    }
}
