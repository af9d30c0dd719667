//! The evaluation of a run: a second pod that scores the candidate and the champion on the same
//! data.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::{batch::v1::Job, core::v1::Container};
use millwright_crds::{
    ANNOTATION_RESOLVED, TrainingJob, TrainingJobSpec,
    training_job::{Against, EvaluationResult, Failure, FailureReason, ResolvedInput},
    wire::{
        self,
        attempt::{AttemptResult, FetchItem, FetchTask},
        contract,
        evaluation::{EvaluateTask, EvaluationReport, EvaluationStoreTask},
    },
};

use super::{
    COLLECT_EVALUATION, Champion, EVALUATION, EVALUATION_INPUT, failure, job,
    lost::{self, Kept},
    outcome,
};
use crate::{
    Settings, SpecError,
    observed::{JobPhase, JobState, PodState},
    pod::{
        agent::{self, BIN_VOLUME, RUN_VOLUME},
        inject::{self, Owner},
        mounts::Wanted,
        refused, template,
    },
};

const DATA_VOLUME: &str = "millwright-data";
const MODELS_VOLUME: &str = "millwright-models";
/// Name of the evaluator's container in templates with several.
pub(super) const CONTAINER: &str = "evaluator";
/// Seconds between SIGTERM and SIGKILL for the evaluator, and of margin for the agent after it.
const GRACE: u64 = 10;

/// The version to compare with, if the spec asks for one and one serves.
pub(super) fn champion<'a>(
    spec: &TrainingJobSpec,
    champion: Option<&'a Champion>,
) -> Option<&'a Champion> {
    let against = spec
        .evaluation
        .as_ref()
        .map(|evaluation| evaluation.against);
    champion.filter(|_| against == Some(Against::Champion))
}

/// Whether the evaluation's pod can be built.
pub(super) fn validate(run: &TrainingJob, settings: &Settings) -> Result<(), SpecError> {
    let nothing = AttemptResult {
        v: 1,
        digest: String::new(),
        files: 0,
        bytes: 0,
        metrics: Default::default(),
        key: String::new(),
        profile: None,
    };
    build(run, 1, &[], &nothing, None, settings).map(|_| ())
}

/// The Job that evaluates what attempt `attempt` published.
///
/// # Errors
/// When the template can't work; the error names the field.
pub fn build(
    run: &TrainingJob,
    attempt: u32,
    resolved: &[ResolvedInput],
    result: &AttemptResult,
    champion: Option<&Champion>,
    settings: &Settings,
) -> Result<Job, SpecError> {
    let Some(evaluation) = &run.spec.evaluation else {
        return Err(SpecError::new("spec.evaluation", "there is no evaluation"));
    };
    let owner = Owner::of(run);
    let mut decoded =
        template::decode(&evaluation.template, "spec.evaluation.template", CONTAINER)?;
    inject::wrap_command(&mut decoded, "evaluate")?;
    inject::substitute_parameters(&mut decoded, &run.spec.parameters)?;
    let ours = |field: &str, path| Wanted {
        field: field.into(),
        path,
    };
    decoded.check_mounts(&[
        ours("the models", contract::EVALUATION_MODELS),
        ours("the data", contract::EVALUATION_DATA),
    ])?;
    let task = EvaluateTask {
        v: 1,
        champion: champion.is_some(),
        objective: run
            .spec
            .objective
            .as_ref()
            .map(|objective| objective.metric.clone()),
        grace_seconds: GRACE,
    };
    let container = decoded.container();
    let parameters = run.spec.parameters.iter().map(|(name, value)| {
        agent::env(&contract::env_parameter(name), value.replace("$(", "$$("))
    });
    inject::add_env(
        container,
        std::iter::once(agent::task_env(&task))
            .chain(parameters)
            .collect(),
    );
    container.volume_mounts.get_or_insert_default().extend([
        agent::mount(BIN_VOLUME, contract::BIN_DIR, true),
        agent::mount(RUN_VOLUME, contract::RUN_DIR, false),
        agent::mount(MODELS_VOLUME, contract::EVALUATION_MODELS, true),
        agent::mount(DATA_VOLUME, contract::EVALUATION_DATA, true),
    ]);
    let init = vec![
        fetch(resolved, result, champion, settings, &owner),
        sidecar(run, attempt, result, settings, &owner),
    ];
    let pod = decoded.spec();
    inject::prepend_init(pod, init);
    let volumes = pod.volumes.get_or_insert_default();
    volumes.extend([
        agent::scratch(BIN_VOLUME),
        agent::scratch(RUN_VOLUME),
        agent::scratch(MODELS_VOLUME),
        agent::scratch(DATA_VOLUME),
    ]);
    volumes.extend(settings.store.volume());
    pod.restart_policy = Some("Never".into());
    pod.termination_grace_period_seconds = Some(i64::try_from(2 * GRACE).unwrap_or(i64::MAX));
    inject::pod_defaults(pod);
    let mut job = job::once(run, attempt, EVALUATION, decoded.template);
    if let Some(champion) = champion {
        // What the report will be about must not change while the pod runs.
        let record = serde_json::json!({"version": champion.version, "digest": champion.digest});
        job.metadata
            .annotations
            .get_or_insert_default()
            .insert(ANNOTATION_RESOLVED.into(), record.to_string());
    }
    Ok(job)
}

fn fetch(
    resolved: &[ResolvedInput],
    result: &AttemptResult,
    champion: Option<&Champion>,
    settings: &Settings,
    owner: &Owner,
) -> Container {
    let models = contract::EVALUATION_MODELS;
    let set = |what: String, digest: &str, path: String| FetchItem {
        what,
        digest: Some(digest.into()),
        key: None,
        path,
        optional: false,
    };
    let mut items = vec![set(
        "the new model".into(),
        &result.digest,
        format!("{models}/candidate"),
    )];
    if let Some(champion) = champion {
        let what = format!("the champion (version {})", champion.version);
        items.push(set(what, &champion.digest, format!("{models}/champion")));
    }
    if let Some(data) = resolved.iter().find(|input| input.name == EVALUATION_INPUT) {
        let what = format!(
            "the evaluation's data (Dataset {} {})",
            data.dataset, data.version
        );
        items.push(set(what, &data.digest, contract::EVALUATION_DATA.into()));
    }
    let task = FetchTask {
        v: 1,
        install_agent: true,
        parameters: None,
        items,
    };
    let mut fetch = agent::container(agent::FETCH, &["fetch"], settings, &owner.namespace);
    inject::add_task(&mut fetch, &task, settings);
    fetch.volume_mounts = Some(vec![
        agent::mount(BIN_VOLUME, contract::BIN_DIR, false),
        agent::mount(MODELS_VOLUME, models, false),
        agent::mount(DATA_VOLUME, contract::EVALUATION_DATA, false),
    ]);
    agent::use_store(&mut fetch, settings, true);
    fetch
}

fn sidecar(
    run: &TrainingJob,
    attempt: u32,
    result: &AttemptResult,
    settings: &Settings,
    owner: &Owner,
) -> Container {
    let task = EvaluationStoreTask {
        v: 1,
        uid: owner.uid.clone(),
        attempt,
        model: run.spec.model.clone().unwrap_or_default(),
        digest: result.digest.clone(),
    };
    let mut sidecar = agent::container(
        agent::SIDECAR,
        &["run", "--evaluation"],
        settings,
        &owner.namespace,
    );
    inject::add_task(&mut sidecar, &task, settings);
    sidecar.restart_policy = Some("Always".into());
    sidecar.volume_mounts = Some(vec![agent::mount(RUN_VOLUME, contract::RUN_DIR, false)]);
    agent::use_store(&mut sidecar, settings, false);
    sidecar
}

/// How an evaluation stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Not ended; when something keeps it from its end, what.
    Waiting(Option<Failure>),
    /// Ended, and its pod's end should be seen within this time.
    Settling(Duration),
    /// The pod was taken away: that says nothing of the model, so it is evaluated again.
    Disrupted(Failure),
    /// Ended well, but its report wasn't read before the pod was gone.
    Lost(Kept<EvaluationReport>),
    /// Ended well.
    Succeeded(EvaluationReport),
    /// Ended badly.
    Failed(Failure),
}

/// How the evaluation of attempt `attempt` stands.
pub(super) fn outcome(
    attempt: u32,
    job: &JobState,
    jobs: &[JobState],
    pods: &[PodState],
    now: Timestamp,
) -> Outcome {
    if job.deleting {
        return Outcome::Waiting(None);
    }
    if let Some(left) = outcome::settling(job, pods, now) {
        return Outcome::Settling(left);
    }
    if let Some(pod) = outcome::lost(job, pods, now) {
        return Outcome::Disrupted(failure::of_lost_pod(attempt, pod, now));
    }
    match &job.phase {
        // A training is not thrown away because a registry was down for a moment.
        JobPhase::Active => match failure::of_stuck_pod(attempt, job, pods, now) {
            Some(failure) if failure::is_hopeless(job, pods, now) => {
                Outcome::Failed(as_evaluation(failure))
            }
            Some(stuck) => Outcome::Waiting(Some(stuck)),
            None => {
                let alone = outcome::pod_of(job, pods).is_none();
                let why = refused::explain(job, now).filter(|_| alone);
                let reason = FailureReason::PodRefused;
                Outcome::Waiting(why.map(|why| failure::plain(reason, why, attempt, now)))
            }
        },
        JobPhase::Complete => match outcome::message_of(job, pods) {
            Some(text) => match wire::read(text.as_bytes()) {
                Ok(report) => Outcome::Succeeded(report),
                Err(error) => Outcome::Failed(failure::plain(
                    FailureReason::EvaluationFailed,
                    error.to_string(),
                    attempt,
                    now,
                )),
            },
            None => match lost::kept(attempt, COLLECT_EVALUATION, jobs, pods, now) {
                Kept::Found(report) => Outcome::Succeeded(report),
                Kept::Nothing(failure) => Outcome::Failed(as_evaluation(failure)),
                kept => Outcome::Lost(kept),
            },
        },
        JobPhase::Failed { .. } => {
            let failure = failure::of_job(attempt, job, pods, now);
            match failure.reason {
                FailureReason::Evicted | FailureReason::PodDeleted => Outcome::Disrupted(failure),
                _ => Outcome::Failed(as_evaluation(failure)),
            }
        }
    }
}

/// A failure of the evaluation's pod is a failed evaluation, whatever broke it; the message keeps
/// the cause.
fn as_evaluation(failure: Failure) -> Failure {
    let keep = matches!(
        failure.reason,
        FailureReason::EvaluationFailed | FailureReason::ImagePull | FailureReason::OOMKilled
    );
    if keep {
        return failure;
    }
    let message = format!("the evaluation failed: {}", failure.message);
    let message = failure::cut(&message, failure::MESSAGE_LIMIT);
    Failure {
        reason: FailureReason::EvaluationFailed,
        message,
        ..failure
    }
}

/// The champion that an evaluation was started with.
pub(super) fn recorded_champion(job: &JobState) -> Option<u32> {
    let record: serde_json::Value = serde_json::from_str(job.resolved.as_deref()?).ok()?;
    record.get("version")?.as_u64()?.try_into().ok()
}

/// What status and registry record of a report; `None` without the data it was made on.
pub(super) fn result(
    resolved: &[ResolvedInput],
    report: &EvaluationReport,
    champion: Option<u32>,
) -> Option<EvaluationResult> {
    let data = resolved
        .iter()
        .find(|input| input.name == EVALUATION_INPUT)?;
    Some(EvaluationResult {
        data: data.clone(),
        metrics: report.candidate.clone(),
        champion,
        champion_metrics: report.champion.clone(),
    })
}
