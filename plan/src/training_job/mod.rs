//! One training run: attempts, each a Job of one pod, then the evaluation, then the registration.
//!
//! | phase | Ready | Reconciling | Stalled | Suspended | Complete | Failed |
//! |---|---|---|---|---|---|---|
//! | Pending, Preparing, Running, Publishing, Evaluating | False | True | | | | |
//! | Pending, while the name of its Job is somebody else's | False | | True | | | |
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
    training_job::{Failure, FailureReason, ResolvedInput, TrainingJobPhase},
    wire::attempt::{AttemptResult, ProgressReport},
};

use crate::{
    Event, Operation, Plan, Reason, Settings, SpecError, Target,
    observed::{JobPhase, JobState, PodState},
    pod::refused,
    time,
};
use lost::Kept;
use outcome::{Outcome, Waiting};

pub use attempt::build as build_attempt;
pub use evaluation::build as build_evaluation;
pub use job::validate;
pub use refusal::after_refusal;

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

/// How soon a run that publishes is asked again whether it still does.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// What a run says that publishes although it is to be suspended.
const AND_THEN_SUSPENDED: &str = "its model is published first; then the run is suspended";

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
        if let Some(limit) = self.deadline_passed() {
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
            Some(left) if !plan.status.phase.is_final() => plan.within(left),
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
            Outcome::Lost(kept) => Ok(self.collect(attempt, COLLECT, &kept)),
            Outcome::Failed(failure) => self.retry_or_fail(attempt, job, failure),
            Outcome::Succeeded(result) => {
                self.after_training(attempt, &inputs::read(job.resolved.as_deref()), &result)
            }
        }
    }

    /// Number of the latest attempt, whether its Job is still there or not; 0 before the first.
    fn attempts(&self) -> u32 {
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

    fn suspend(&self) -> Plan<TrainingJobStatus> {
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
    fn stop_jobs(&self) -> Vec<Operation> {
        self.seen
            .jobs
            .iter()
            .filter(|job| job.phase == JobPhase::Active && !job.deleting)
            .map(|job| self.delete(job))
            .collect()
    }

    fn deadline_passed(&self) -> Option<Duration> {
        let limit = self.seen.object.spec.active_deadline?.as_std();
        (self.time_to_deadline()? == Duration::ZERO).then_some(limit)
    }

    fn time_to_deadline(&self) -> Option<Duration> {
        deadline::left(
            self.seen
                .object
                .spec
                .active_deadline
                .map(|limit| limit.as_std()),
            self.started(),
            self.now,
        )
    }

    /// When the first attempt started.
    fn started(&self) -> Option<Timestamp> {
        self.before
            .start_time
            .as_deref()
            .and_then(time::parse)
            .or_else(|| self.seen.jobs.iter().filter_map(|job| job.created).min())
    }

    fn waiting(&self, attempt: u32, waiting: &Waiting) -> Plan<TrainingJobStatus> {
        if self.seen.progress.as_ref().is_some_and(|p| p.publishing) {
            return Plan::status(self.publishing(attempt, "its model is being published"))
                .within(progress::EVERY);
        }
        let (status, event) = self.at_work(attempt, waiting);
        let mut plan = Plan::status(status);
        plan.events.extend(event);
        if let Some(delay) = waiting.look_again {
            plan = plan.within(delay);
        }
        plan
    }

    /// The pod is gone and nobody read its message: a small Job reads the record in the store.
    fn collect<T>(&self, attempt: u32, role: &str, kept: &Kept<T>) -> Plan<TrainingJobStatus> {
        match kept {
            Kept::Unknown => {
                let job = job::collect(&self.seen.object, attempt, role, self.settings);
                let mut plan = Plan::status(self.collecting(attempt));
                self.claim_then(&mut plan, Operation::Create(crate::Object::built_in(&job)));
                plan
            }
            Kept::Unreadable { failure, left } => {
                let mut plan = self.unreadable(attempt, failure);
                match lost::job(attempt, role, &self.seen.jobs) {
                    Some(job) if left.is_zero() => plan.operations.push(self.delete(job)),
                    _ => plan = plan.within(*left),
                }
                plan
            }
            Kept::Looking(Some(stuck)) => self.unreadable(attempt, stuck).within(failure::PATIENCE),
            Kept::Looking(None) | Kept::Found(_) | Kept::Nothing(_) => {
                Plan::status(self.collecting(attempt))
            }
        }
    }

    fn delete(&self, job: &JobState) -> Operation {
        let namespace = self.seen.object.metadata.namespace.as_deref();
        Operation::Delete(Target::built_in::<Job>(
            namespace.unwrap_or_default(),
            &job.name,
            &job.uid,
        ))
    }

    fn retry_or_fail(
        &self,
        attempt: u32,
        job: &JobState,
        failure: Failure,
    ) -> Result<Plan<TrainingJobStatus>, SpecError> {
        let failures = retry::count_failures(
            &self.seen.jobs,
            self.before.failures,
            failure.reason,
            !self.knows_failure_of(attempt),
        );
        let decision = retry::decide(&self.seen.object.spec.retry, &failure, failures);
        let ended = job.finished.unwrap_or(self.now);
        let Some(delay) = decision else {
            let mut plan = self.fail(failure);
            plan.status.failures = failures;
            return Ok(plan);
        };
        let between = self.between_attempts(attempt, failures, failure, delay);
        let left = delay.saturating_sub(time::between(ended, self.now));
        if !left.is_zero() {
            return Ok(between.within(left));
        }
        // The inputs of the first attempt are the inputs of the run.
        let resolved = inputs::read(job.resolved.as_deref());
        let mut plan = self.start_attempt(&resolved)?;
        // A failure that is only seen when its time is over is told all the same.
        plan.status = between.status;
        plan.events.splice(0..0, between.events);
        Ok(plan)
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
}
