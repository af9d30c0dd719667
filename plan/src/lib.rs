//! What should be: the decisions of Millwright, one folder per kind and one file per rule.
//!
//! A planner takes what was observed and the time, and returns a [`Plan`]: what to write, the
//! status that follows, the events that explain it, and when to look again. It is pure and total:
//! no client, no clock, no error. A spec that can't work is a plan, too: it says so in status.
//!
//! This crate must never do I/O and never read a clock.

pub mod conditions;
pub mod dataset;
pub mod model;
pub mod model_deployment;
pub mod model_version;
pub mod names;
pub mod object;
pub mod observed;
pub mod pod;
pub mod reason;
pub mod retrain_policy;
pub mod settings;
pub mod store;
pub mod time;
pub mod training_job;

#[cfg(test)]
mod fixtures;

pub use object::{Object, Operation, Target};
pub use reason::Reason;
pub use settings::Settings;

use std::time::Duration;

/// What follows from what was observed.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<S> {
    /// What to write, in order. A failure stops the rest.
    pub operations: Vec<Operation>,
    /// The status to commit. Equal to the one before: nothing is written.
    pub status: S,
    /// What to tell people, after the status is committed.
    pub events: Vec<Event>,
    /// When to look again even if nothing happens; `None` waits for a change.
    pub requeue: Option<Duration>,
}

impl<S> Plan<S> {
    /// A plan that only has a status.
    pub fn status(status: S) -> Self {
        Self {
            operations: vec![],
            status,
            events: vec![],
            requeue: None,
        }
    }

    /// Looks again at the latest after this time.
    pub fn within(mut self, delay: Duration) -> Self {
        self.requeue = Some(self.requeue.map_or(delay, |earlier| earlier.min(delay)));
        self
    }
}

/// Something that people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether it is bad.
    pub warning: bool,
    /// One word.
    pub reason: Reason,
    /// What happened and what to do, in words.
    pub message: String,
}

impl Event {
    /// Something went as it should.
    pub fn normal(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            warning: false,
            reason,
            message: message.into(),
        }
    }

    /// Something needs attention.
    pub fn warning(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            warning: true,
            reason,
            message: message.into(),
        }
    }
}

/// Why a spec can't work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// Path of the field, e.g. `spec.template.spec.containers[0].command`.
    pub field: String,
    /// What is wrong, and what is allowed.
    pub message: String,
}

impl SpecError {
    /// An error of one field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

impl std::fmt::Display for SpecError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}
