//! Watches: each with a backoff of its own, so that one that fails never wedges the rest.

use std::{collections::HashSet, fmt::Debug};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Api, Resource,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use millwright_plan::Reason;
use serde::de::DeserializeOwned;

use super::{
    context::Context,
    events,
    index::{Key, key},
};

/// A change of an object.
pub(crate) enum Change<K> {
    /// It was created or changed, or is there at the start.
    Applied(Box<K>),
    /// It is gone.
    Gone(Key),
}

/// Follows objects of one kind for ever and hands each change to `sink`. A list that is read again
/// after a broken watch comes as changes, too, so that several watches can feed one store.
///
/// Objects that can't be read are left out, and an Event says so: one bad object never stops the
/// rest.
pub(crate) async fn follow<K>(
    context: &Context,
    name: &'static str,
    api: Api<K>,
    config: watcher::Config,
    mut sink: impl FnMut(Change<K>) + Send,
) where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    let guarded: Api<DeserializeGuard<K>> = guard(context, &api);
    let scope = api
        .namespace()
        .map_or_else(|| name.to_owned(), |ns| format!("{name} in {ns}"));
    context.health.expect(&scope);
    let mut known = HashSet::<Key>::new();
    let mut listing: Option<HashSet<Key>> = None;
    let mut events = watcher::watcher(guarded, config).default_backoff().boxed();
    loop {
        match events.try_next().await {
            Ok(Some(event)) => {
                let listed = matches!(event, Event::InitDone);
                match event {
                    Event::Init => listing = Some(HashSet::new()),
                    Event::InitApply(object) | Event::Apply(object) => {
                        if let Some(object) = readable(context, &scope, object) {
                            let key = key(object.meta());
                            if let Some(listing) = &mut listing {
                                listing.insert(key.clone());
                            }
                            known.insert(key);
                            sink(Change::Applied(Box::new(object)));
                        }
                    }
                    Event::Delete(object) => {
                        let key = key(object.meta());
                        known.remove(&key);
                        sink(Change::Gone(key));
                    }
                    Event::InitDone => {
                        let listing = listing.take().unwrap_or_default();
                        for gone in known.difference(&listing).cloned().collect::<Vec<_>>() {
                            known.remove(&gone);
                            sink(Change::Gone(gone));
                        }
                    }
                }
                context.health.up(&scope, listed);
                if listed {
                    context.metrics.stream(name, true);
                }
            }
            Ok(None) => return,
            // The watch goes on after it: it is no reason to be unready.
            Err(error) if is_unreadable(&error) => {
                tracing::error!(
                    stream = name,
                    "one of the {scope} can't be read and is left out; it is nested too deeply: \
                     look for one whose status.observedGeneration stays -1 ({error})"
                );
            }
            Err(error) => {
                let problem = explain(&error);
                tracing::warn!(stream = name, "{problem}");
                context.health.down(&scope, problem);
                context.metrics.stream(name, false);
            }
        }
    }
}

fn guard<K>(context: &Context, api: &Api<K>) -> Api<DeserializeGuard<K>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match api.namespace() {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    }
}

/// Whether an error is about one object that no reader follows to its depth. Its event reads as an
/// answer without a code.
fn is_unreadable(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchFailed(kube::Error::SerdeError(_)) => true,
        watcher::Error::WatchFailed(kube::Error::Api(status)) => status.code == 0,
        _ => false,
    }
}

fn readable<K: Resource<DynamicType = ()>>(
    context: &Context,
    stream: &str,
    guarded: DeserializeGuard<K>,
) -> Option<K> {
    match guarded.0 {
        Ok(mut object) => {
            object.meta_mut().managed_fields = None;
            Some(object)
        }
        Err(invalid) => {
            let reference = ObjectReference {
                api_version: Some(K::api_version(&()).into_owned()),
                kind: Some(K::kind(&()).into_owned()),
                name: invalid.metadata.name,
                namespace: invalid.metadata.namespace,
                uid: invalid.metadata.uid,
                resource_version: invalid.metadata.resource_version,
                field_path: None,
            };
            tracing::error!(
                stream,
                namespace = reference.namespace,
                name = reference.name,
                "can't be read: {}",
                invalid.error
            );
            tell(context, reference, &invalid.error);
            None
        }
    }
}

/// Tells people of an object that can't be read, as soon as this replica leads.
fn tell(context: &Context, reference: ObjectReference, problem: &str) {
    let (recorder, mut leadership) = (context.recorder.clone(), context.leadership.clone());
    let message = format!("can't be read, so nothing is done about it: {problem}");
    tokio::spawn(async move {
        leadership.acquired().await;
        let event = millwright_plan::Event::warning(Reason::Unreadable, message);
        events::publish_on(&recorder, &reference, "Read", vec![event]).await;
    });
}

/// Says what a person can do about a failed watch.
fn explain(error: &watcher::Error) -> String {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        _ => None,
    };
    match status {
        Some(status) if status.code == 404 => {
            "the kind is not known to the API server: install the CRDs (they are in the chart)"
                .into()
        }
        Some(status) if status.code == 403 => {
            format!(
                "not allowed: {} (check the chart's ClusterRole)",
                status.message
            )
        }
        Some(status) if status.code == 410 => "the watch was too old and starts again".into(),
        Some(status) => format!("the API server refused: {}", status.message),
        None => format!("no answer from the API server: {error}"),
    }
}
