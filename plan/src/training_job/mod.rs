//! One training run: attempts, each a Job of one pod, then the evaluation, then the registration.
//!
//! | phase | Ready | Reconciling | Stalled | Suspended | Complete | Failed |
//! |---|---|---|---|---|---|---|
//! | Pending, Preparing, Running, Publishing, Evaluating | False | True | | | | |
//! | Suspended | | | | True | | |
//! | Succeeded | True | | | | True | |
//! | Failed | False | | True | | | True |

mod attempt;
mod deadline;
mod evaluation;
mod failure;
mod inputs;
mod job;
mod outcome;
mod register;
mod retry;
mod status;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use millwright_crds::{
    LABEL_ATTEMPT, LABEL_ROLE, TrainingJob, TrainingJobStatus,
    dataset::DatasetStatus,
    model::Model,
    model_version::ModelVersion,
    training_job::{Failure, FailureReason, ResolvedInput, TrainingJobPhase},
};

use crate::{
    Event, Operation, Plan, Reason, Settings, SpecError, Target,
    observed::{JobPhase, JobState, PodState},
    time,
};
use outcome::{Outcome, Waiting};

pub use attempt::build as build_attempt;
pub use evaluation::build as build_evaluation;

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
    /// The ModelVersion with the Model's last number, if it exists.
    pub last_version: Option<ModelVersion>,
    /// What the last stage of a ModelDeployment of this model runs.
    pub champion: Option<Champion>,
    /// Whether the artifact store's claim exists in the namespace.
    pub store_claim: bool,
    /// What the trainer's agent last said of its progress.
    pub progress: Option<millwright_crds::training_job::Progress>,
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
        Err(error) => run.fail(Failure {
            reason: FailureReason::InvalidSpec,
            message: error.to_string(),
            attempt: before.attempts,
            exit_code: None,
            pod: None,
            container: None,
            log: None,
            at: time::format(now),
        }),
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
        let Some((attempt, job)) = latest else {
            return self.first_attempt();
        };
        let plan = match outcome::of_attempt(attempt, job, &self.seen.pods, self.now) {
            Outcome::Waiting(waiting) => self.waiting(attempt, &waiting),
            Outcome::Lost => self.collect(attempt, COLLECT),
            Outcome::Failed(failure) => self.retry_or_fail(attempt, job, failure)?,
            Outcome::Succeeded(result) => self.after_training(attempt, job, &result)?,
        };
        Ok(match self.time_to_deadline() {
            Some(left) if !plan.status.phase.is_final() => plan.within(left),
            _ => plan,
        })
    }

    /// Number and Job of the latest attempt.
    fn latest(&self, role: &str) -> Option<(u32, &JobState)> {
        self.seen
            .jobs
            .iter()
            .filter(|job| job.label(LABEL_ROLE) == Some(role) && !job.deleting)
            .filter_map(|job| Some((job.label(LABEL_ATTEMPT)?.parse().ok()?, job)))
            .max_by_key(|(attempt, _)| *attempt)
    }

    fn job_of(&self, role: &str, attempt: u32) -> Option<&JobState> {
        let number = attempt.to_string();
        self.seen.jobs.iter().find(|job| {
            job.label(LABEL_ROLE) == Some(role) && job.label(LABEL_ATTEMPT) == Some(&number)
        })
    }

    fn first_attempt(&self) -> Result<Plan<TrainingJobStatus>, SpecError> {
        match inputs::resolve(&self.seen.object.spec, &self.seen.datasets) {
            Ok(resolved) => self.start_attempt(self.before.attempts + 1, &resolved),
            Err(missing) => Ok(Plan::status(
                self.pending(Reason::InputUnavailable, &missing),
            )),
        }
    }

    /// Creates the Job of an attempt. Status stays as it is until there is something to say: a
    /// run costs as few writes as it can.
    fn start_attempt(
        &self,
        attempt: u32,
        resolved: &[ResolvedInput],
    ) -> Result<Plan<TrainingJobStatus>, SpecError> {
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
                .push(self.settings.store.create_claim(namespace));
        }
        plan.operations.push(operation);
    }

    fn suspend(&self) -> Plan<TrainingJobStatus> {
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
        let namespace = self
            .seen
            .object
            .metadata
            .namespace
            .as_deref()
            .unwrap_or_default();
        self.seen
            .jobs
            .iter()
            .filter(|job| job.phase == JobPhase::Active && !job.deleting)
            .map(|job| Operation::Delete(Target::built_in::<Job>(namespace, &job.name, &job.uid)))
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
        let (status, event) = self.at_work(attempt, waiting);
        let mut plan = Plan::status(status);
        plan.events.extend(event);
        if let Some(delay) = waiting.look_again {
            plan = plan.within(delay);
        }
        plan
    }

    /// The pod is gone and nobody read its message: a small Job reads the record in the store.
    fn collect(&self, attempt: u32, role: &str) -> Plan<TrainingJobStatus> {
        let publishing = self.publishing(attempt);
        let mut plan = Plan::status(publishing);
        if self.job_of(role, attempt).is_none() {
            let job = job::collect(&self.seen.object, attempt, role, self.settings);
            self.claim_then(&mut plan, Operation::Create(crate::Object::built_in(&job)));
        }
        plan
    }

    fn retry_or_fail(
        &self,
        attempt: u32,
        job: &JobState,
        failure: Failure,
    ) -> Result<Plan<TrainingJobStatus>, SpecError> {
        let failures = retry::count_failures(&self.seen.jobs, self.before.failures);
        let decision = retry::decide(&self.seen.object.spec.retry, &failure, failures);
        let ended = job.finished.unwrap_or(self.now);
        let Some(delay) = decision else {
            let mut plan = self.fail(failure);
            plan.status.failures = failures;
            return Ok(plan);
        };
        let waited = time::between(ended, self.now);
        if waited < delay {
            let left = delay - waited;
            return Ok(self
                .between_attempts(attempt, failures, failure, delay)
                .within(left));
        }
        // The inputs of the first attempt are the inputs of the run.
        let resolved = inputs::read(job.resolved.as_deref());
        self.start_attempt(attempt + 1, &resolved)
    }

    fn after_training(
        &self,
        attempt: u32,
        job: &JobState,
        result: &millwright_crds::wire::attempt::AttemptResult,
    ) -> Result<Plan<TrainingJobStatus>, SpecError> {
        let resolved = inputs::read(job.resolved.as_deref());
        let spec = &self.seen.object.spec;
        if spec.evaluation.is_none() {
            return Ok(self.register(attempt, &resolved, result, None));
        }
        let Some(evaluation) = self.job_of(EVALUATION, attempt) else {
            let champion = evaluation::champion(spec, self.seen.champion.as_ref());
            let job = evaluation::build(
                &self.seen.object,
                attempt,
                &resolved,
                result,
                champion,
                self.settings,
            )?;
            let mut plan = Plan::status(self.evaluating(attempt, &resolved, result));
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
                evaluation::Outcome::Waiting => {
                    Plan::status(self.evaluating(attempt, &resolved, result))
                }
                evaluation::Outcome::Lost => self.collect(attempt, COLLECT_EVALUATION),
                evaluation::Outcome::Failed(failure) => self.fail(failure),
                evaluation::Outcome::Succeeded(report) => {
                    let champion = evaluation::recorded_champion(evaluation);
                    let found = evaluation::result(&resolved, &report, champion);
                    self.register(attempt, &resolved, result, found)
                }
            },
        )
    }
}
