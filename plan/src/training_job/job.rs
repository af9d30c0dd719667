//! Jobs of a run: what attempts, evaluations and collections share.

use k8s_openapi::api::{
    batch::v1::{
        Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnPodConditionsPattern,
        PodFailurePolicyRule,
    },
    core::v1::{PodSpec, PodTemplateSpec},
};
use millwright_crds::{LABEL_ATTEMPT, TrainingJob};

use super::{COLLECT_EVALUATION, attempt, evaluation};
use crate::{
    Settings, SpecError,
    names::{self, JOB_LIMIT},
    pod::{
        agent,
        inject::{self, Owner},
    },
};

/// Builds what the run will need, to see whether it can be built.
///
/// # Errors
/// Names the field of the spec that can't work.
pub fn validate(run: &TrainingJob, settings: &Settings) -> Result<(), SpecError> {
    attempt::build(run, 1, &[], settings)?;
    if run.spec.evaluation.is_some() {
        evaluation::validate(run, settings)?;
    }
    Ok(())
}

/// Name of the Job of an attempt with this role.
pub(super) fn name(run: &str, attempt: u32, role: &str) -> String {
    let number = attempt.to_string();
    let parts: &[&str] = if role == super::TRAINING {
        &[run, &number]
    } else {
        &[run, &number, role]
    };
    names::join(parts, JOB_LIMIT)
}

/// A Job that runs one pod once: the operator owns retry, backoff and deadline, because the Job
/// controller's can't be told what we know. A disruption is told apart from a failure by the policy,
/// so that the reason outlives the pod.
pub(super) fn once(run: &TrainingJob, attempt: u32, role: &str, template: PodTemplateSpec) -> Job {
    let owner = Owner::of(run);
    let number = attempt.to_string();
    let mut metadata = owner.child(name(&owner.name, attempt, role), role);
    metadata
        .labels
        .get_or_insert_default()
        .insert(LABEL_ATTEMPT.into(), number);
    let labels = metadata.labels.clone().unwrap_or_default();
    let mut template = template;
    let pod = template.metadata.get_or_insert_default();
    pod.labels.get_or_insert_default().extend(labels);
    Job {
        metadata,
        spec: Some(JobSpec {
            completions: Some(1),
            parallelism: Some(1),
            completion_mode: Some("Indexed".into()),
            backoff_limit: Some(0),
            pod_replacement_policy: Some("Failed".into()),
            pod_failure_policy: Some(PodFailurePolicy {
                rules: vec![PodFailurePolicyRule {
                    action: "FailJob".into(),
                    on_pod_conditions: Some(vec![PodFailurePolicyOnPodConditionsPattern {
                        type_: "DisruptionTarget".into(),
                        status: Some("True".into()),
                    }]),
                    on_exit_codes: None,
                }],
            }),
            template,
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// A Job that reads a result back from the store when the pod was gone before its message was read.
pub(super) fn collect(run: &TrainingJob, attempt: u32, role: &str, settings: &Settings) -> Job {
    let owner = Owner::of(run);
    let mut args = vec!["collect", "--uid", &owner.uid, "--attempt"];
    let number = attempt.to_string();
    args.push(&number);
    if role == COLLECT_EVALUATION {
        args.push("--evaluation");
    }
    let mut container = agent::container("collect", &args, settings, &owner.namespace);
    inject::add_env(&mut container, settings.store.env());
    agent::use_store(&mut container, settings, true);
    let mut spec = PodSpec {
        restart_policy: Some("Never".into()),
        containers: vec![container],
        volumes: Some(settings.store.volume().into_iter().collect()),
        ..PodSpec::default()
    };
    inject::pod_defaults(&mut spec);
    once(
        run,
        attempt,
        role,
        PodTemplateSpec {
            metadata: None,
            spec: Some(spec),
        },
    )
}
