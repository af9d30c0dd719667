//! How an object that the API server took has to stand before long.

use kube::{ResourceExt, core::DynamicObject};
use millwright_crds::common::Condition;
use millwright_plan::Reason;

use super::mutate::Change;

/// How an object stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It does its job.
    Ready,
    /// It waits for something, and says for what.
    Waits,
    /// The operator has created its first Job; the status follows when that runs.
    AtWork,
    /// It says what a person has to mend.
    Stalled,
    /// Not as it should, so far.
    Wrong(String),
}

/// How an object stands. `at_work` says whether it has a Job.
pub fn judge(object: &DynamicObject, changes: &[Change], at_work: bool) -> Standing {
    let status = &object.data["status"];
    let observed = status["observedGeneration"].as_i64().unwrap_or(-1);
    if Some(observed) != object.metadata.generation {
        return if at_work && observed == -1 {
            Standing::AtWork
        } else {
            Standing::Wrong(format!("generation {observed} was seen last"))
        };
    }
    let conditions = serde_json::from_value(status["conditions"].clone());
    let conditions: Vec<Condition> = conditions.unwrap_or_default();
    let find = |kind: &str| conditions.iter().find(|c| c.type_ == kind);
    let is_true = |kind: &str| find(kind).is_some_and(|c| c.status == "True");
    if is_true("Suspended") && find("Ready").is_none() {
        return Standing::Waits;
    }
    let Some(ready) = find("Ready") else {
        return Standing::Wrong("it has no condition Ready".into());
    };
    let said = format!("{}: {}", ready.reason, ready.message);
    if is_true("Stalled") && is_true("Reconciling") {
        return Standing::Wrong(format!("Stalled and Reconciling: {said}"));
    }
    if is_true("Ready") {
        return Standing::Ready;
    }
    if ready.message.is_empty() {
        return Standing::Wrong(format!("{} says nothing", ready.reason));
    }
    if is_true("Stalled") {
        return if is_named(&ready.message, changes) {
            Standing::Stalled
        } else {
            Standing::Wrong(format!("no field is named: {said}"))
        };
    }
    match Reason::parse(&ready.reason) {
        None | Some(Reason::Unknown | Reason::ApplyFailed | Reason::Conflict) => {
            Standing::Wrong(said)
        }
        Some(_) => Standing::Waits,
    }
}

/// Whether a message names a field that was changed, or another by its whole path: a change at one
/// place can make another wrong.
pub fn is_named(message: &str, changes: &[Change]) -> bool {
    message.contains("spec.") || changes.iter().any(|change| message.contains(&change.field))
}

/// What was changed, the object's name, and how it stands, for people.
pub fn describe(object: &DynamicObject, changes: &[Change], standing: &Standing) -> String {
    let kind = object
        .types
        .as_ref()
        .map_or("", |types| types.kind.as_str());
    let changes: Vec<&str> = changes.iter().map(|change| change.what.as_str()).collect();
    format!(
        "{kind} {}: {}\n    {standing:?}",
        object.name_any(),
        changes.join("; ")
    )
}
