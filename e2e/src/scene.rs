//! A namespace in which one test happens.

use std::{fmt::Debug, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    apply::{self, refusal},
    audit::AuditLog,
    diagnose,
    operator::Operator,
    quiet,
    wait::wait_for,
};

/// Most lines of the operator's log in an error.
const LOG_LINES: usize = 25;

/// A namespace in which one test happens.
pub struct Scene {
    client: Client,
    namespace: String,
    operator: Option<Arc<Operator>>,
}

/// What the kinds of a scene have in common.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
{
}

impl<K> Kind for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
{
}

impl Scene {
    /// Makes a namespace. Errors of waiting show the log of `operator`.
    ///
    /// # Errors
    /// When the namespace can't be created.
    pub async fn new(
        client: &Client,
        namespace: &str,
        operator: Option<Arc<Operator>>,
    ) -> Result<Self> {
        let object = Namespace {
            metadata: ObjectMeta {
                name: Some(namespace.into()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        Api::<Namespace>::all(client.clone())
            .create(&PostParams::default(), &object)
            .await
            .map_err(refusal)
            .with_context(|| format!("create namespace {namespace}"))?;
        Ok(Self::of(client, namespace, operator))
    }

    /// A namespace that exists.
    pub fn of(client: &Client, namespace: &str, operator: Option<Arc<Operator>>) -> Self {
        Self {
            client: client.clone(),
            namespace: namespace.into(),
            operator,
        }
    }

    /// Name of the namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A client with all rights.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The API of a kind.
    pub fn api<K: Kind>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Applies a manifest of one or more documents.
    ///
    /// # Errors
    /// The first document that was refused, with the API server's message.
    pub async fn apply(&self, manifest: &str) -> Result<Vec<DynamicObject>> {
        self.apply_documents(&apply::parse(manifest)?).await
    }

    /// Applies documents.
    ///
    /// # Errors
    /// The first document that was refused, with the API server's message.
    pub async fn apply_documents(&self, documents: &[Value]) -> Result<Vec<DynamicObject>> {
        apply::apply(&self.client, &self.namespace, documents).await
    }

    /// An object.
    ///
    /// # Errors
    /// When there is none.
    pub async fn get<K: Kind>(&self, name: &str) -> Result<K> {
        self.api()
            .get(name)
            .await
            .map_err(refusal)
            .with_context(|| format!("get {} {name}", K::kind(&())))
    }

    /// Changes an object by a JSON merge patch.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn merge<K: Kind>(&self, name: &str, patch: &Value) -> Result<K> {
        self.api()
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .map_err(refusal)
            .with_context(|| format!("change {} {name}", K::kind(&())))
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn delete<K: Kind>(&self, name: &str) -> Result<()> {
        self.api::<K>()
            .delete(name, &DeleteParams::background())
            .await
            .map(drop)
            .map_err(refusal)
            .with_context(|| format!("delete {} {name}", K::kind(&())))
    }

    /// Waits until `look` finds what it is looking for in an object.
    ///
    /// # Errors
    /// After `timeout`, with the object as YAML, the pods and Events of the namespace and the end
    /// of the operator's log.
    pub async fn wait<K: Kind, T>(
        &self,
        name: &str,
        what: &str,
        timeout: Duration,
        mut look: impl FnMut(&K) -> Option<T>,
    ) -> Result<T> {
        let kind = K::kind(&());
        let api = self.api::<K>();
        let look = async || Ok(api.get_opt(name).await?.as_ref().and_then(&mut look));
        let explain = async || {
            let object = api.get_opt(name).await;
            let state = match &object {
                Ok(Some(object)) => diagnose::yaml(object),
                Ok(None) => "there is none".into(),
                Err(error) => error.to_string(),
            };
            format!("{kind} {name}:\n{state}\n{}", self.explain().await)
        };
        let what = format!("{what} ({kind} {name} in {})", self.namespace);
        wait_for(&what, timeout, look, explain).await
    }

    /// Waits for anything.
    ///
    /// # Errors
    /// As [`Scene::wait`].
    pub async fn wait_until<T>(
        &self,
        what: &str,
        timeout: Duration,
        look: impl AsyncFnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let what = format!("{what} (in {})", self.namespace);
        wait_for(&what, timeout, look, async || self.explain().await).await
    }

    /// The pods and Events of the namespace, and the end of the operator's log.
    pub async fn explain(&self) -> String {
        let pods = diagnose::pods(&self.client, &self.namespace).await;
        let events = diagnose::events(&self.client, &self.namespace).await;
        let log = match &self.operator {
            Some(operator) => operator.log_tail(LOG_LINES).await,
            None => "there is no operator".into(),
        };
        format!("Pods:\n{pods}\nEvents:\n{events}\nThe operator's log:\n{log}")
    }

    /// Ends the test: what is left must rest (see [`quiet`]), then the namespace is deleted with all
    /// that is in it, so that its pods leave their place to others.
    ///
    /// # Errors
    /// When the operator doesn't rest, or the deletion is refused.
    pub async fn close(self) -> Result<()> {
        if let Some(operator) = &self.operator {
            let log = AuditLog::from_now(operator.audit_log())?;
            let writes = || self.writes(&log, operator);
            quiet::ensure_quiet(&self, operator, writes).await?;
        }
        Api::<Namespace>::all(self.client.clone())
            .delete(&self.namespace, &DeleteParams::background())
            .await
            .map(drop)
            .map_err(refusal)
            .with_context(|| format!("delete namespace {}", self.namespace))
    }

    /// What the operator wrote here.
    fn writes(&self, log: &AuditLog, operator: &Operator) -> Result<Vec<String>> {
        let requests = log.of_user(operator.user())?.into_iter();
        let ours = requests.filter(|r| r.namespace == self.namespace && r.is_write());
        let ours = ours.filter(|r| !r.is_aside());
        Ok(ours.map(|request| request.to_string()).collect())
    }
}
