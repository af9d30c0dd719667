//! The one shape of every controller: observe, plan, apply, commit the status, tell people.

use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::StreamExt;
use jiff::Timestamp;
use kube::{
    Resource, ResourceExt,
    core::object::HasStatus,
    runtime::{
        applier,
        controller::{Action, Config},
        reflector::Store,
    },
};
use millwright_plan::{
    Plan, Reason, Settings,
    conditions::{self, Verdict},
};
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    apply::{self, ApplyError},
    context::Context,
    queue::Requests,
    status::{self, Status},
};

/// Objects looked at side by side by one controller.
const CONCURRENCY: u16 = 16;
/// Changes that come within this time are one change.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// How soon a pass follows one that found the stores behind.
const CATCH_UP: Duration = Duration::from_millis(30);
/// Every object is looked at again after 5 to 10 minutes, whatever happens.
const RESYNC: Duration = Duration::from_secs(300);
/// First wait after a failure; it doubles up to [`BACKOFF_MAX`].
const BACKOFF: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// How soon an object is looked at again whose write was held back: the lease may be renewed after all.
const NOT_LEADING: Duration = Duration::from_secs(1);

/// A kind's controller.
pub(crate) trait Controller: Send + Sync + 'static {
    /// The kind.
    type Object: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + HasStatus<Status: Status>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static;
    /// What a plan is made from.
    type Seen: Send + Sync;
    /// Name: the field manager, and a label of metrics.
    const NAME: &'static str;

    /// Reads, and nothing else.
    fn observe(
        context: &Context,
        object: Arc<Self::Object>,
    ) -> impl Future<Output = anyhow::Result<Self::Seen>> + Send;

    /// Decides, without I/O.
    fn plan(seen: &Self::Seen, settings: &Settings, now: Timestamp) -> Plan<StatusOf<Self>>;

    /// The status after a pass that came to no end, which speaks of the new generation of the spec
    /// although nothing was decided for it.
    fn unjudged(_seen: &Self::Seen, status: StatusOf<Self>) -> StatusOf<Self> {
        status
    }

    /// The status after a write that only a person can make possible. `status` is the one before,
    /// with conditions that say what is wrong.
    fn stalled(
        _seen: &Self::Seen,
        status: StatusOf<Self>,
        _error: &ApplyError,
        _now: Timestamp,
    ) -> StatusOf<Self> {
        status
    }
}

/// The status of a controller's kind.
pub(crate) type StatusOf<C> = <<C as Controller>::Object as HasStatus>::Status;

/// A pass that came to no end; the object is looked at again after a wait.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PassError {
    /// I/O failed.
    #[error("{0:#}")]
    Failed(anyhow::Error),
    /// The API server has something newer than the stores.
    #[error("{0}")]
    Behind(String),
}

impl PassError {
    /// What metrics call it.
    fn outcome(&self) -> &'static str {
        match self {
            Self::Failed(_) => "error",
            Self::Behind(_) => "behind",
        }
    }

    /// The first wait; it doubles. The stores catch up in a moment, unless the newer object is one
    /// that can't be read.
    fn first_wait(&self) -> Duration {
        match self {
            Self::Failed(_) => BACKOFF,
            Self::Behind(_) => CATCH_UP,
        }
    }
}

/// Works on what comes out of the queue, until the process ends.
pub(crate) async fn run<C: Controller>(
    context: Arc<Context>,
    store: Store<C::Object>,
    queue: Requests<C::Object>,
) {
    let failures = Arc::new(Mutex::new(HashMap::<String, u32>::new()));
    let objects = store.clone();
    let counted = failures.clone();
    let passes = applier(
        move |object: Arc<C::Object>, context: Arc<Context>| {
            let failures = counted.clone();
            Box::pin(async move {
                if !context.works.load(Ordering::SeqCst) {
                    // Who stands by drops what is asked, and looks at everything when it leads.
                    return Ok(Action::await_change());
                }
                let uid = object.uid().unwrap_or_default();
                let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
                let result = pass::<C>(&context, object).await;
                let outcome = result.as_ref().map_or_else(PassError::outcome, |_| "ok");
                context.metrics.pass(C::NAME, outcome);
                tracing::debug!(controller = C::NAME, namespace, name, outcome, "looked at");
                if result.is_ok() {
                    failures.lock().remove(&uid);
                }
                result
            })
        },
        move |object, error, _| {
            let uid = object.uid().unwrap_or_default();
            let mut failures = failures.lock();
            if failures.len() == failures.capacity() {
                // Some were deleted while they failed.
                let all = objects.state();
                let alive: HashSet<_> = all.iter().filter_map(|object| object.uid()).collect();
                failures.retain(|uid, _| alive.contains(uid));
            }
            let count = failures.entry(uid.clone()).or_default();
            *count = count.saturating_add(1);
            let wait = error
                .first_wait()
                .saturating_mul(1 << (*count - 1).min(16))
                .min(BACKOFF_MAX);
            let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
            match error {
                PassError::Failed(_) => {
                    tracing::warn!(controller = C::NAME, namespace, name, "{error}");
                }
                PassError::Behind(_) => {
                    tracing::debug!(controller = C::NAME, namespace, name, "{error}");
                }
            }
            Action::requeue(wait + jitter(&uid, wait / 4))
        },
        context,
        store,
        queue,
        Config::default()
            .concurrency(CONCURRENCY)
            .debounce(DEBOUNCE),
    );
    passes.for_each(|_| std::future::ready(())).await;
}

/// One pass over an object.
async fn pass<C: Controller>(
    context: &Context,
    object: Arc<C::Object>,
) -> Result<Action, PassError> {
    let uid = object.uid().unwrap_or_default();
    if object.meta().deletion_timestamp.is_some() {
        // Children have owner references and go by themselves.
        return Ok(Action::await_change());
    }
    if !context
        .health
        .knows(object.namespace().as_deref().unwrap_or_default())
    {
        // A plan made from half a list would do again what was done.
        return Ok(Action::requeue(NOT_LEADING));
    }
    if !context
        .fresh
        .is_current(&uid, |kind, key| context.stores.resource_version(kind, key))
    {
        return Ok(Action::requeue(CATCH_UP));
    }
    let seen = {
        let _timer = context.metrics.step(C::NAME, "observe");
        C::observe(context, object.clone())
            .await
            .map_err(PassError::Failed)?
    };
    let now = Timestamp::now();
    let plan = {
        let _timer = context.metrics.step(C::NAME, "plan");
        C::plan(&seen, &context.settings, now)
    };
    let done = {
        let _timer = context.metrics.step(C::NAME, "apply");
        apply::apply(context, C::NAME, &uid, &plan.operations).await
    };
    let before = object.status().cloned().unwrap_or_default();
    let said = before.clone().conditions().clone();
    let (status, failed) = match done {
        Ok(()) => (plan.status, None),
        Err(ApplyError::Stale(what)) => return Err(PassError::Behind(what)),
        Err(ApplyError::NotLeading) => return Ok(Action::requeue(NOT_LEADING)),
        Err(ApplyError::Ends(_)) => return Ok(Action::await_change()),
        Err(error) => (
            after_failure::<C>(&seen, &object, before, &error, now),
            Some(error),
        ),
    };
    {
        let _timer = context.metrics.step(C::NAME, "commit");
        match status::commit(context, C::NAME, &*object, status).await {
            Ok(()) => {}
            Err(ApplyError::Stale(what)) => return Err(PassError::Behind(what)),
            Err(ApplyError::NotLeading) => return Ok(Action::requeue(NOT_LEADING)),
            Err(ApplyError::Ends(_)) => return Ok(Action::await_change()),
            Err(error) => return Err(PassError::Failed(error.into())),
        }
    }
    match failed {
        Some(error @ (ApplyError::Refused(_) | ApplyError::Conflict(_))) => {
            // Nothing changes without a person: the resync looks whether one has acted.
            let event = millwright_plan::Event::warning(reason(&error), error.to_string());
            // The pass before has told people; its message may have been cut.
            let known = said.iter().any(|c| {
                c.reason == event.reason.as_str() && event.message.starts_with(&c.message)
            });
            let news = if known { vec![] } else { vec![event] };
            context.events.publish(&*object, news);
            Ok(Action::requeue(RESYNC))
        }
        Some(error) => Err(PassError::Failed(error.into())),
        None => {
            context.events.publish(&*object, plan.events);
            let resync = RESYNC + jitter(&uid, RESYNC);
            Ok(Action::requeue(
                plan.requeue.map_or(resync, |wait| wait.min(resync)),
            ))
        }
    }
}

fn reason(error: &ApplyError) -> Reason {
    match error {
        ApplyError::Refused(_) => Reason::InvalidSpec,
        ApplyError::Conflict(_) | ApplyError::Occupied(_) => Reason::Conflict,
        _ => Reason::ApplyFailed,
    }
}

/// What was written before the failure stays; the status says what could not be.
fn after_failure<C: Controller>(
    seen: &C::Seen,
    object: &C::Object,
    before: StatusOf<C>,
    error: &ApplyError,
    now: Timestamp,
) -> StatusOf<C> {
    let message = error.to_string();
    let generation = object.meta().generation.unwrap_or(1);
    let for_good = matches!(error, ApplyError::Refused(_) | ApplyError::Conflict(_));
    let verdict = if for_good {
        Verdict::Stalled
    } else {
        Verdict::Reconciling
    };
    let mut status = before;
    let conditions = conditions::set(
        status.conditions(),
        &verdict,
        reason(error),
        &message,
        generation,
        now,
    );
    *status.conditions() = conditions;
    *status.observed_generation() = generation;
    let status = C::unjudged(seen, status);
    if for_good {
        C::stalled(seen, status, error, now)
    } else {
        status
    }
}

/// A part of `width` that is the same for an object each time, and another for each object: a
/// fleet never moves as one.
fn jitter(uid: &str, width: Duration) -> Duration {
    let hash = uid.bytes().fold(0u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(byte.into())
    });
    width.mul_f64(f64::from(hash % 1_000) / 1_000.0)
}
