//! Statuses of a run, from what was decided.

use millwright_crds::{
    TrainingJobStatus,
    training_job::{
        EvaluationResult, Failure, FailureReason, Resolved, ResolvedInput, TrainingJobPhase,
    },
    wire::attempt::AttemptResult,
};

use std::time::Duration;

use super::{
    Run, TRAINING, failure, lost,
    outcome::{Waiting, pod_of},
    progress, register,
};
use crate::{
    Event, Plan, Reason,
    conditions::{self, Verdict},
    names, time,
};

impl Run<'_> {
    fn stand(
        &self,
        mut status: TrainingJobStatus,
        phase: TrainingJobPhase,
        verdict: &Verdict,
        reason: Reason,
        message: &str,
    ) -> TrainingJobStatus {
        let generation = self.seen.object.metadata.generation.unwrap_or(1);
        status.phase = phase;
        status.observed_generation = generation;
        status.conditions = conditions::set(
            &status.conditions,
            verdict,
            reason,
            message,
            generation,
            self.now,
        );
        status
    }

    /// What is known whatever happens: how many attempts there were, when the first began, and
    /// what the run is made from.
    fn known(&self) -> TrainingJobStatus {
        let mut status = self.before.clone();
        status.attempts = self.attempts();
        if status.resolved.is_none() && status.attempts > 0 {
            status.resolved = self.resolved().map(|inputs| Resolved {
                inputs,
                image: None,
                parameters_digest: self.parameters_digest(),
            });
        }
        if status.start_time.is_none() {
            status.start_time = self.started().map(time::format);
        }
        status
    }

    fn parameters_digest(&self) -> Option<String> {
        let parameters = &self.seen.object.spec.parameters;
        // A sorted map of strings: its JSON is canonical.
        let json = serde_json::to_vec(parameters).ok()?;
        (!parameters.is_empty()).then(|| format!("sha256:{}", names::sha256_hex(&json)))
    }

    /// Waits before its first attempt.
    pub(super) fn pending(&self, reason: Reason, message: &str) -> TrainingJobStatus {
        self.stand(
            self.known(),
            TrainingJobPhase::Pending,
            &Verdict::Reconciling,
            reason,
            message,
        )
    }

    pub(super) fn suspended(&self) -> TrainingJobStatus {
        self.stand(
            self.known(),
            TrainingJobPhase::Suspended,
            &Verdict::Suspended,
            Reason::Suspended,
            "spec.suspend is true: set it to false to go on with a new attempt",
        )
    }

    /// An attempt is under way. Until its trainer runs, or something keeps it from running, the
    /// status stays as it was: that is one write less for each run.
    pub(super) fn at_work(
        &self,
        attempt: u32,
        waiting: &Waiting,
    ) -> (TrainingJobStatus, Option<Event>) {
        let quiet = waiting.phase == TrainingJobPhase::Pending && self.before.attempts < attempt;
        if quiet || waiting.reason == Reason::Publishing {
            return (self.before.clone(), None);
        }
        let mut status = self.known();
        status.failure = waiting.failure.clone().or_else(|| {
            // The failure of the attempt before is history once the next one runs.
            status
                .failure
                .filter(|_| waiting.phase != TrainingJobPhase::Running)
        });
        // A failure that stays is not seen anew on each pass.
        if let (Some(new), Some(old)) = (&mut status.failure, &self.before.failure)
            && new.reason == old.reason
            && new.attempt == old.attempt
        {
            new.at.clone_from(&old.at);
            new.message.clone_from(&old.message);
        }
        let image = waiting.image.clone().or_else(|| self.spec_image());
        if waiting.phase == TrainingJobPhase::Running
            && let Some(resolved) = &mut status.resolved
        {
            resolved.image = resolved.image.take().or(image);
        }
        status.progress = progress::after(
            status.progress.as_ref(),
            self.seen.progress.as_ref(),
            self.now,
        );
        let message = match (&status.failure, &waiting.failure) {
            (Some(kept), Some(_)) => kept.message.clone(),
            _ => waiting.message.clone(),
        };
        let event = waiting
            .failure
            .as_ref()
            .filter(|new| self.before.failure.as_ref().map(|old| old.reason) != Some(new.reason))
            .map(|new| Event::warning(waiting.reason, new.message.clone()));
        let status = self.stand(
            status,
            waiting.phase,
            &Verdict::Reconciling,
            waiting.reason,
            &message,
        );
        (status, event)
    }

    fn spec_image(&self) -> Option<String> {
        let containers = self
            .seen
            .object
            .spec
            .template
            .0
            .pointer("/spec/containers")?
            .as_array()?;
        let trainer = containers
            .iter()
            .find(|container| container["name"] == "trainer")
            .or_else(|| containers.first())?;
        trainer["image"].as_str().map(Into::into)
    }

    /// The attempt's trainer has ended well, and its output is being published.
    pub(super) fn publishing(&self, attempt: u32, then: &str) -> TrainingJobStatus {
        self.stand(
            self.known(),
            TrainingJobPhase::Publishing,
            &Verdict::Reconciling,
            Reason::Publishing,
            &format!("the trainer of attempt {attempt} ended well: {then}"),
        )
    }

    /// A Job reads from the store what the attempt left there. What was in its way before stays in
    /// status until it is out of it, so that status does not change with each try.
    pub(super) fn collecting(&self, attempt: u32) -> TrainingJobStatus {
        if self.before.phase == TrainingJobPhase::Publishing
            && self.before.failure.is_some()
            && self.before.attempts == attempt
        {
            return self.before.clone();
        }
        self.stand(
            self.known(),
            TrainingJobPhase::Publishing,
            &Verdict::Reconciling,
            Reason::Publishing,
            &format!(
                "the pod of attempt {attempt} is gone: what it left is read from the artifact store"
            ),
        )
    }

    /// What the attempt left in the store can't be read now.
    pub(super) fn unreadable(&self, attempt: u32, failure: &Failure) -> Plan<TrainingJobStatus> {
        let mut status = self.known();
        let reason = failure::reason(failure.reason);
        let known = self.before.phase == TrainingJobPhase::Publishing
            && self
                .before
                .failure
                .as_ref()
                .is_some_and(|old| old.attempt == attempt && old.reason == failure.reason);
        if known {
            return Plan::status(self.before.clone());
        }
        let message = format!(
            "what attempt {attempt} left in the artifact store can't be read, it is tried again \
             every minute: {}",
            failure.message
        );
        status.failure = Some(failure.clone());
        let mut plan = Plan::status(self.stand(
            status,
            TrainingJobPhase::Publishing,
            &Verdict::Reconciling,
            reason,
            &message,
        ));
        plan.events.push(Event::warning(reason, message));
        plan
    }

    pub(super) fn evaluating(
        &self,
        attempt: u32,
        resolved: &[ResolvedInput],
        result: &AttemptResult,
        obstacle: Option<&Failure>,
    ) -> TrainingJobStatus {
        let mut status = self.known();
        status.metrics.clone_from(&result.metrics);
        status.failure = None;
        if let Some(obstacle) = obstacle {
            let reason = failure::reason(obstacle.reason);
            // The kubelet says the same in turns of words: what was said first stays.
            let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
            let message = ready
                .filter(|ready| ready.reason == reason.as_str())
                .map_or_else(
                    || format!("the model waits for its evaluation: {}", obstacle.message),
                    |ready| ready.message.clone(),
                );
            let phase = TrainingJobPhase::Evaluating;
            return self.stand(status, phase, &Verdict::Reconciling, reason, &message);
        }
        let data = resolved.last().map_or_else(String::new, |input| {
            format!(" on {} {}", input.dataset, input.version)
        });
        let message = format!("the model of attempt {attempt} is being evaluated{data}");
        self.stand(
            status,
            TrainingJobPhase::Evaluating,
            &Verdict::Reconciling,
            Reason::Evaluating,
            &message,
        )
    }

    /// Whether status has counted the failure of this attempt. While an attempt is under way status
    /// shows what keeps it from its end, and that is no failure yet.
    pub(super) fn knows_failure_of(&self, attempt: u32) -> bool {
        use TrainingJobPhase::{Pending, Suspended};
        matches!(self.before.phase, Pending | Suspended)
            && self
                .before
                .failure
                .as_ref()
                .is_some_and(|old| old.attempt == attempt)
    }

    pub(super) fn between_attempts(
        &self,
        attempt: u32,
        failures: u32,
        failure: Failure,
        delay: Duration,
    ) -> Plan<TrainingJobStatus> {
        let mut status = self.known();
        status.failures = failures;
        let seconds = delay.as_secs();
        let next = attempt + 1;
        let message = format!(
            "attempt {attempt} failed, attempt {next} follows after {seconds} s: {}",
            failure.message
        );
        let reason = failure::reason(failure.reason);
        let known = self.knows_failure_of(attempt);
        status.failure = Some(failure);
        let mut plan = Plan::status(self.stand(
            status,
            TrainingJobPhase::Pending,
            &Verdict::Reconciling,
            reason,
            &message,
        ));
        if !known {
            plan.events
                .push(Event::warning(Reason::AttemptFailed, message));
        }
        plan
    }

    /// The run is over, badly.
    pub(super) fn fail(&self, failure: Failure) -> Plan<TrainingJobStatus> {
        let mut status = self.known();
        status.completion_time = Some(time::format(self.now));
        let message = failure.message.clone();
        let reason = failure::reason(failure.reason);
        if failure.reason != FailureReason::InvalidSpec && failure.attempt > 0 {
            status.failures = status.failures.max(1);
        }
        status.failure = Some(failure);
        let mut plan = Plan::status(self.stand(
            status,
            TrainingJobPhase::Failed,
            &Verdict::Failed,
            reason,
            &message,
        ));
        plan.operations = self.stop_jobs();
        plan.events.push(Event::warning(reason, message));
        plan
    }

    /// Registers the model, or ends without one when the spec names none.
    pub(super) fn register(
        &self,
        attempt: u32,
        resolved: &[ResolvedInput],
        result: &AttemptResult,
        evaluation: Option<EvaluationResult>,
    ) -> Plan<TrainingJobStatus> {
        let mut status = self.known();
        status.metrics.clone_from(&result.metrics);
        status.failure = None;
        status.evaluation = evaluation;
        if let Some(known) = &mut status.resolved {
            let job = lost::job(attempt, TRAINING, &self.seen.jobs);
            let pod = job.and_then(|job| pod_of(job, &self.seen.pods));
            let ran = pod.and_then(|pod| {
                pod.containers
                    .iter()
                    .find(|c| !c.init)
                    .and_then(|c| c.image_id.clone())
            });
            known.image = known.image.take().or(ran).or_else(|| self.spec_image());
        }
        let image = status
            .resolved
            .as_ref()
            .and_then(|known| known.image.clone());
        let mut operations = vec![];
        let mut words = format!("attempt {attempt} ended well");
        if let Some(model) = &self.seen.object.spec.model {
            let made = register::Made {
                run: &self.seen.object,
                model,
                resolved,
                result,
                evaluation: status.evaluation.as_ref(),
                image,
            };
            let seen = self.seen;
            match register::step(
                &made,
                seen.model.as_ref(),
                seen.last_version.as_ref(),
                self.now,
            ) {
                register::Step::CreateModel(operation) => {
                    let mut plan = Plan::status(self.before.clone());
                    plan.operations.push(*operation);
                    return plan;
                }
                register::Step::Register {
                    operations: writes,
                    name,
                } => {
                    operations = writes;
                    words = format!("{words} and is registered as {name}");
                    status.model_version = Some(name);
                }
            }
        }
        status.completion_time = Some(time::format(self.now));
        let mut plan = Plan::status(self.stand(
            status,
            TrainingJobPhase::Succeeded,
            &Verdict::Complete,
            Reason::Succeeded,
            &words,
        ));
        plan.operations = operations;
        plan.events.push(Event::normal(Reason::Succeeded, words));
        plan
    }
}
