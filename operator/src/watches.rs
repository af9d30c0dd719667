//! Every watch, the store it feeds, and whom its changes concern.

use std::{
    collections::HashMap,
    fmt::Debug,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{PersistentVolumeClaim, Pod, Service},
};
use kube::{
    Resource, ResourceExt,
    core::NamespaceResourceScope,
    runtime::{
        reflector::{ObjectRef, store::Writer},
        watcher::{self, Event},
    },
};
use millwright_crds::{
    Dataset, LABEL_KIND, Model, ModelDeployment, ModelVersion, RetrainPolicy, TrainingJob,
    TrainingJobStatus, common::PodTemplate,
};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    controllers::Queues,
    runtime::{
        context::Context,
        index::{Index, Key, Owner},
        readable::{Guarded, Lean, Part},
        streams::{self, Change},
    },
    triggers,
};

/// The writing sides of the stores.
#[derive(Default)]
pub(crate) struct Writers {
    pub(crate) datasets: Writer<Dataset>,
    pub(crate) training_jobs: Writer<TrainingJob>,
    pub(crate) models: Writer<Model>,
    pub(crate) model_versions: Writer<ModelVersion>,
    pub(crate) model_deployments: Writer<ModelDeployment>,
    pub(crate) retrain_policies: Writer<RetrainPolicy>,
}

/// Starts every watch in every namespace.
pub(crate) fn start(
    context: &Arc<Context>,
    queues: &Queues,
    writers: Writers,
    namespaces: &[Option<String>],
) {
    let start = Start {
        context,
        queues,
        namespaces,
    };
    start.kind("datasets", writers.datasets, |_| {}, triggers::dataset);
    start.kind(
        "trainingjobs",
        writers.training_jobs,
        forget_templates,
        triggers::training_job,
    );
    start.kind("models", writers.models, |_| {}, triggers::model);
    start.kind(
        "modelversions",
        writers.model_versions,
        |_| {},
        triggers::model_version,
    );
    start.kind(
        "modeldeployments",
        writers.model_deployments,
        |_| {},
        triggers::model_deployment,
    );
    start.kind(
        "retrainpolicies",
        writers.retrain_policies,
        |_| {},
        triggers::retrain_policy,
    );
    let ours = || watcher::Config::default().labels(LABEL_KIND);
    start.children::<Job, _>("jobs", &ours(), |c| &c.stores.jobs);
    start.children::<Pod, _>("pods", &ours(), |c| &c.stores.pods);
    start.children::<Deployment, _>("deployments", &ours(), |c| &c.stores.deployments);
    start.children::<Service, _>("services", &ours(), |c| &c.stores.services);
    if let Some(claim) = context.settings.store.claim() {
        // By name: an administrator may have made it.
        let named = watcher::Config::default().fields(&format!("metadata.name={claim}"));
        start.children::<PersistentVolumeClaim, _>("claims", &named, |c| &c.stores.claims);
    }
}

/// A run that has ended makes no pods: their templates, the largest part of it, need not be kept.
fn forget_templates(run: &mut TrainingJob) {
    let ended = |status: &TrainingJobStatus| status.phase.is_final();
    if run.status.as_ref().is_some_and(ended) {
        run.spec.template = PodTemplate(Value::Null);
        if let Some(evaluation) = &mut run.spec.evaluation {
            evaluation.template = PodTemplate(Value::Null);
        }
    }
}

struct Start<'a> {
    context: &'a Arc<Context>,
    queues: &'a Queues,
    namespaces: &'a [Option<String>],
}

/// An object of ours that changed.
pub(crate) struct Changed<K> {
    /// Namespace and name.
    pub(crate) key: Key,
    /// The object; absent when it is gone.
    pub(crate) object: Option<Arc<K>>,
    /// Whether something other than status has changed.
    pub(crate) asked: bool,
}

impl Start<'_> {
    fn kind<K>(
        &self,
        name: &'static str,
        mut writer: Writer<K>,
        forget: fn(&mut K),
        concerns: fn(&Context, &Queues, &Changed<K>),
    ) where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        // Lists come as changes, so the store counts as complete from the start; the controllers
        // wait for the lists themselves.
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitDone);
        let store = writer.as_reader();
        let writer = Arc::new(Mutex::new((writer, HashMap::<Key, u64>::new())));
        for namespace in self.namespaces {
            let (context, queues) = (self.context.clone(), self.queues.clone());
            let (writer, store) = (writer.clone(), store.clone());
            let namespace = namespace.clone();
            tokio::spawn(async move {
                let config = watcher::Config::default().streaming_lists();
                let namespace = namespace.as_deref();
                streams::follow::<Guarded<K>>(&context, name, namespace, config, |mut change| {
                    if let Change::Applied(object) = &mut change {
                        forget(object);
                    }
                    let changed = {
                        let (writer, asked) = &mut *writer.lock();
                        record(writer, asked, &store, change)
                    };
                    if let Some(changed) = changed {
                        concerns(&context, &queues, &changed);
                    }
                })
                .await;
            });
        }
    }

    fn children<K, T>(
        &self,
        name: &'static str,
        config: &watcher::Config,
        index: for<'a> fn(&'a Context) -> &'a Index<T>,
    ) where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + Part
            + Send
            + Sync
            + 'static,
        T: for<'a> From<&'a K> + Send + Sync + 'static,
    {
        for namespace in self.namespaces {
            let (context, queues) = (self.context.clone(), self.queues.clone());
            let (namespace, config) = (namespace.clone(), config.clone().streaming_lists());
            tokio::spawn(async move {
                let namespace = namespace.as_deref();
                streams::follow::<Lean<K>>(&context, name, namespace, config, |change| {
                    let (kind, owners): (Option<String>, Vec<Owner>) = match change {
                        Change::Applied(object) => {
                            let kind = object.labels().get(LABEL_KIND).cloned();
                            (kind, index(&context).applied(&*object))
                        }
                        Change::Gone(key) => {
                            (None, index(&context).gone(&key).into_iter().collect())
                        }
                    };
                    for owner in owners {
                        triggers::child(&queues, kind.as_deref(), &owner);
                    }
                })
                .await;
            });
        }
    }
}

/// Puts a change into the store and says whether it asks for a pass: our own status writes don't.
fn record<K>(
    writer: &mut Writer<K>,
    asked: &mut HashMap<Key, u64>,
    store: &kube::runtime::reflector::Store<K>,
    change: Change<K>,
) -> Option<Changed<K>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    match change {
        Change::Applied(object) => {
            let key = crate::runtime::index::key(object.meta());
            let hash = intent(&*object);
            let reference = ObjectRef::from_obj(&*object);
            writer.apply_watcher_event(&Event::Apply(*object));
            let new = asked.insert(key.clone(), hash) != Some(hash);
            Some(Changed {
                key,
                object: store.get(&reference),
                asked: new,
            })
        }
        Change::Gone(key) => {
            asked.remove(&key);
            let known = store.get(&ObjectRef::new(&key.1).within(&key.0))?;
            writer.apply_watcher_event(&Event::Delete((*known).clone()));
            Some(Changed {
                key,
                object: None,
                asked: true,
            })
        }
    }
}

/// What of an object is intent: everything but status.
fn intent<K: Resource>(object: &K) -> u64 {
    let meta = object.meta();
    let mut hasher = DefaultHasher::new();
    meta.uid.hash(&mut hasher);
    meta.generation.hash(&mut hasher);
    meta.annotations.hash(&mut hasher);
    meta.labels.hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    hasher.finish()
}
