//! A registered model: the home of its version numbers.
//!
//! | phase | Ready | reason |
//! |---|---|---|
//! | Pending (no version yet), Ready | True | Registered |
//!
//! The run that registers a version writes the number into this status, and with it that the Model
//! was seen. So only a Model that was made or changed by hand needs a pass of its own.

use std::time::Duration;

use jiff::Timestamp;
use millwright_crds::{Model, ModelStatus, model::ModelPhase};

use crate::{
    Plan, Reason,
    conditions::{self, Verdict},
    time,
};

/// A run that has made the Model writes its first number within this time.
const FIRST_NUMBER: Duration = Duration::from_secs(5);

/// What follows for this Model.
pub fn plan(model: &Model, now: Timestamp) -> Plan<ModelStatus> {
    let before = model.status.clone().unwrap_or_default();
    let generation = model.metadata.generation.unwrap_or(1);
    if before.observed_generation == generation {
        return Plan::status(before);
    }
    let created = model.metadata.creation_timestamp.as_ref();
    let age = created.map_or(FIRST_NUMBER, |created| time::between(created.0, now));
    if let Some(left) = FIRST_NUMBER.checked_sub(age).filter(|left| !left.is_zero()) {
        return Plan::status(before).within(left);
    }
    let mut status = before;
    let (phase, message) = match &status.latest {
        Some(latest) => (ModelPhase::Ready, format!("{latest} is the latest version")),
        None => (
            ModelPhase::Pending,
            "it has no version yet: a TrainingJob whose spec.model names it registers the first"
                .into(),
        ),
    };
    status.phase = phase;
    status.observed_generation = generation;
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

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use millwright_crds::ModelSpec;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn seen_once_and_not_before_a_run_could_have_numbered_it() {
        let mut model = Model::new("m", ModelSpec::default());
        model.metadata.generation = Some(1);
        model.metadata.creation_timestamp = Some(Time(at(10)));
        let early = plan(&model, at(12));
        assert_eq!(early.status, ModelStatus::default());
        assert_eq!(early.requeue, Some(Duration::from_secs(3)));
        for (latest, phase) in [
            (None, ModelPhase::Pending),
            (Some("m-v1"), ModelPhase::Ready),
        ] {
            let latest = latest.map(str::to_owned);
            let status = ModelStatus {
                latest,
                ..ModelStatus::default()
            };
            model.status = Some(status);
            let seen = plan(&model, at(15)).status;
            assert_eq!((seen.phase, seen.observed_generation), (phase, 1));
            assert!(conditions::is_true(
                &seen.conditions,
                millwright_crds::common::ConditionType::Ready
            ));
            model.status = Some(seen.clone());
            assert_eq!(plan(&model, at(99)).status, seen);
        }
        model.metadata.generation = Some(2);
        assert_eq!(plan(&model, at(99)).status.observed_generation, 2);
    }
}
