//! The operator against an API server; the tests play the kubelet.

mod cost;
pub mod data;
mod deletion;
mod edits;
mod runs;
mod specs;

pub use cost::result as attempt_result;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use kube::{Resource, ResourceExt, core::object::HasStatus};
use millwright_crds::{TrainingJob, TrainingJobStatus, training_job::TrainingJobPhase};
use millwright_e2e::{
    scene::{Kind, Scene},
    suite::Test,
};

use crate::world::World;

/// Longest time until the operator has acted.
const SOON: Duration = Duration::from_secs(90);

/// The operator's tests.
pub fn tests() -> Vec<Test<World>> {
    macro_rules! test {
        ($($part:ident)::+) => {
            Test::new(
                concat!("operator", $("::", stringify!($part)),+),
                |world: Arc<World>| async move { $($part)::+(&world).await },
            )
        };
    }
    vec![
        test!(specs::a_misspelt_field_is_named),
        test!(specs::an_unknown_parameter_is_named),
        test!(specs::one_bad_object_does_not_stop_others),
        test!(specs::an_object_that_cannot_be_read_is_told_in_an_event),
        test!(data::a_run_waits_for_its_data),
        test!(runs::suspend_stops_and_resumes),
        test!(runs::a_failure_is_tried_again),
        test!(runs::an_eviction_is_no_failure),
        test!(cost::a_run_costs_few_writes),
        test!(cost::idle_objects_cost_nothing),
        test!(edits::children_are_put_back),
        test!(edits::edits_in_its_absence_are_put_back),
        test!(deletion::a_namespace_goes_with_all_in_it),
        test!(deletion::matrix::foreground),
        test!(deletion::matrix::background),
        test!(deletion::matrix::orphan),
        test!(deletion::again::at_once),
        test!(deletion::again::numbers_are_not_used_again),
        test!(deletion::in_use::a_dataset),
        test!(deletion::in_use::a_model_version),
        test!(deletion::in_use::kept_by_a_finalizer),
    ]
}

/// A run of one container that registers a model, with these changes of its spec.
pub fn run_manifest(name: &str, spec: &serde_json::Value) -> serde_json::Value {
    let mut manifest = serde_json::json!({
        "apiVersion": "millwright.dev/v1alpha1", "kind": "TrainingJob",
        "metadata": {"name": name},
        "spec": {
            "model": "delay",
            "template": {"spec": {"containers": [
                {"name": "trainer", "image": "example/trainer:1", "command": ["train"]},
            ]}},
        },
    });
    json_patch::merge(&mut manifest["spec"], spec);
    manifest
}

/// Waits until a run's status has this phase.
pub async fn phase(
    scene: &Scene,
    name: &str,
    phase: TrainingJobPhase,
) -> Result<TrainingJobStatus> {
    let what = format!("the run is {phase:?}");
    status::<TrainingJob>(scene, name, &what, |status| status.phase == phase).await
}

/// Waits until the status of an object is as it should be.
async fn status<K>(
    scene: &Scene,
    name: &str,
    what: &str,
    is_right: impl Fn(&K::Status) -> bool,
) -> Result<K::Status>
where
    K: Kind + HasStatus<Status: Clone>,
{
    let look = |object: &K| object.status().filter(|status| is_right(status)).cloned();
    scene.wait(name, what, SOON, look).await
}

/// UID of an object that was stored.
pub async fn uid<K: Kind + Resource>(scene: &Scene, name: &str) -> Result<String> {
    scene.get::<K>(name).await?.uid().context("no UID")
}
