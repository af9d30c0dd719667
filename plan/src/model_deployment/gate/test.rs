//! The test gate: a Job that talks to the stage before, and ends well or not.

use jiff::Timestamp;
use k8s_openapi::api::{
    batch::v1::{
        Job, JobSpec, PodFailurePolicy, PodFailurePolicyOnPodConditionsPattern,
        PodFailurePolicyRule,
    },
    core::v1::PodTemplateSpec,
};
use millwright_crds::{
    LABEL_ROLE, LABEL_STAGE, ModelDeployment,
    model_deployment::{Gate, Stage, TestGate},
    wire::contract::{ENV_ENDPOINT, ENV_VERSION},
};

use super::Judgement;
use crate::{
    Object, Operation, Reason, SpecError, Target,
    model_deployment::{GATE, LABEL_GATE, LABEL_VERSION, names, problem, target::Version},
    names::{JOB_LIMIT, hash8, join},
    observed::{JobPhase, JobState, PodState},
    pod::{
        agent,
        inject::{self, Owner},
        refused, template,
    },
};

/// Name of the container that the template is for.
const CONTAINER: &str = "test";
/// Label that the Job controller puts on pods.
pub(crate) const LABEL_JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// Label with the generation of the spec that a Job was made for.
pub(crate) const LABEL_GENERATION: &str = "millwright.dev/generation";

/// What is known of tests.
#[derive(Clone, Copy)]
pub(in crate::model_deployment) struct Tests<'a> {
    /// The deployment.
    pub object: &'a ModelDeployment,
    /// Its Jobs.
    pub jobs: &'a [JobState],
    /// Its pods.
    pub pods: &'a [PodState],
    /// Hash of what the version's pods are made from.
    pub revision: &'a str,
    /// Name of the stage before.
    pub stage_before: Option<&'a str>,
    /// Whether the stage before serves the version and nothing else, so that a test may start.
    pub may_start: bool,
    /// The time.
    pub now: Timestamp,
}

impl<'a> Tests<'a> {
    /// Nothing is known.
    #[cfg(test)]
    pub fn none(seen: &'a crate::model_deployment::Observed) -> Self {
        Self {
            object: &seen.object,
            jobs: &[],
            pods: &[],
            revision: "",
            stage_before: None,
            may_start: false,
            now: Timestamp::UNIX_EPOCH,
        }
    }

    /// What the gate says, and the Job to create or to delete.
    pub(super) fn judge(
        &self,
        stage: &Stage,
        gate: &Gate,
        candidate: &Version,
    ) -> (Judgement, Option<Operation>) {
        let (Some(test), Some(before)) = (&gate.test, self.stage_before) else {
            // Refused before by `check`.
            let said = "a test gate needs a stage before";
            return (Judgement::failed(Reason::InvalidSpec, said), None);
        };
        let owner = Owner::of(self.object);
        let name = job_name(&owner, stage, gate, candidate, self.revision);
        let under_way = format!("Job {name} runs, {} at most", test.timeout);
        let Some(job) = self.jobs.iter().find(|job| job.name == name) else {
            if !self.may_start {
                let wait =
                    format!("waits until stage {before} serves {candidate} with all its pods");
                return (Judgement::pending(wait), None);
            }
            return match build(&owner, stage, gate, test, candidate, name, before) {
                Ok(mut job) => {
                    let labels = job.metadata.labels.get_or_insert_default();
                    labels.insert(LABEL_GENERATION.into(), self.generation());
                    let create = Operation::Create(Object::built_in(&job));
                    (Judgement::pending(under_way), Some(create))
                }
                Err(error) => (
                    Judgement::failed(Reason::InvalidSpec, error.to_string()),
                    None,
                ),
            };
        };
        if job.deleting {
            let wait = format!("waits until the old Job {name} is gone");
            return (Judgement::pending(wait), None);
        }
        let judgement = match &job.phase {
            // The spec has changed since: what was refused is tried again.
            JobPhase::Failed { .. } if job.label(LABEL_GENERATION) != Some(&self.generation()) => {
                let target = Target::built_in::<Job>(&owner.namespace, &job.name, &job.uid);
                let wait = format!("waits until the old Job {name} is gone");
                return (Judgement::pending(wait), Some(Operation::Delete(target)));
            }
            JobPhase::Active => Judgement::pending(match problem::of_pods(self.pods_of(&name)) {
                Some(problem) => format!("Job {name}: {}", problem.message),
                None if self.pods_of(&name).next().is_none() => {
                    refused::explain(job, self.now).unwrap_or(under_way)
                }
                None => under_way,
            }),
            JobPhase::Complete => Judgement::passed(format!("Job {name} ended well")),
            JobPhase::Failed { reason, message } => {
                let why = if reason == "DeadlineExceeded" {
                    format!("took longer than {}", test.timeout)
                } else {
                    self.last_words(&name)
                        .unwrap_or_else(|| format!("failed: {message}"))
                };
                Judgement::failed(Reason::GateFailed, format!("Job {name} {why}: refused"))
            }
        };
        (judgement, None)
    }

    fn generation(&self) -> String {
        let generation = self.object.metadata.generation.unwrap_or(1);
        generation.to_string()
    }

    fn pods_of<'b>(&'b self, job: &'b str) -> impl Iterator<Item = &'b PodState> {
        self.pods
            .iter()
            .filter(move |pod| pod.label(LABEL_JOB_NAME) == Some(job))
    }

    /// How the test's container ended.
    fn last_words(&self, job: &str) -> Option<String> {
        let mut ends: Vec<_> = self
            .pods_of(job)
            .flat_map(|pod| &pod.containers)
            .filter_map(|container| Some((container, container.terminated()?)))
            .filter(|(_, end)| end.exit_code != 0)
            .collect();
        // Init containers that failed come before what never ran.
        ends.sort_by(|a, b| a.0.name.cmp(&b.0.name));
        ends.first().map(|(container, end)| {
            let (_, words) = problem::of_end(end);
            format!("failed: container {}: {words}", container.name)
        })
    }
}

/// Reads the template of a test.
///
/// # Errors
/// When it can't work; the error names the field.
pub(in crate::model_deployment) fn check(
    spec_stage: usize,
    spec_gate: usize,
    test: &TestGate,
) -> Result<(), SpecError> {
    let field = format!("spec.stages[{spec_stage}].gates[{spec_gate}].test");
    if spec_stage == 0 {
        return Err(SpecError::new(
            field,
            "a test asks the stage before, and the first stage has none: move the gate to a later \
             stage",
        ));
    }
    let field = format!("{field}.template");
    let mut decoded = template::decode(&test.template, &field, CONTAINER)?;
    match &decoded.spec().restart_policy {
        Some(policy) if policy != "Never" => Err(SpecError::new(
            format!("{field}.spec.restartPolicy"),
            format!("is {policy}, but a test runs once: leave it out, or set it to Never"),
        )),
        _ => Ok(()),
    }
}

/// Name of the Job of a test: another one when the version, its pods or the test change.
pub(in crate::model_deployment) fn job_name(
    owner: &Owner,
    stage: &Stage,
    gate: &Gate,
    version: &Version,
    revision: &str,
) -> String {
    let test = gate
        .test
        .as_ref()
        .map(|test| format!("{}|{}", test.template.0, test.timeout))
        .unwrap_or_default();
    let hash = hash8(&format!("{test}|{}|{revision}", version.digest));
    let number = version.to_string();
    join(
        &[&owner.name, &stage.name, &gate.name, &number, &hash],
        JOB_LIMIT,
    )
}

fn build(
    owner: &Owner,
    stage: &Stage,
    gate: &Gate,
    test: &TestGate,
    version: &Version,
    name: String,
    before: &str,
) -> Result<Job, SpecError> {
    let mut decoded = template::decode(
        &test.template,
        &format!("gate {} of stage {}: test.template", gate.name, stage.name),
        CONTAINER,
    )?;
    let container = decoded.container();
    inject::add_env(
        container,
        vec![
            agent::env(ENV_ENDPOINT, names::url(owner, before)),
            agent::env(ENV_VERSION, version.number.to_string()),
        ],
    );
    container
        .termination_message_policy
        .get_or_insert_with(|| "FallbackToLogsOnError".into());
    let pod = decoded.spec();
    pod.restart_policy = Some("Never".into());
    inject::pod_defaults(pod);
    let mut metadata = owner.child(name, GATE);
    let labels = metadata.labels.get_or_insert_default();
    labels.extend([
        (LABEL_STAGE.into(), stage.name.clone()),
        (LABEL_GATE.into(), gate.name.clone()),
        (LABEL_VERSION.into(), version.number.to_string()),
    ]);
    let mut template: PodTemplateSpec = decoded.template;
    template
        .metadata
        .get_or_insert_default()
        .labels
        .get_or_insert_default()
        .extend(labels.clone());
    Ok(Job {
        metadata,
        spec: Some(JobSpec {
            backoff_limit: Some(0),
            active_deadline_seconds: Some(
                i64::try_from(test.timeout.as_secs()).unwrap_or(i64::MAX),
            ),
            // A test whose pod was evicted says nothing about the version: it runs again.
            pod_failure_policy: Some(PodFailurePolicy {
                rules: vec![PodFailurePolicyRule {
                    action: "Ignore".into(),
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
    })
}

/// Names of the Jobs that the gates of a stage have for a version.
pub(in crate::model_deployment) fn wanted(
    owner: &Owner,
    stage: &Stage,
    version: &Version,
    revision: &str,
) -> Vec<String> {
    stage
        .gates
        .iter()
        .filter(|gate| gate.test.is_some())
        .map(|gate| job_name(owner, stage, gate, version, revision))
        .collect()
}

/// Whether a Job is the test of a gate.
pub(in crate::model_deployment) fn is_test(job: &JobState) -> bool {
    job.label(LABEL_ROLE) == Some(GATE)
}
