//! A small world for tests: it does what plans say.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use millwright_crds::{
    ANNOTATION_RETRAIN,
    common::ConditionType::{Ready, Reconciling, Stalled},
    retrain_policy::RetrainPolicyPhase,
    training_job::TrainingJobPhase,
    wire::serving::Window,
};

use super::{
    fixtures::{
        at, deployment, digest, live, policy, profile, reference, settings, version, window,
    },
    *,
};
use crate::conditions::is_true;

/// A namespace with one policy, where plans are carried out and gateways count.
pub(super) struct World {
    pub seen: Observed,
    pub now: i64,
    pub events: Vec<Event>,
    /// Names of all runs that were ever created.
    pub fired: Vec<String>,
}

impl World {
    pub fn new() -> Self {
        let mut world = Self {
            seen: Observed {
                object: policy(),
                deployment: None,
                version: None,
                runs: vec![],
                profiles: vec![],
                silent: vec![],
            },
            now: 1_000,
            events: vec![],
            fired: vec![],
        };
        world.serve(Some(1));
        world
    }

    /// The stage serves this version, with two pods that have seen nothing.
    pub fn serve(&mut self, number: Option<u32>) {
        self.seen.deployment = Some(deployment(number));
        self.seen.version = number.map(version);
        self.seen.profiles = number
            .into_iter()
            .flat_map(|number| ["a", "b"].map(|pod| (format!("{pod}{number}"), number)))
            .map(|(pod, number)| GatewayProfile {
                digest: digest(number),
                reference: Some(reference()),
                ..profile(&pod, vec![])
            })
            .collect();
    }

    /// One pass: its operations are carried out and its status is written.
    pub fn pass(&mut self) -> Plan<RetrainPolicyStatus> {
        let plan = plan(&self.seen, &settings(), at(self.now));
        for operation in &plan.operations {
            let Operation::Create(object) = operation else {
                panic!("{operation:?}");
            };
            let mut run: TrainingJob = serde_json::from_value(object.body.clone()).unwrap();
            run.metadata.creation_timestamp = Some(Time(at(self.now)));
            self.fired.push(run.name_any());
            self.seen.runs.push(run);
        }
        self.seen.object.status = Some(plan.status.clone());
        self.events.extend(plan.events.clone());
        plan
    }

    /// A window of traffic with labels that are missed by `error`, over all pods; then it settles.
    pub fn traffic(&mut self, rows: u64, error: f64, moved: f64) {
        let start = u64::try_from(self.now).unwrap() / 10 * 10;
        for profile in &mut self.seen.profiles {
            profile.windows.push(Window {
                inputs: Some(live(&reference(), rows, &[("a", moved)])),
                ..window(start, rows, 0, error)
            });
        }
        self.now = i64::try_from(start).unwrap() + 11;
    }

    /// The run that is under way ends.
    pub fn end(&mut self, phase: TrainingJobPhase, model_version: Option<&str>) {
        let now = time::format(at(self.now));
        for run in &mut self.seen.runs {
            let status = run.status.get_or_insert_default();
            if !status.phase.is_final() {
                status.phase = phase;
                status.completion_time = Some(now.clone());
                status.model_version = model_version.map(Into::into);
            }
        }
    }

    pub fn ask(&mut self, request: &str) {
        let annotations = self
            .seen
            .object
            .metadata
            .annotations
            .get_or_insert_default();
        annotations.insert(ANNOTATION_RETRAIN.into(), request.into());
    }

    pub fn status(&self) -> &RetrainPolicyStatus {
        self.seen.object.status.as_ref().unwrap()
    }

    pub fn message(&self) -> &str {
        let mut ready = self.status().conditions.iter();
        &ready.find(|c| c.type_ == "Ready").unwrap().message
    }

    /// Phase, Ready, Reconciling and Stalled.
    pub fn standing(&self) -> (RetrainPolicyPhase, bool, bool, bool) {
        let status = self.status();
        let is = |kind| is_true(&status.conditions, kind);
        (status.phase, is(Ready), is(Reconciling), is(Stalled))
    }

    pub fn reasons(&mut self) -> Vec<Reason> {
        self.events.drain(..).map(|event| event.reason).collect()
    }

    /// A run is under way.
    pub fn retraining() -> Self {
        let mut world = Self::new();
        world.traffic(100, 20.0, 0.0);
        world.traffic(100, 20.0, 0.0);
        world.pass();
        assert_eq!(world.fired.len(), 1);
        world.events.clear();
        world
    }
}
