//! What was read from the namespace, as typed objects.

use jiff::Timestamp;
use kube::core::DynamicObject;
use millwright_crds::{
    Dataset, Model, ModelDeployment, ModelVersion, RetrainPolicy, TrainingJob,
    common::{Condition, ConditionType},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::kind::Kind;

/// All objects of a namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects {
    pub datasets: Vec<Dataset>,
    pub training_jobs: Vec<TrainingJob>,
    pub models: Vec<Model>,
    pub versions: Vec<ModelVersion>,
    pub deployments: Vec<ModelDeployment>,
    pub policies: Vec<RetrainPolicy>,
    /// Objects that this plugin can't read, with the reason: it is older or newer than the CRDs.
    pub unreadable: Vec<String>,
}

impl Objects {
    /// Adds an object. One that can't be read never hides the others.
    pub fn insert(&mut self, kind: Kind, object: DynamicObject) {
        let name = object.metadata.name.clone().unwrap_or_default();
        let added = match kind {
            Kind::Dataset => push(&mut self.datasets, object),
            Kind::TrainingJob => push(&mut self.training_jobs, object),
            Kind::Model => push(&mut self.models, object),
            Kind::ModelVersion => push(&mut self.versions, object),
            Kind::ModelDeployment => push(&mut self.deployments, object),
            Kind::RetrainPolicy => push(&mut self.policies, object),
        };
        if let Err(error) = added {
            self.unreadable.push(format!("{kind} {name}: {error}"));
        }
    }

    /// Whether there is nothing of Millwright's.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

fn push<K: DeserializeOwned>(list: &mut Vec<K>, object: DynamicObject) -> Result<(), String> {
    list.push(typed(&object)?);
    Ok(())
}

/// Reads an object as its kind.
pub fn typed<K: DeserializeOwned>(object: &DynamicObject) -> Result<K, String> {
    serde_json::to_value(object)
        .and_then(serde_json::from_value)
        .map_err(|error| error.to_string())
}

/// What every kind says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub phase: String,
    pub conditions: Vec<Condition>,
    /// Whether the status speaks of the current spec.
    pub observed: bool,
}

impl State {
    /// Reads it from an object of any kind.
    pub fn of(object: &DynamicObject) -> Self {
        let status = object.data.get("status").cloned().unwrap_or(json!({}));
        let observed = status.get("observedGeneration").and_then(Value::as_i64);
        Self {
            phase: status
                .get("phase")
                .and_then(Value::as_str)
                .unwrap_or("Pending")
                .to_owned(),
            conditions: status
                .get("conditions")
                .cloned()
                .and_then(|list| serde_json::from_value(list).ok())
                .unwrap_or_default(),
            observed: observed.is_some() && observed >= object.metadata.generation,
        }
    }

    /// A condition that is there.
    pub fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        condition(&self.conditions, kind)
    }

    /// The condition if it is true and speaks of the current spec.
    pub fn holds(&self, kind: ConditionType) -> Option<&Condition> {
        self.condition(kind)
            .filter(|condition| self.observed && condition.status == "True")
    }
}

/// What an object says of itself: the condition that has it.
pub use millwright_plan::conditions::stands;

/// A condition of a list.
pub fn condition(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|c| c.type_ == kind.as_str())
}

/// A point in time that a status holds as text.
pub fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}
