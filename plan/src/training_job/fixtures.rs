//! A namespace with one run, where plans are carried out.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use millwright_crds::{
    LABEL_OWNER, TrainingJobSpec,
    dataset::CurrentVersion,
    training_job::TrainingJobPhase,
    wire::{attempt::AgentFailure, evaluation::EvaluationReport},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    Object,
    observed::{ContainerState, LABEL_JOB, Lifecycle, Terminated},
};

pub(super) use crate::fixtures::{at, bucket, labels, settings, with_secrets};

fn template(name: &str) -> Value {
    json!({"spec": {"containers": [{"name": name, "image": "i:1", "command": ["go"]}]}})
}

/// A run of these parts.
pub(super) fn run(spec: Value) -> TrainingJob {
    let mut whole = json!({
        "template": template("trainer"),
        "retry": {"limit": 2, "backoff": {"initial": "10s", "max": "60s"}},
    });
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    let spec: TrainingJobSpec = serde_json::from_value(whole).unwrap();
    TrainingJob {
        metadata: ObjectMeta {
            name: Some("run".into()),
            namespace: Some("demo".into()),
            uid: Some("run-uid".into()),
            generation: Some(1),
            ..ObjectMeta::default()
        },
        spec,
        status: None,
    }
}

pub(super) fn evaluation() -> Value {
    json!({"dataset": {"name": "holdout"}, "template": template("evaluator")})
}

pub(super) fn result(attempt: u32) -> AttemptResult {
    AttemptResult {
        v: 1,
        digest: format!("sha256:{attempt:064x}"),
        files: 1,
        bytes: 10,
        metrics: BTreeMap::from([("mae".into(), f64::from(attempt))]),
        key: format!("runs/run-uid/{attempt}/result.json"),
        profile: None,
    }
}

fn report() -> EvaluationReport {
    serde_json::from_value(json!({"v": 1, "candidate": {"mae": 1.0}, "champion": {}})).unwrap()
}

/// A namespace with one run.
pub(super) struct World {
    pub seen: Observed,
    pub now: i64,
    pub events: Vec<Event>,
    pub versions: Vec<ModelVersion>,
    /// Attempts whose result is in the artifact store.
    pub published: BTreeSet<u32>,
    /// Attempts whose evaluation is.
    pub evaluated: BTreeSet<u32>,
    /// Numbers of all attempts ever started.
    pub started: Vec<u32>,
    jobs_made: u32,
}

impl World {
    pub fn new(object: TrainingJob) -> Self {
        let current = |version: &str| DatasetStatus {
            current: Some(CurrentVersion {
                version: version.into(),
                digest: format!("sha256:{:064x}", version.len()),
                rows: 1,
                files: 1,
                bytes: 1,
                profile: None,
                created_at: String::new(),
            }),
            ..DatasetStatus::default()
        };
        let seen = Observed {
            object,
            jobs: vec![],
            pods: vec![],
            datasets: vec![
                ("flights".into(), current("v3")),
                ("holdout".into(), current("v12")),
            ],
            model: None,
            last_version: None,
            champion: None,
            store_claim: false,
            progress: None,
        };
        Self {
            seen,
            now: 1_000,
            events: vec![],
            versions: vec![],
            published: BTreeSet::new(),
            evaluated: BTreeSet::new(),
            started: vec![],
            jobs_made: 0,
        }
    }

    /// One pass: its operations are carried out and its status is written.
    pub fn pass(&mut self) -> Plan<TrainingJobStatus> {
        self.pass_until(usize::MAX)
    }

    /// A pass that ends before its write number `crash`, counted from 0; the status is the last.
    pub fn pass_until(&mut self, crash: usize) -> Plan<TrainingJobStatus> {
        let plan = plan(&self.seen, &settings(), at(self.now));
        for operation in plan.operations.iter().take(crash) {
            self.carry_out(operation);
        }
        if crash > plan.operations.len() {
            self.seen.object.status = Some(plan.status.clone());
            self.events.extend(plan.events.clone());
        }
        self.read_registry();
        plan
    }

    fn carry_out(&mut self, operation: &Operation) {
        match operation {
            Operation::Create(object) => match object.resource.kind.as_str() {
                "Job" => self.create_job(object),
                "PersistentVolumeClaim" => self.seen.store_claim = true,
                "Model" => {
                    assert!(self.seen.model.is_none(), "the Model exists");
                    let mut model: Model = serde_json::from_value(object.body.clone()).unwrap();
                    model.metadata.resource_version = Some("1".into());
                    self.seen.model = Some(model);
                }
                "ModelVersion" => {
                    let version: ModelVersion =
                        serde_json::from_value(object.body.clone()).unwrap();
                    let same = |known: &ModelVersion| known.name_any() == version.name_any();
                    assert!(!self.versions.iter().any(same), "{} exists", object.name);
                    self.versions.push(version);
                }
                other => panic!("{other}"),
            },
            Operation::ReplaceStatus { object, .. } => {
                self.seen.model = Some(serde_json::from_value(object.body.clone()).unwrap());
            }
            Operation::Delete(target) => self.delete(&target.uid),
            Operation::Apply(object) => panic!("{object:?}"),
        }
    }

    fn create_job(&mut self, object: &Object) {
        // As the API server says then, it was done before.
        if self.seen.jobs.iter().any(|job| job.name == object.name) {
            return;
        }
        self.jobs_made += 1;
        let job = JobState {
            name: object.name.clone(),
            uid: format!("job-{}", self.jobs_made),
            resolved: object.body["metadata"]["annotations"][millwright_crds::ANNOTATION_RESOLVED]
                .as_str()
                .map(Into::into),
            labels: labels(object),
            created: Some(at(self.now)),
            started: Some(at(self.now)),
            phase: JobPhase::Active,
            finished: None,
            deleting: false,
        };
        if job.label(LABEL_ROLE) == Some(TRAINING) {
            self.started.push(attempt_of(&job));
        }
        self.seen.jobs.push(job);
    }

    /// A Job is deleted in the background: its pod goes later.
    pub fn delete(&mut self, uid: &str) {
        self.seen.jobs.retain(|job| job.uid != uid);
        for pod in &mut self.seen.pods {
            pod.deleting |= pod.label(LABEL_JOB) == Some(uid);
        }
    }

    fn read_registry(&mut self) {
        let last = self.seen.model.as_ref().and_then(|m| m.status.as_ref());
        let last = last.map(|status| status.last_version);
        let find = |version: &&ModelVersion| Some(version.spec.version) == last;
        self.seen.last_version = self.versions.iter().find(find).cloned();
    }

    /// The Job under way.
    pub fn active(&self) -> Option<JobState> {
        let active = |job: &&JobState| job.phase == JobPhase::Active && !job.deleting;
        self.seen.jobs.iter().find(active).cloned()
    }

    /// The main container of the pod under way gets into this state.
    pub fn container(&mut self, state: Lifecycle) {
        let Some(job) = self.active() else { return };
        self.seen
            .pods
            .retain(|pod| pod.label(LABEL_JOB) != Some(&job.uid));
        self.seen.pods.push(PodState {
            name: format!("{}-0-x", job.name),
            uid: format!("pod of {}", job.uid),
            labels: job.labels.with(LABEL_JOB, &job.uid),
            ip: Some("10.0.0.1".into()),
            phase: String::new(),
            reason: None,
            message: None,
            ready: false,
            unschedulable: None,
            disrupted: None,
            deleting: false,
            gone_by: None,
            placed: None,
            containers: vec![ContainerState {
                name: "trainer".into(),
                init: false,
                image_id: None,
                state,
                last: None,
                restarts: 0,
            }],
        });
    }

    pub fn runs(&mut self) {
        self.container(Lifecycle::Running { since: None });
    }

    /// What is under way ends well: its record is in the store, and its message says so.
    pub fn succeeds(&mut self) {
        let Some(job) = self.active() else { return };
        let attempt = attempt_of(&job);
        let message = match job.label(LABEL_ROLE) {
            Some(TRAINING) => {
                self.published.insert(attempt);
                serde_json::to_string(&result(attempt))
            }
            Some(EVALUATION) => {
                self.evaluated.insert(attempt);
                serde_json::to_string(&report())
            }
            Some(COLLECT) if self.published.contains(&attempt) => {
                serde_json::to_string(&result(attempt))
            }
            Some(COLLECT_EVALUATION) if self.evaluated.contains(&attempt) => {
                serde_json::to_string(&report())
            }
            Some(role) => {
                let reason = if role == COLLECT {
                    FailureReason::PublishFailed
                } else {
                    FailureReason::EvaluationFailed
                };
                let nothing = AgentFailure {
                    v: 1,
                    reason,
                    message: "there is none".into(),
                };
                return self.fails(69, &serde_json::to_string(&nothing).unwrap());
            }
            None => panic!("{job:?}"),
        };
        self.says(0, &message.unwrap());
    }

    /// What is under way ends with this code and message.
    pub fn says(&mut self, exit_code: i32, message: &str) {
        self.container(Lifecycle::Terminated(Terminated {
            exit_code,
            reason: "Completed".into(),
            message: message.into(),
            finished: None,
        }));
        self.end(if exit_code == 0 {
            JobPhase::Complete
        } else {
            failed("BackoffLimitExceeded")
        });
    }

    pub fn fails(&mut self, exit_code: i32, message: &str) {
        self.says(exit_code, message);
    }

    pub fn end(&mut self, phase: JobPhase) {
        let now = self.now;
        let active = |job: &&mut JobState| job.phase == JobPhase::Active && !job.deleting;
        if let Some(job) = self.seen.jobs.iter_mut().find(active) {
            job.phase = phase;
            job.finished = Some(at(now));
        }
    }

    pub fn status(&self) -> TrainingJobStatus {
        self.seen.object.status.clone().unwrap_or_default()
    }

    pub fn phase(&self) -> TrainingJobPhase {
        self.status().phase
    }

    pub fn reasons(&mut self) -> Vec<Reason> {
        self.events.drain(..).map(|event| event.reason).collect()
    }

    /// Versions that this run has registered.
    pub fn registered(&self) -> Vec<&ModelVersion> {
        let ours = |v: &&ModelVersion| v.labels().get(LABEL_OWNER).is_some_and(|o| o == "run-uid");
        self.versions.iter().filter(ours).collect()
    }
}

pub(super) fn attempt_of(job: &JobState) -> u32 {
    job.label(LABEL_ATTEMPT).unwrap().parse().unwrap()
}

pub(super) fn failed(reason: &str) -> JobPhase {
    JobPhase::Failed {
        reason: reason.into(),
        message: "Job has failed".into(),
    }
}
