//! A small world for tests: it does what plans say, and its Deployments and Jobs do what they are
//! told.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use millwright_crds::{
    ModelDeploymentStatus, ModelVersion,
    model_deployment::{NextPhase, StageStatus},
};
use serde_json::Value;

use super::{Observed, ServiceState, fixtures, plan, revision};
use crate::{
    Object, Operation, Plan, Settings,
    observed::{DeploymentState, Edited, JobPhase, JobState},
    time,
};

/// A namespace with one ModelDeployment.
pub struct World {
    pub seen: Observed,
    pub settings: Settings,
    pub now: Timestamp,
    /// Pod templates of the Deployments, by name.
    pub templates: BTreeMap<String, Value>,
    /// Rollouts that aren't done: since when nothing has moved, and for how long that is allowed.
    rollouts: BTreeMap<String, (Timestamp, i64)>,
    uids: u32,
}

impl World {
    /// A world where nothing has happened.
    pub fn new(stages: Value) -> Self {
        let mut seen = fixtures::observed();
        seen.object = fixtures::deployment(stages);
        Self {
            seen,
            settings: fixtures::settings(),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            templates: BTreeMap::new(),
            rollouts: BTreeMap::new(),
            uids: 0,
        }
    }

    /// What is planned now.
    pub fn plan(&self) -> Plan<ModelDeploymentStatus> {
        plan(&self.seen, &self.settings, self.now)
    }

    /// Plans, does it, and commits the status.
    pub fn step(&mut self) -> Plan<ModelDeploymentStatus> {
        let plan = self.plan();
        for operation in &plan.operations {
            self.perform(operation);
        }
        self.seen.object.status = Some(plan.status.clone());
        plan
    }

    /// Everything goes well until nothing is left to do.
    pub fn settle(&mut self) {
        for _ in 0..50 {
            self.roll(true);
            self.end_tests(true);
            let before = self.seen.object.status.clone();
            let plan = self.step();
            if plan.operations.is_empty() && before == self.seen.object.status {
                return;
            }
        }
        panic!("never settles: {:#?}", self.status());
    }

    /// A version is registered.
    pub fn register(&mut self, version: ModelVersion) {
        self.seen.versions.push(version);
    }

    /// The spec changes.
    pub fn edit(&mut self, change: impl FnOnce(&mut Observed)) {
        change(&mut self.seen);
        let generation = &mut self.seen.object.metadata.generation;
        *generation = generation.map(|one| one + 1);
    }

    /// Time passes.
    pub fn wait(&mut self, seconds: u64) {
        self.now = time::after(self.now, std::time::Duration::from_secs(seconds));
        for one in &mut self.seen.deployments {
            let rollout = self.rollouts.get(&one.name);
            one.late = one.observed
                && rollout.is_some_and(|(since, allowed)| {
                    self.now.as_second() - since.as_second() >= *allowed
                });
        }
    }

    /// Another image in the server's template.
    pub fn image(&mut self, image: &str) {
        self.edit(|seen| {
            seen.object.spec.server.template.0["spec"]["containers"][0]["image"] = image.into();
        });
    }

    /// The Deployments' controller works: new pods serve, or never do.
    pub fn roll(&mut self, well: bool) {
        for one in &mut self.seen.deployments {
            one.observed = true;
            if well || one.replicas == 0 || one.complete() {
                one.updated = one.replicas;
                one.total = one.replicas;
                one.available = one.replicas;
                one.late = false;
                self.rollouts.remove(&one.name);
            } else {
                one.updated = 1;
                one.total = one.available + 1;
            }
        }
    }

    /// One more new pod of each rollout serves, and an old one is gone.
    pub fn one_more(&mut self) {
        for one in &mut self.seen.deployments {
            let Some((since, _)) = self.rollouts.get_mut(&one.name) else {
                continue;
            };
            *since = self.now;
            one.late = false;
            // The newest of those that were made serves, and another is made.
            let serves = one.updated;
            one.updated = (serves + 1).min(one.replicas);
            one.available = one.replicas;
            one.total = one.replicas + i32::from(serves < one.replicas);
            if serves == one.replicas {
                self.rollouts.remove(&one.name);
            }
        }
    }

    /// The tests end.
    pub fn end_tests(&mut self, well: bool) {
        for job in &mut self.seen.jobs {
            if job.phase == JobPhase::Active {
                job.phase = if well {
                    JobPhase::Complete
                } else {
                    JobPhase::Failed {
                        reason: "BackoffLimitExceeded".into(),
                        message: "Job has reached the specified backoff limit".into(),
                    }
                };
            }
        }
    }

    pub fn status(&self) -> &ModelDeploymentStatus {
        self.seen.object.status.as_ref().unwrap()
    }

    pub fn stage(&self, name: &str) -> &StageStatus {
        self.status()
            .stages
            .iter()
            .find(|stage| stage.name == name)
            .unwrap()
    }

    /// Number of the version that a stage serves.
    pub fn serves(&self, stage: &str) -> Option<u32> {
        self.stage(stage).current.as_ref().map(|c| c.version)
    }

    /// The version on its way into a stage.
    pub fn next(&self, stage: &str) -> Option<(u32, NextPhase)> {
        self.stage(stage)
            .next
            .as_ref()
            .map(|next| (next.version, next.phase))
    }

    /// The Ready condition's status, reason and message.
    pub fn ready(&self) -> (String, String, String) {
        let ready = self.status().conditions.iter().find(|c| c.type_ == "Ready");
        let ready = ready.unwrap().clone();
        (ready.status, ready.reason, ready.message)
    }

    /// Does what an operation says.
    pub fn perform(&mut self, operation: &Operation) {
        match operation {
            Operation::Apply(object) if object.resource.kind == "Deployment" => {
                self.apply_deployment(object);
            }
            Operation::Apply(object) => {
                let service = serde_json::from_value::<Service>(object.body.clone()).unwrap();
                self.seen.services.retain(|one| one.name != object.name);
                self.uids += 1;
                self.seen.services.push(ServiceState {
                    name: object.name.clone(),
                    uid: format!("s{}", self.uids),
                    ..ServiceState::from(&service)
                });
            }
            Operation::Create(object) if object.resource.kind == "Job" => {
                assert!(
                    !self.seen.jobs.iter().any(|job| job.name == object.name),
                    "{} is created twice",
                    object.name
                );
                self.uids += 1;
                self.seen.jobs.push(JobState {
                    name: object.name.clone(),
                    uid: format!("j{}", self.uids),
                    labels: fixtures::labels(object),
                    resolved: None,
                    created: Some(self.now),
                    started: Some(self.now),
                    phase: JobPhase::Active,
                    finished: None,
                    deleting: false,
                });
            }
            Operation::Create(_) => self.seen.store_claim = true,
            Operation::Delete(target) => {
                let uid = &target.uid;
                self.seen.jobs.retain(|one| one.uid != *uid);
                self.seen.services.retain(|one| one.uid != *uid);
                self.seen.deployments.retain(|one| one.uid != *uid);
            }
            Operation::ReplaceStatus { .. } => panic!("{}", operation.describe()),
        }
    }

    fn apply_deployment(&mut self, object: &Object) {
        self.uids += 1;
        let replicas = object.body["spec"]["replicas"].as_i64().unwrap();
        let replicas = i32::try_from(replicas).unwrap();
        let template = object.body["spec"]["template"].clone();
        let before = self.templates.insert(object.name.clone(), template.clone());
        let known = self
            .seen
            .deployments
            .iter()
            .position(|d| d.name == object.name);
        let known = known.map(|index| self.seen.deployments.remove(index));
        let fresh = known.is_none();
        let mut state = known.unwrap_or_else(|| DeploymentState {
            name: object.name.clone(),
            uid: format!("d{}", self.uids),
            labels: fixtures::labels(object),
            annotations: BTreeMap::new(),
            generation: 1,
            edited: Edited::No,
            shared: false,
            observed: false,
            replicas,
            updated: 0,
            total: 0,
            available: 0,
            refused: None,
            late: false,
            paused: false,
        });
        if fresh || before.as_ref() != Some(&template) {
            let allowed = object.body["spec"]["progressDeadlineSeconds"]
                .as_i64()
                .unwrap();
            self.rollouts
                .insert(object.name.clone(), (self.now, allowed));
            state.updated = 0;
            state.observed = false;
            state.late = false;
        }
        if state.replicas != replicas {
            state.replicas = replicas;
            state.observed = false;
        }
        state.edited = Edited::No;
        state.labels = fixtures::labels(object);
        let annotations = text(object, "annotations");
        if state.annotations != annotations {
            // The API server counts that as another generation, too.
            state.annotations = annotations;
            state.observed = false;
        }
        self.seen.deployments.push(state);
    }

    /// Hash of what the pods of a stage's Deployment are made from.
    pub fn deployed(&self, stage: &str) -> Option<String> {
        let name = format!("d-{stage}");
        let one = self.seen.deployments.iter().find(|one| one.name == name)?;
        Some(revision::read(&one.annotations).first()?.revision.clone())
    }
}

fn text(object: &Object, part: &str) -> BTreeMap<String, String> {
    serde_json::from_value(object.body["metadata"][part].clone()).unwrap_or_default()
}
