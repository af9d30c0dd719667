//! How a Dataset stands: phase, conditions and what they say.

use millwright_crds::{
    DatasetStatus,
    common::{Condition, ConditionType},
    dataset::DatasetPhase,
};

use super::{outcome::Obstacle, request, versions};
use crate::{Reason, SpecError, conditions::Verdict, time};

/// How a Dataset stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Standing {
    /// One word for people.
    pub phase: DatasetPhase,
    /// From which the conditions follow.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// In words.
    pub message: String,
}

impl Standing {
    fn new(phase: DatasetPhase, verdict: Verdict, reason: Reason, message: String) -> Self {
        Self {
            phase,
            verdict,
            reason,
            message,
        }
    }

    /// The spec can't work.
    pub fn invalid(error: &SpecError) -> Self {
        Self::new(
            DatasetPhase::Stalled,
            Verdict::Stalled,
            Reason::InvalidSpec,
            error.to_string(),
        )
    }

    /// A sync is under way.
    pub fn syncing(status: &DatasetStatus, uri: &str, obstacle: Option<&Obstacle>) -> Self {
        let (reason, what) = match obstacle {
            None => (Reason::Syncing, format!("{uri} is being read")),
            Some(obstacle) => (obstacle.reason, said_before(status, obstacle)),
        };
        let message = with_current(status, &what);
        Self::new(DatasetPhase::Syncing, at_work(status), reason, message)
    }

    /// No sync is under way.
    pub fn settled(status: &DatasetStatus, suspended: bool, failure: Option<&Obstacle>) -> Self {
        if suspended {
            let verdict = if status.current.is_some() {
                Verdict::ReadyAndSuspended
            } else {
                Verdict::Suspended
            };
            let message = with_current(
                status,
                "spec.suspend is true: set it to false to sync again",
            );
            return Self::new(DatasetPhase::Suspended, verdict, Reason::Suspended, message);
        }
        if let Some(last) = status.last_sync.as_ref().filter(|last| last.failures > 0) {
            let next = time::format(request::retry_at(last));
            let times = if last.failures == 1 {
                "the last sync failed".to_owned()
            } else {
                format!("the last {} syncs failed", last.failures)
            };
            let (reason, message) = match (failure, kept(status)) {
                (Some(failure), _) => (
                    failure.reason,
                    with_current(
                        status,
                        &format!("{times} and is tried again at {next}: {}", failure.message),
                    ),
                ),
                (None, Some((reason, message))) => (reason, message),
                (None, None) => (
                    Reason::SyncFailed,
                    with_current(status, &format!("{times} and is tried again at {next}")),
                ),
            };
            return Self::new(DatasetPhase::Failed, at_work(status), reason, message);
        }
        let rejected = versions::rejected(status);
        match (&status.current, rejected) {
            (Some(now), None) => Self::new(
                DatasetPhase::Ready,
                Verdict::Ready,
                Reason::Synced,
                format!(
                    "{} is current: {} rows in {} files",
                    now.version, now.rows, now.files
                ),
            ),
            (Some(now), Some(rejected)) => Self::new(
                DatasetPhase::Ready,
                Verdict::Ready,
                Reason::ExpectationFailed,
                format!(
                    "{}; {} stays current",
                    versions::describe_rejected(rejected),
                    now.version
                ),
            ),
            (None, Some(rejected)) => Self::new(
                DatasetPhase::Rejected,
                Verdict::Waiting,
                Reason::ExpectationFailed,
                format!(
                    "{}; no version is current: mend the data or spec.expectations and sync again",
                    versions::describe_rejected(rejected)
                ),
            ),
            (None, None) => Self::new(
                DatasetPhase::Pending,
                Verdict::Waiting,
                Reason::Unknown,
                "no version is known, although a sync has ended: set the annotation \
                 millwright.dev/refresh to a new value to sync again"
                    .into(),
            ),
        }
    }
}

/// With a version to give, a Dataset does its job while a sync is under way.
fn at_work(status: &DatasetStatus) -> Verdict {
    if status.current.is_some() {
        Verdict::ReadyAndReconciling
    } else {
        Verdict::Reconciling
    }
}

fn with_current(status: &DatasetStatus, what: &str) -> String {
    match &status.current {
        Some(now) => format!("{} is current; {what}", now.version),
        None => what.into(),
    }
}

fn ready(status: &DatasetStatus) -> Option<&Condition> {
    status
        .conditions
        .iter()
        .find(|condition| condition.type_ == ConditionType::Ready.as_str())
}

/// What was said of the failure when it was seen: the Job and its pod may be gone by now.
fn kept(status: &DatasetStatus) -> Option<(Reason, String)> {
    let ready = ready(status).filter(|_| status.phase == DatasetPhase::Failed)?;
    Some((Reason::parse(&ready.reason)?, ready.message.clone()))
}

/// The kubelet says in turns that an image can't be pulled and that it waits with the next try:
/// what was said first stays, or each turn would be a write.
fn said_before(status: &DatasetStatus, obstacle: &Obstacle) -> String {
    let flaps = matches!(obstacle.reason, Reason::ImagePull | Reason::ContainerStart);
    ready(status)
        .filter(|ready| flaps && ready.reason == obstacle.reason.as_str())
        .filter(|_| status.phase == DatasetPhase::Syncing)
        .map_or_else(
            || obstacle.message.clone(),
            |ready| {
                let prefix = with_current(status, "");
                let said = ready.message.strip_prefix(&prefix);
                said.unwrap_or(&ready.message).to_owned()
            },
        )
}
