//! A small world for tests: it does what plans say.

use millwright_crds::{
    ANNOTATION_REFRESH,
    common::ConditionType::{Ready, Reconciling, Stalled},
    dataset::DatasetPhase,
    wire::sync::SyncResult,
};

use super::{
    fixtures::{at, dataset, ended, labels, pod, result, settings},
    *,
};
use crate::{
    conditions::is_true,
    observed::{LABEL_JOB, Lifecycle},
};

/// A namespace with one Dataset, where plans are carried out.
pub(super) struct World {
    pub seen: Observed,
    pub now: i64,
    pub events: Vec<Event>,
    jobs_made: u32,
}

impl World {
    pub fn new() -> Self {
        let seen = Observed {
            object: dataset(),
            jobs: vec![],
            pods: vec![],
            store_claim: false,
        };
        Self {
            seen,
            now: 1_000,
            events: vec![],
            jobs_made: 0,
        }
    }

    /// One pass: its operations are carried out and its status is written.
    pub fn pass(&mut self) -> Plan<DatasetStatus> {
        let plan = plan(&self.seen, &settings(), at(self.now));
        for operation in &plan.operations {
            match operation {
                Operation::Create(object) if object.resource.kind == "Job" => self.create(object),
                Operation::Create(_) => self.seen.store_claim = true,
                Operation::Delete(target) => self.delete(&target.uid),
                other => panic!("{other:?}"),
            }
        }
        self.seen.object.status = Some(plan.status.clone());
        self.events.extend(plan.events.clone());
        plan
    }

    fn create(&mut self, object: &Object) {
        assert!(
            self.seen.jobs.iter().all(|job| job.name != object.name),
            "{} exists",
            object.name
        );
        self.jobs_made += 1;
        self.seen.jobs.push(JobState {
            name: object.name.clone(),
            uid: format!("job-{}", self.jobs_made),
            labels: labels(object),
            resolved: None,
            created: Some(at(self.now)),
            started: Some(at(self.now)),
            phase: JobPhase::Active,
            finished: None,
            deleting: false,
        });
    }

    fn delete(&mut self, uid: &str) {
        self.seen.jobs.retain(|job| job.uid != uid);
        self.seen
            .pods
            .retain(|pod| pod.label(LABEL_JOB) != Some(uid));
    }

    /// The sync that hasn't ended.
    pub fn active(&mut self) -> Option<&mut JobState> {
        let active = |job: &&mut JobState| job.phase == JobPhase::Active;
        self.seen.jobs.iter_mut().find(active)
    }

    /// Its pod gets into this state.
    pub fn container(&mut self, state: Lifecycle) {
        if let Some(job) = self.active().cloned() {
            let label = Some(job.uid.as_str());
            self.seen.pods.retain(|pod| pod.label(LABEL_JOB) != label);
            self.seen.pods.push(pod(&job, state));
        }
    }

    /// It ends well with this result.
    pub fn succeed(&mut self, result: &SyncResult) {
        let text = serde_json::to_string(result).unwrap();
        self.container(ended(0, "Completed", &text));
        self.end(JobPhase::Complete);
    }

    /// It fails.
    pub fn fail(&mut self, exit_code: i32, message: &str) {
        self.container(ended(exit_code, "Error", message));
        self.end(JobPhase::Failed {
            reason: "BackoffLimitExceeded".into(),
            message: "Job has reached the specified backoff limit".into(),
        });
    }

    fn end(&mut self, phase: JobPhase) {
        let now = self.now;
        if let Some(job) = self.active() {
            job.phase = phase;
            job.finished = Some(at(now));
        }
    }

    pub fn annotate(&mut self, value: &str) {
        self.seen
            .object
            .metadata
            .annotations
            .get_or_insert_default()
            .insert(ANNOTATION_REFRESH.into(), value.into());
    }

    pub fn status(&self) -> &DatasetStatus {
        self.seen.object.status.as_ref().unwrap()
    }

    pub fn message(&self) -> &str {
        let ready = |c: &&millwright_crds::common::Condition| c.type_ == "Ready";
        &self.status().conditions.iter().find(ready).unwrap().message
    }

    /// Phase, Ready, Reconciling and Stalled.
    pub fn standing(&self) -> (DatasetPhase, bool, bool, bool) {
        let status = self.status();
        let is = |kind| is_true(&status.conditions, kind);
        (status.phase, is(Ready), is(Reconciling), is(Stalled))
    }

    pub fn reasons(&mut self) -> Vec<Reason> {
        self.events.drain(..).map(|event| event.reason).collect()
    }

    /// A first version is current.
    pub fn ready() -> Self {
        let mut world = Self::new();
        world.pass();
        world.now += 5;
        world.succeed(&result(1, &[], Some("v1")));
        world.pass();
        world.events.clear();
        world
    }
}
