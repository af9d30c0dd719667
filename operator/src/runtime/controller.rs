//! The one shape of every controller: observe, plan, apply, commit the status, tell people.

use std::{fmt::Debug, future::Future, sync::Arc, time::Duration};

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

    /// The status after the API server refused for good what the plan wanted to write.
    fn refused(
        _seen: &Self::Seen,
        before: StatusOf<Self>,
        _message: &str,
        _now: Timestamp,
    ) -> StatusOf<Self> {
        before
    }
}

/// The status of a controller's kind.
pub(crate) type StatusOf<C> = <<C as Controller>::Object as HasStatus>::Status;

/// A pass that failed; the object is looked at again after a wait.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
pub(crate) struct PassError(anyhow::Error);

/// Works on what comes out of the queue, until the process ends.
pub(crate) async fn run<C: Controller>(
    context: Arc<Context>,
    store: Store<C::Object>,
    queue: Requests<C::Object>,
) {
    let failures = Arc::new(parking_lot::Mutex::new(std::collections::HashMap::<
        String,
        u32,
    >::new()));
    let counted = failures.clone();
    let passes = applier(
        move |object: Arc<C::Object>, context: Arc<Context>| {
            let failures = counted.clone();
            Box::pin(async move {
                let uid = object.uid().unwrap_or_default();
                let result = pass::<C>(&context, object).await;
                let outcome = if result.is_ok() { "ok" } else { "error" };
                context.metrics.pass(C::NAME, outcome);
                if result.is_ok() {
                    failures.lock().remove(&uid);
                }
                result
            })
        },
        move |object, error, _| {
            let uid = object.uid().unwrap_or_default();
            let mut failures = failures.lock();
            let count = failures.entry(uid.clone()).or_default();
            *count = count.saturating_add(1);
            let wait = BACKOFF
                .saturating_mul(1 << (*count - 1).min(16))
                .min(BACKOFF_MAX);
            tracing::warn!(
                controller = C::NAME,
                namespace = object.namespace().unwrap_or_default(),
                name = object.name_any(),
                "{error}"
            );
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
        .fresh
        .is_current(&uid, |kind, key| context.stores.resource_version(kind, key))
    {
        return Ok(Action::requeue(CATCH_UP));
    }
    let seen = {
        let _timer = context.metrics.step(C::NAME, "observe");
        C::observe(context, object.clone())
            .await
            .map_err(PassError)?
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
    let (status, failed) = match done {
        Ok(()) => (plan.status, None),
        Err(ApplyError::Stale(_)) => return Ok(Action::requeue(CATCH_UP)),
        Err(ApplyError::NotLeading) => return Ok(Action::requeue(BACKOFF_MAX)),
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
            Err(ApplyError::Stale(_)) => return Ok(Action::requeue(CATCH_UP)),
            Err(ApplyError::NotLeading) => return Ok(Action::requeue(BACKOFF_MAX)),
            Err(ApplyError::Ends(_)) => return Ok(Action::await_change()),
            Err(error) => return Err(PassError(error.into())),
        }
    }
    match failed {
        Some(error @ (ApplyError::Refused(_) | ApplyError::Conflict(_))) => {
            // Nothing changes without a person: the resync looks whether one has acted.
            let event = millwright_plan::Event::warning(reason(&error), error.to_string());
            context.events.publish(&*object, vec![event]);
            Ok(Action::requeue(RESYNC))
        }
        Some(error) => Err(PassError(error.into())),
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
        ApplyError::Conflict(_) => Reason::Conflict,
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
    if for_good {
        C::refused(seen, status, &message, now)
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
