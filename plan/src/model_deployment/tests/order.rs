//! What enters a stage next, when records and the spec change on the way.

use millwright_crds::model_deployment::{ModelDeploymentPhase as Phase, NextPhase, Outcome};
use serde_json::json;

use super::{healthy, history, reasons};
use crate::{
    Reason,
    model_deployment::{fixtures, simulator::World},
    observed::{ContainerState, Lifecycle, Terminated},
};

/// Follows the newest version, or stays with one.
fn pin(world: &mut World, number: Option<u32>) {
    world.edit(|seen| {
        let model = &mut seen.object.spec.model;
        model.version = number;
        model.track = None;
    });
}

#[test]
fn a_version_whose_record_goes_during_its_rollout_serves_on() {
    let mut world = World::new(json!([{"name": "serving"}]));
    world.register(fixtures::version(1));
    world.settle();
    world.register(fixtures::version(2));
    world.step();
    assert_eq!(world.next("serving"), Some((2, NextPhase::RollingOut)));
    world.seen.versions.pop();
    world.roll(true);
    // v1 is what the stage served when the pass began, and not what it wants when the pass ends.
    let plan = world.step();
    assert_eq!(reasons(&plan), [Reason::Promoted]);
    world.settle();
    assert_eq!(
        history(&world),
        [
            (2, "serving", Outcome::Promoted),
            (1, "serving", Outcome::Promoted)
        ]
    );
    assert_eq!(world.status().phase, Phase::Healthy);
}

#[test]
fn the_first_version_is_not_missing_once_it_serves() {
    let mut world = World::new(json!([{"name": "serving"}]));
    world.register(fixtures::version(1));
    world.step();
    world.seen.versions.clear();
    world.roll(true);
    world.step();
    assert_eq!(world.status().phase, Phase::Healthy);
    assert_eq!(
        world.ready().2,
        "serving serves v1 with 1 pod (its ModelVersion m-v1 was deleted; its files are in the \
         artifact store)"
    );
}

#[test]
fn no_version_but_the_pinned_one_enters_a_later_stage() {
    let stages = json!([{"name": "staging"}, {"name": "production"}]);
    for (records, phase) in [(&[2][..], Phase::Pending), (&[1, 2], Phase::RolledBack)] {
        let mut world = World::new(stages.clone());
        world.register(fixtures::version(2));
        world.step();
        world.roll(true);
        world.step();
        assert_eq!(world.next("production"), Some((2, NextPhase::RollingOut)));
        // v1 has no record, or staging can't have it.
        world.seen.versions = records.iter().map(|n| fixtures::version(*n)).collect();
        pin(&mut world, Some(1));
        let plan = world.step();
        assert_eq!(reasons(&plan)[..1], [Reason::RollingOut]);
        world.roll(false);
        world.wait(200);
        world.step();
        assert_eq!(
            (world.serves("staging"), world.next("production")),
            (Some(2), None)
        );
        let plan = world.step();
        assert!(plan.events.is_empty(), "{:?}", plan.events);
        assert_eq!(world.status().phase, phase);
        pin(&mut world, None);
        world.settle();
        assert_eq!(world.serves("production"), Some(2));
    }
}

#[test]
fn a_test_that_has_just_ended_well_is_no_problem() {
    let mut world = healthy();
    world
        .seen
        .versions
        .push(fixtures::evaluated(2, 8.0, Some((1, 9.4))));
    world.step();
    world.roll(true);
    world.step();
    let job = world.seen.jobs[0].name.clone();
    for (exit_code, words) in [
        (0, format!("Job {job} runs, 3m at most")),
        (
            3,
            format!("Job {job}: container smoke of pod t: it ended with exit code 3: no answer"),
        ),
    ] {
        let mut pod = fixtures::pod("t");
        pod.labels = pod.labels.with("batch.kubernetes.io/job-name", &job);
        pod.containers.push(ContainerState {
            name: "smoke".into(),
            init: false,
            image_id: None,
            state: Lifecycle::Terminated(Terminated {
                exit_code,
                reason: String::new(),
                message: "no answer".into(),
                finished: None,
            }),
            last: None,
            restarts: 0,
        });
        world.seen.pods = vec![pod];
        world.step();
        let next = world.stage("production").next.as_ref().unwrap();
        assert_eq!(next.gates[1].message, words);
    }
}
