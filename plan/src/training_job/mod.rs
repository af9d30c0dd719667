//! One training run: attempts, each a Job of one pod, then the evaluation, then the registration.
//!
//! | phase | Ready | Reconciling | Stalled | Suspended | Complete | Failed |
//! |---|---|---|---|---|---|---|
//! | Pending, Preparing, Running, Publishing, Evaluating | False | True | | | | |
//! | any of these, while the name of its next Job is somebody else's | False | | True | | | |
//! | Suspended | | | | True | | |
//! | Succeeded | True | | | | True | |
//! | Failed | False | | True | | | True |

mod attempt;
mod deadline;
mod evaluation;
mod failure;
mod gone;
mod inputs;
mod job;
mod lost;
mod outcome;
pub mod progress;
mod refusal;
mod register;
mod retry;
mod status;
mod suspend;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use millwright_crds::{
    LABEL_ATTEMPT, LABEL_ROLE, TrainingJob, TrainingJobStatus,
    dataset::DatasetStatus,
    model::Model,
    model_version::ModelVersion,
    training_job::{FailureReason, ResolvedInput},
    wire::attempt::{AttemptResult, ProgressReport},
};

use crate::{
    Event, Operation, Plan, Reason, Settings, SpecError, Target,
    observed::{JobPhase, JobState, PodState},
    pod::refused,
    time,
};
use outcome::Outcome;

pub use attempt::build as build_attempt;
pub use evaluation::build as build_evaluation;
pub use job::validate;
pub use refusal::{after_refusal, is_last_word};

/// Name of the input that an evaluation reads.
pub const EVALUATION_INPUT: &str = "data";
/// Role of an attempt's Job.
pub const TRAINING: &str = "training";
/// Role of an evaluation's Job.
pub const EVALUATION: &str = "evaluation";
/// Role of a Job that reads a result back from the store.
pub const COLLECT: &str = "collect";
/// Role of a Job that reads an evaluation's report back from the store.
pub const COLLECT_EVALUATION: &str = "collect-eval";

/// What a plan for a TrainingJob is made from.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The run.
    pub object: TrainingJob,
    /// Its Jobs.
    pub jobs: Vec<JobState>,
    /// Its pods.
    pub pods: Vec<PodState>,
    /// The Datasets that the spec names, as far as they exist.
    pub datasets: Vec<(String, DatasetStatus)>,
    /// The Model that a version is registered for, if it exists.
    pub model: Option<Model>,
    /// The ModelVersion of this run, or else the one with the Model's last number, if it exists.
    pub last_version: Option<ModelVersion>,
    /// What the last stage of a ModelDeployment of this model runs.
    pub champion: Option<Champion>,
    /// Whether the artifact store's claim exists in the namespace.
    pub store_claim: bool,
    /// What the agent of the trainer that runs says now, if it was asked and answers.
    pub progress: Option<ProgressReport>,
}

/// A version that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Champion {
    /// Its number.
    pub version: u32,
    /// Digest of its files.
    pub digest: String,
}

/// What follows for this run.
pub fn plan(seen: &Observed, settings: &Settings, now: Timestamp) -> Plan<TrainingJobStatus> {
    let before = seen.object.status.clone().unwrap_or_default();
    if before.phase.is_final() {
        return Plan::status(before);
    }
    let run = Run {
        seen,
        settings,
        now,
        before: &before,
    };
    match run.next() {
        Ok(plan) => plan,
        Err(error) => {
            let (reason, attempt) = (FailureReason::InvalidSpec, before.attempts);
            run.fail(failure::plain(reason, error.to_string(), attempt, now))
        }
    }
}

struct Run<'a> {
    seen: &'a Observed,
    settings: &'a Settings,
    now: Timestamp,
    before: &'a TrainingJobStatus,
}

impl Run<'_> {
    fn next(&self) -> Result<Plan<TrainingJobStatus>, SpecError> {
        let latest = self.latest(TRAINING);
        // Both pods are built on every pass, so that a spec that can't work fails at once and not
        // after the training.
        job::validate(&self.seen.object, self.settings)?;
        if self.seen.object.spec.suspend {
            return Ok(self.suspend());
        }
        if let Some(limit) = self.deadline_passed().filter(|_| !self.ended_in_time()) {
            return Ok(self.fail(deadline::failure(limit, self.before.attempts, self.now)));
        }
        let plan = match latest {
            Some((attempt, job)) if attempt >= self.attempts() => {
                self.after_attempt(attempt, job)?
            }
            _ if self.attempts() > 0 => self.without_job(self.attempts())?,
            _ => self.first_attempt()?,
        };
        Ok(match self.time_to_deadline() {
            Some(left) if !left.is_zero() && !plan.status.phase.is_final() => plan.within(left),
            _ => plan,
        })
    }

    fn after_attempt(
        &self,
        attempt: u32,
        job: &JobState,
    ) -> Result<Plan<TrainingJobStatus>, SpecError> {
        match outcome::of_attempt(attempt, job, &self.seen.jobs, &self.seen.pods, self.now) {
            Outcome::Waiting(waiting) => Ok(self.waiting(attempt, &waiting)),
            Outcome::Settling(left) => Ok(Plan::status(self.before.clone()).within(left)),
            Outcome::NodeLost(failure) => Ok(self.give_up_node(job, failure.message)),
            Outcome::Lost(kept) => Ok(self.collect(attempt, COLLECT, &kept)),
            Outcome::Failed(failure) => self.retry_or_fail(attempt, job, failure),
            Outcome::Succeeded(result) => {
                self.after_training(attempt, &inputs::read(job.resolved.as_deref()), &result)
            }
        }
    }

    fn after_training(
        &self,
        attempt: u32,
        resolved: &[ResolvedInput],
        result: &AttemptResult,
    ) -> Result<Plan<TrainingJobStatus>, SpecError> {
        let spec = &self.seen.object.spec;
        if spec.evaluation.is_none() {
            return Ok(self.register(attempt, resolved, result, None));
        }
        let Some(evaluation) = lost::job(attempt, EVALUATION, &self.seen.jobs) else {
            let champion = evaluation::champion(spec, self.seen.champion.as_ref());
            let job = evaluation::build(
                &self.seen.object,
                attempt,
                resolved,
                result,
                champion,
                self.settings,
            )?;
            let mut plan = Plan::status(self.evaluating(attempt, resolved, result, None));
            self.claim_then(&mut plan, Operation::Create(crate::Object::built_in(&job)));
            return Ok(plan);
        };
        Ok(
            match evaluation::outcome(
                attempt,
                evaluation,
                &self.seen.jobs,
                &self.seen.pods,
                self.now,
            ) {
                evaluation::Outcome::Waiting(obstacle) => {
                    let status = self.evaluating(attempt, resolved, result, obstacle.as_ref());
                    // What is in its way, or that nothing comes, is told by no event.
                    let left = refused::patience_left(evaluation, self.now);
                    Plan::status(status).within(left.unwrap_or(failure::PATIENCE))
                }
                evaluation::Outcome::Settling(left) => {
                    Plan::status(self.before.clone()).within(left)
                }
                evaluation::Outcome::Disrupted(failure) => {
                    let status = self.evaluating(attempt, resolved, result, Some(&failure));
                    let mut plan = Plan::status(status);
                    let wait = spec.retry.backoff.initial.as_std();
                    let over = evaluation.finished.map(|end| time::between(end, self.now));
                    let left = over.map_or(Duration::ZERO, |over| wait.saturating_sub(over));
                    if !left.is_zero() {
                        return Ok(plan.within(left));
                    }
                    plan.operations.push(self.delete(evaluation));
                    plan.events.push(Event::warning(
                        failure::reason(failure.reason),
                        failure.message,
                    ));
                    plan
                }
                evaluation::Outcome::Lost(kept) => self.collect(attempt, COLLECT_EVALUATION, &kept),
                evaluation::Outcome::Failed(failure) => self.fail(failure),
                evaluation::Outcome::Succeeded(report) => {
                    let champion = evaluation::recorded_champion(evaluation);
                    let found = evaluation::result(resolved, &report, champion);
                    self.register(attempt, resolved, result, found)
                }
            },
        )
    }

    /// Number of the latest attempt, whether its Job is still there or not; 0 before the first. One
    /// that is under way is the latest, whatever the status says.
    fn attempts(&self) -> u32 {
        let latest = self.latest(TRAINING);
        if let Some((attempt, _)) = latest.filter(|(_, job)| job.phase == JobPhase::Active) {
            return attempt;
        }
        let numbers = self
            .seen
            .jobs
            .iter()
            .filter(|job| job.label(LABEL_ROLE) == Some(TRAINING))
            .filter_map(|job| job.label(LABEL_ATTEMPT)?.parse().ok());
        numbers.fold(self.before.attempts, u32::max)
    }

    /// Number and Job of the latest attempt that is not being deleted.
    fn latest(&self, role: &str) -> Option<(u32, &JobState)> {
        self.seen
            .jobs
            .iter()
            .filter(|job| job.label(LABEL_ROLE) == Some(role) && !job.deleting)
            .filter_map(|job| Some((job.label(LABEL_ATTEMPT)?.parse().ok()?, job)))
            .max_by_key(|(attempt, _)| *attempt)
    }

    fn first_attempt(&self) -> Result<Plan<TrainingJobStatus>, SpecError> {
        match inputs::resolve(&self.seen.object.spec, &self.seen.datasets) {
            Ok(resolved) => self.start_attempt(&resolved),
            Err(missing) => Ok(Plan::status(
                self.pending(Reason::InputUnavailable, &missing),
            )),
        }
    }

    /// Creates the Job of the next attempt. Status stays as it is until there is something to say:
    /// a run costs as few writes as it can.
    fn start_attempt(
        &self,
        resolved: &[ResolvedInput],
    ) -> Result<Plan<TrainingJobStatus>, SpecError> {
        let attempt = self.attempts().saturating_add(1);
        let job = attempt::build(&self.seen.object, attempt, resolved, self.settings)?;
        let mut plan = Plan::status(self.before.clone());
        self.claim_then(&mut plan, Operation::Create(crate::Object::built_in(&job)));
        plan.events.push(Event::normal(
            Reason::AttemptStarted,
            format!("started attempt {attempt}{}", inputs::describe(resolved)),
        ));
        Ok(plan)
    }

    /// Pods that touch the store need its claim first.
    fn claim_then(&self, plan: &mut Plan<TrainingJobStatus>, operation: Operation) {
        if !self.seen.store_claim {
            let namespace = self
                .seen
                .object
                .metadata
                .namespace
                .as_deref()
                .unwrap_or_default();
            plan.operations
                .extend(self.settings.store.create_claim(namespace));
        }
        plan.operations.push(operation);
    }

    fn delete(&self, job: &JobState) -> Operation {
        let namespace = self.seen.object.metadata.namespace.as_deref();
        Operation::Delete(Target::built_in::<Job>(
            namespace.unwrap_or_default(),
            &job.name,
            &job.uid,
        ))
    }
}
