//! An attempt whose Job is gone: a suspend deleted it, or a person did.

use millwright_crds::{
    LABEL_ATTEMPT, LABEL_ROLE, TrainingJobStatus, training_job::ResolvedInput, wire,
};

use super::{
    COLLECT, Run, TRAINING, inputs,
    lost::{self, Kept},
    outcome,
};
use crate::{
    Event, Plan, Reason, SpecError,
    observed::{JobState, PodState},
};

impl Run<'_> {
    /// What follows for attempt `attempt`, whose Job is gone. It may have published before it was
    /// stopped; a model that is in the store is not trained again.
    pub(super) fn without_job(&self, attempt: u32) -> Result<Plan<TrainingJobStatus>, SpecError> {
        let Some(resolved) = self.resolved() else {
            // Nothing is left that would say what it was made from.
            return self.first_attempt();
        };
        let pod = self.pod_left(attempt);
        let pod = pod.filter(|pod| !pod.lost(self.now));
        if let Some(pod) = pod.filter(|pod| outcome::trainer_runs(pod)) {
            let message = format!(
                "attempt {attempt} was stopped: waits for its pod {} to end",
                pod.name
            );
            return Ok(Plan::status(self.pending(Reason::Preparing, &message)));
        }
        let failed = |known: &millwright_crds::training_job::Failure| known.attempt == attempt;
        if self.before.failure.as_ref().is_some_and(failed) {
            return self.start_attempt(&resolved);
        }
        let said = pod.and_then(outcome::said);
        if let Some(Ok(result)) = said.map(|text| wire::read(text.as_bytes())) {
            return self.after_training(attempt, &resolved, &result);
        }
        match lost::kept(attempt, COLLECT, &self.seen.jobs, &self.seen.pods, self.now) {
            Kept::Found(result) => self.after_training(attempt, &resolved, &result),
            Kept::Nothing(_) => self.start_attempt(&resolved),
            kept => Ok(self.collect(attempt, COLLECT, &kept)),
        }
    }

    /// Gives up the pod of an attempt whose node is lost. What it may have published is looked for
    /// when its Job is gone.
    pub(super) fn give_up_node(&self, job: &JobState, message: String) -> Plan<TrainingJobStatus> {
        let mut plan = Plan::status(self.pending(Reason::Evicted, &message));
        plan.operations.push(self.delete(job));
        plan.events.push(Event::warning(Reason::Evicted, message));
        plan
    }

    /// What the run is made from: the inputs of its attempts, even if the Datasets have new versions
    /// by now or are gone. `None` when nothing says it, or somebody has changed what did.
    pub(super) fn resolved(&self) -> Option<Vec<ResolvedInput>> {
        let spec = &self.seen.object.spec;
        let wanted = spec.inputs.len() + usize::from(spec.evaluation.is_some());
        self.recorded().filter(|inputs| inputs.len() == wanted)
    }

    fn recorded(&self) -> Option<Vec<ResolvedInput>> {
        if let Some(resolved) = &self.before.resolved {
            return Some(resolved.inputs.clone());
        }
        let is_training = |job: &&JobState| job.label(LABEL_ROLE) == Some(TRAINING);
        let job = self.seen.jobs.iter().find(is_training)?;
        Some(inputs::read(job.resolved.as_deref()))
    }

    fn pod_left(&self, attempt: u32) -> Option<&PodState> {
        let number = attempt.to_string();
        self.seen.pods.iter().find(|pod| {
            pod.label(LABEL_ROLE) == Some(TRAINING) && pod.label(LABEL_ATTEMPT) == Some(&number)
        })
    }
}
