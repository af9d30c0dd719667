//! Watches: each with a backoff of its own, so that one that fails never wedges the rest.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Api, Resource,
    runtime::watcher::{self, Event, InitialListStrategy},
};
use millwright_plan::Reason;

use super::{
    answer::said,
    client,
    context::Context,
    index::{Key, key},
    readable::Readable,
};

/// Wait after the first failure; it doubles up to [`BACKOFF_MAX`], so that work goes on within seconds
/// of the API server's return.
const BACKOFF: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(4);
/// What `kubectl apply` keeps on objects.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// A failure that comes so long after the last one is a first one.
const FORGOTTEN: Duration = Duration::from_secs(30);

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
/// Objects of ours that can't be read are left out, and an Event says so: one bad object never stops
/// the rest.
pub(crate) async fn follow<R: Readable>(
    context: &Arc<Context>,
    name: &'static str,
    namespace: Option<&str>,
    mut config: watcher::Config,
    mut sink: impl FnMut(Change<R::Object>) + Send,
) {
    let scope = namespace.map_or_else(|| name.to_owned(), |ns| format!("{name} in {ns}"));
    context.health.expect(&scope, namespace);
    let api: Api<R> = api(context, name, &scope, namespace);
    let mut known = HashSet::<Key>::new();
    let mut listing: Option<HashSet<Key>> = None;
    let mut events = watcher::watcher(api.clone(), config.clone()).boxed();
    let mut failures = Failures::default();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
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
                // While a list is read, what was known before may be wrong.
                if listing.is_none() {
                    up(context, name, &scope, listed);
                }
            }
            // The watch goes on after it: it is no reason to be unready.
            Err(error) if is_unreadable(&error) => {
                tracing::error!(
                    stream = name,
                    "one of the {scope} can't be read and is left out; it is nested too deeply: \
                     look for one whose status.observedGeneration stays -1 ({error})"
                );
            }
            // Before Kubernetes 1.32, and in 1.33.
            Err(error)
                if streams_no_lists(&error)
                    && config.initial_list_strategy == InitialListStrategy::StreamingList =>
            {
                tracing::info!(
                    stream = scope,
                    "lists are read: this API server streams none"
                );
                config.initial_list_strategy = InitialListStrategy::ListWatch;
                events = watcher::watcher(api.clone(), config.clone()).boxed();
            }
            Err(error) => {
                let problem = explain(&error);
                context.metrics.stream(name, false);
                if is_refused(&error) {
                    context.health.refused(&scope);
                }
                if context.health.down(&scope, problem.clone()) {
                    tracing::warn!(stream = scope, "{problem}");
                }
                tokio::time::sleep(failures.wait(Instant::now(), expired(&error))).await;
            }
        }
    }
}

/// Failures of a watch, one after the other.
#[derive(Default)]
struct Failures {
    count: u32,
    last: Option<Instant>,
    expired: bool,
}

impl Failures {
    /// How long to wait after one that happens now: up to a quarter more than the backoff, so that the
    /// watches don't come back as one. A watch that has only `expired` is read anew at once.
    fn wait(&mut self, now: Instant, expired: bool) -> Duration {
        if expired && !std::mem::replace(&mut self.expired, expired) {
            return Duration::ZERO;
        }
        self.expired = expired;
        let forgotten = |last: Instant| now.saturating_duration_since(last) > FORGOTTEN;
        if self.last.is_none_or(forgotten) {
            self.count = 0;
        }
        self.last = Some(now);
        let wait = BACKOFF
            .saturating_mul(1 << self.count.min(16))
            .min(BACKOFF_MAX);
        self.count = self.count.saturating_add(1);
        let part = Timestamp::now().subsec_nanosecond().unsigned_abs() / 1_000 % 1_000;
        wait + wait.mul_f64(f64::from(part) / 4_000.0)
    }
}

fn up(context: &Context, name: &str, scope: &str, listed: bool) {
    if let Some(time) = context.health.up(scope, listed) {
        tracing::info!(stream = scope, "is back after {time:.1?}");
    }
    context.metrics.stream(name, true);
}

fn api<R: Readable>(
    context: &Arc<Context>,
    name: &'static str,
    scope: &str,
    namespace: Option<&str>,
) -> Api<R> {
    let resumed = {
        let (context, scope) = (context.clone(), scope.to_owned());
        move || up(&context, name, &scope, false)
    };
    let client = client::noticing(&context.client, resumed);
    match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    }
}

/// Whether the API server refuses to begin a watch with the list (its feature gate WatchList is off).
fn streams_no_lists(error: &watcher::Error) -> bool {
    let watcher::Error::WatchStartFailed(kube::Error::Api(status)) = error else {
        return false;
    };
    status.code == 422 && status.message.contains("sendInitialEvents")
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

fn readable<R: Readable>(context: &Context, stream: &str, read: R) -> Option<R::Object> {
    match read.object() {
        Ok(mut object) => {
            // Only kubectl reads it, and it is the whole spec once more.
            if let Some(annotations) = &mut object.meta_mut().annotations {
                annotations.remove(LAST_APPLIED);
            }
            Some(object)
        }
        Err(invalid) => {
            let reference = ObjectReference {
                api_version: Some(R::api_version(&()).into_owned()),
                kind: Some(R::kind(&()).into_owned()),
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
    let (events, leadership) = (context.events.clone(), context.leadership.clone());
    let message = format!("can't be read, so nothing is done about it: {problem}");
    tokio::spawn(async move {
        leadership.acquired().await;
        let event = millwright_plan::Event::warning(Reason::Unreadable, message);
        events.publish_on(&reference, vec![event]);
    });
}

/// The code that the API server answered with, if it did.
fn code(error: &watcher::Error) -> Option<u16> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

/// Whether there is no right to it, or it isn't there.
fn is_refused(error: &watcher::Error) -> bool {
    matches!(code(error), Some(403 | 404))
}

/// Whether the API server has forgotten what a watch wanted to go on from.
fn expired(error: &watcher::Error) -> bool {
    code(error) == Some(410)
}

/// Says what a person can do about a failed watch.
fn explain(error: &watcher::Error) -> String {
    let status = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => match error {
            kube::Error::Api(status) => status,
            other => return format!("no answer from the API server: {}", said(other)),
        },
        watcher::Error::WatchError(status) => status,
        watcher::Error::NoResourceVersion => return error.to_string(),
    };
    let message = &status.message;
    match status.code {
        404 => "the kind is not known to the API server: install the CRDs (they are in the chart)"
            .into(),
        403 => format!("not allowed: {message} (check the chart's ClusterRole)"),
        410 => "the watch was too old and starts again".into(),
        _ => format!("the API server refused: {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_seconds_and_no_further() {
        let mut failures = Failures::default();
        let start = Instant::now();
        let mut wait = |after| failures.wait(start + Duration::from_secs(after), false);
        for (after, least) in [(0, 1), (1, 2), (3, 4), (7, 4), (12, 4), (60, 1)] {
            let least = Duration::from_secs(least);
            let waited = wait(after);
            assert!(waited >= least && waited <= least * 5 / 4, "{waited:?}");
        }
    }

    #[test]
    fn what_has_expired_is_read_anew_at_once_but_not_in_a_loop() {
        let mut failures = Failures::default();
        let now = Instant::now();
        assert_eq!(failures.wait(now, true), Duration::ZERO);
        assert!(failures.wait(now, true) >= BACKOFF);
        assert!(failures.wait(now, false) >= BACKOFF);
        assert_eq!(failures.wait(now, true), Duration::ZERO);
    }
}
