//! Objects to write, and how.

use k8s_openapi::{
    Metadata, NamespaceResourceScope, Resource, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::core::{ApiResource, TypeMeta};
use serde::Serialize;
use serde_json::{Value, json};

/// An object to write, as the API server takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Group, version, kind and plural.
    pub resource: ApiResource,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The whole document, `apiVersion` and `kind` included.
    pub body: Value,
}

impl Object {
    /// A built-in object.
    pub fn built_in<K>(object: &K) -> Self
    where
        K: Resource<Scope = NamespaceResourceScope> + Metadata<Ty = ObjectMeta> + Serialize,
    {
        let resource = ApiResource {
            group: K::GROUP.into(),
            version: K::VERSION.into(),
            api_version: K::API_VERSION.into(),
            kind: K::KIND.into(),
            plural: K::URL_PATH_SEGMENT.into(),
        };
        Self::new(resource, object.metadata(), object)
    }

    /// An object of ours.
    pub fn custom<K>(object: &K) -> Self
    where
        K: kube::Resource<DynamicType = ()> + Serialize,
    {
        Self::new(ApiResource::erase::<K>(&()), object.meta(), object)
    }

    fn new(resource: ApiResource, meta: &ObjectMeta, object: &impl Serialize) -> Self {
        // Serializing a struct of plain values with string keys can't fail.
        let mut body = serde_json::to_value(object).unwrap_or_else(|_| json!({}));
        if let Some(fields) = body.as_object_mut() {
            let types = TypeMeta {
                api_version: resource.api_version.clone(),
                kind: resource.kind.clone(),
            };
            fields.insert("apiVersion".into(), types.api_version.into());
            fields.insert("kind".into(), types.kind.into());
        }
        Self {
            resource,
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            body,
        }
    }

    /// UID of the owner that the object's label names.
    pub fn owner(&self) -> Option<&str> {
        self.body
            .pointer("/metadata/labels/millwright.dev~1owner-uid")
            .and_then(Value::as_str)
    }
}

/// An existing object.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Group, version, kind and plural.
    pub resource: ApiResource,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID: what was planned for one object never happens to another of the same name.
    pub uid: String,
}

impl Target {
    /// A built-in object.
    pub fn built_in<K: Resource>(namespace: &str, name: &str, uid: &str) -> Self {
        let resource = ApiResource {
            group: K::GROUP.into(),
            version: K::VERSION.into(),
            api_version: K::API_VERSION.into(),
            kind: K::KIND.into(),
            plural: K::URL_PATH_SEGMENT.into(),
        };
        Self {
            resource,
            namespace: namespace.into(),
            name: name.into(),
            uid: uid.into(),
        }
    }
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// Creates by a strict POST. An object of that name that carries our owner's UID means that it
    /// was done before; any other is a conflict.
    Create(Object),
    /// Server-side apply of all fields that we own.
    Apply(Object),
    /// Deletes, in the background.
    Delete(Target),
    /// Writes the status of an object of another controller of ours, if nobody else did since.
    ReplaceStatus {
        /// The whole object with its new status.
        object: Object,
        /// The resourceVersion that the plan was made from.
        resource_version: String,
    },
}

impl Operation {
    /// What is written, for messages: `create Job train-1`.
    pub fn describe(&self) -> String {
        match self {
            Self::Create(object) => format!("create {} {}", object.resource.kind, object.name),
            Self::Apply(object) => format!("apply {} {}", object.resource.kind, object.name),
            Self::Delete(target) => format!("delete {} {}", target.resource.kind, target.name),
            Self::ReplaceStatus { object, .. } => {
                format!(
                    "write the status of {} {}",
                    object.resource.kind, object.name
                )
            }
        }
    }
}
