//! `spec.suspend`: what runs is stopped, unless it publishes.

use std::time::Duration;

use millwright_crds::{TrainingJobStatus, training_job::TrainingJobPhase};

use super::{Run, TRAINING};
use crate::{Event, Operation, Plan, Reason, observed::JobPhase};

/// How soon a run that publishes is asked again whether it still does.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// What a run says that publishes although it is to be suspended.
const AND_THEN_SUSPENDED: &str = "its model is published first; then the run is suspended";

impl Run<'_> {
    /// The run stops, or publishes first.
    pub(super) fn suspend(&self) -> Plan<TrainingJobStatus> {
        let publishes = self.seen.progress.as_ref().is_some_and(|p| p.publishing);
        if let Some((attempt, _)) = self.latest(TRAINING).filter(|_| publishes) {
            return Plan::status(self.publishing(attempt, AND_THEN_SUSPENDED)).within(ASK_AGAIN);
        }
        let mut plan = Plan::status(self.suspended());
        plan.operations = self.stop_jobs();
        if self.before.phase != TrainingJobPhase::Suspended {
            plan.events.push(Event::normal(
                Reason::Suspended,
                "spec.suspend is true: the run is stopped until it is false",
            ));
        }
        plan
    }

    /// Deletes what still runs.
    pub(super) fn stop_jobs(&self) -> Vec<Operation> {
        self.seen
            .jobs
            .iter()
            .filter(|job| job.phase == JobPhase::Active && !job.deleting)
            .map(|job| self.delete(job))
            .collect()
    }
}
