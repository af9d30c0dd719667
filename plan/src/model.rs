//! Decisions about Models: a spec that was seen, so that an applied Model doesn't read as work under
//! way for ever. Numbers are the runs' to draw.
//!
//! | phase | Ready | reason |
//! |---|---|---|
//! | Pending (no version yet) | True | Registered |
//! | Ready | True | Registered |

use jiff::Timestamp;
use kube::ResourceExt;
use millwright_crds::model::{Model, ModelPhase, ModelStatus};

use crate::{
    Plan, Reason,
    conditions::{self, Verdict},
};

/// What a Model says that has no version.
const NO_VERSION: &str =
    "it has no version yet: a TrainingJob whose spec.model names it registers the first";

/// What follows for this Model.
pub fn plan(model: &Model, now: Timestamp) -> Plan<ModelStatus> {
    let mut status = model.status.clone().unwrap_or_default();
    let generation = model.metadata.generation.unwrap_or_default();
    let (phase, message) = match &status.latest {
        Some(latest) => (ModelPhase::Ready, message(latest)),
        // A run that has created a Model draws its first number next, and says the rest with it.
        None if is_made_by_a_run(model) => return Plan::status(status),
        None => (ModelPhase::Pending, NO_VERSION.into()),
    };
    status.observed_generation = generation;
    status.phase = phase;
    status.conditions = conditions::set(
        &status.conditions,
        &Verdict::Ready,
        Reason::Registered,
        &message,
        generation,
        now,
    );
    Plan::status(status)
}

/// Label of what a run has made, and its value.
pub(crate) const MADE_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "millwright");

fn is_made_by_a_run(model: &Model) -> bool {
    let (label, value) = MADE_BY;
    model
        .labels()
        .get(label)
        .is_some_and(|found| found == value)
}

/// What the conditions say of a Model with versions.
pub(crate) fn message(latest: &str) -> String {
    format!("{latest} is the latest version")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn model(labels: serde_json::Value, status: serde_json::Value) -> Model {
        serde_json::from_value(json!({
            "apiVersion": "millwright.dev/v1alpha1",
            "kind": "Model",
            "metadata": {"name": "m", "generation": 2, "labels": labels},
            "spec": {},
            "status": status,
        }))
        .unwrap()
    }

    fn planned(model: &Model) -> ModelStatus {
        plan(model, Timestamp::UNIX_EPOCH).status
    }

    #[test]
    fn an_applied_model_is_seen() {
        let new = planned(&model(json!({}), json!({"observedGeneration": -1})));
        assert_eq!(
            (new.observed_generation, new.phase),
            (2, ModelPhase::Pending)
        );
        assert_eq!(new.conditions[0].status, "True");
        assert_eq!(new.conditions[0].message, NO_VERSION);
    }

    #[test]
    fn a_run_says_the_first_of_its_own_model() {
        let (label, value) = MADE_BY;
        let new = model(json!({label: value}), json!({"observedGeneration": -1}));
        assert_eq!(planned(&new), new.status.unwrap());
    }

    #[test]
    fn a_changed_model_keeps_its_numbers() {
        let status = json!({
            "observedGeneration": 1, "phase": "Ready", "lastVersion": 3, "drawnBy": "u",
            "latest": "m-v3",
        });
        let mut changed = model(json!({}), status);
        let next = planned(&changed);
        assert_eq!((next.observed_generation, next.last_version), (2, 3));
        assert_eq!(next.conditions[0].status, "True");
        changed.status = Some(next.clone());
        assert_eq!(planned(&changed), next);
    }
}
