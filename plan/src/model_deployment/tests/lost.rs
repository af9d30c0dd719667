//! What follows when a status, a Deployment or the end of a pass was lost.

use millwright_crds::model_deployment::{ModelDeploymentPhase as Phase, NextPhase, Outcome};
use serde_json::json;

use super::{healthy, history, reasons};
use crate::{
    Reason,
    model_deployment::{fixtures, simulator::World},
};

/// A pass whose status is not committed.
fn crash(world: &mut World) {
    for operation in world.plan().operations {
        world.perform(&operation);
    }
}

/// v1 serves in the only stage.
fn one_stage() -> World {
    let mut world = World::new(json!([{"name": "serving"}]));
    world.register(fixtures::version(1));
    world.settle();
    world
}

fn image(world: &World) -> &str {
    let image = &world.templates["d-serving"]["spec"]["containers"][0]["image"];
    image.as_str().unwrap()
}

#[test]
fn a_status_that_is_lost_when_a_rollout_is_done() {
    let mut world = one_stage();
    world.register(fixtures::version(2));
    world.step();
    world.roll(true);
    world.seen.object.status = None;
    let plan = world.step();
    assert_eq!(reasons(&plan), [Reason::Promoted]);
    assert_eq!(
        (world.serves("serving"), world.next("serving")),
        (Some(2), None)
    );
}

#[test]
fn a_first_rollout_that_was_never_committed() {
    let mut world = World::new(fixtures::two_stages());
    world.register(fixtures::evaluated(1, 9.4, None));
    // The pods of staging serve before the first status is written, and so do those of production
    // before it says that the gates have let them in.
    crash(&mut world);
    world.roll(true);
    world.step();
    world.end_tests(true);
    crash(&mut world);
    world.roll(true);
    world.settle();
    let mut undisturbed = World::new(fixtures::two_stages());
    undisturbed.seen.versions = world.seen.versions.clone();
    undisturbed.settle();
    let told = |world: &World| {
        let history = world.status().history.clone().into_iter();
        let told = history.map(|one| (one.version, one.stage, one.outcome, one.reason));
        told.collect::<Vec<_>>()
    };
    assert_eq!(told(&world), told(&undisturbed));
    assert_eq!(told(&world).len(), 2);
}

#[test]
fn a_status_that_is_lost_and_gates_that_can_not_be_asked_again() {
    let mut world = healthy();
    world.seen.object.status = None;
    let plan = world.step();
    assert_eq!(reasons(&plan), [Reason::Promoted], "of staging alone");
    assert!(plan.operations.is_empty(), "no test: {:?}", plan.operations);
    assert_eq!(world.serves("production"), Some(1));
    assert_eq!(world.next("production"), None);
}

#[test]
fn a_rollout_whose_beginning_was_not_committed() {
    let mut world = one_stage();
    world.register(fixtures::version(2));
    crash(&mut world);
    world.roll(true);
    let plan = world.step();
    assert_eq!(reasons(&plan), [Reason::RollingOut, Reason::Promoted]);
    assert_eq!(plan.requeue, None);
    assert_eq!(history(&world)[0], (2, "serving", Outcome::Promoted));
    assert_eq!(world.serves("serving"), Some(2));
}

#[test]
fn a_rollout_whose_end_was_not_committed() {
    let mut world = one_stage();
    world.image("s:2");
    world.step();
    world.roll(true);
    crash(&mut world);
    // The spec asks for neither by now, and what the status says that serves is remembered.
    world.edit(|seen| seen.object.spec.stages[0].replicas = 2);
    world.step();
    world.edit(|seen| seen.object.spec.paused = true);
    world.image("s:3");
    world.step();
    let stage = world.stage("serving");
    let current = stage.current.as_ref().map(|one| one.revision.clone());
    assert_eq!((current, &stage.next), (world.deployed("serving"), &None));
    assert_eq!(image(&world), "s:1");
}

#[test]
fn the_end_of_a_rollout_costs_the_deployment_no_write() {
    let mut world = one_stage();
    world.register(fixtures::version(2));
    world.step();
    world.roll(true);
    let plan = world.step();
    assert!(plan.operations.is_empty(), "{:?}", plan.operations);
    assert_eq!(world.serves("serving"), Some(2));
}

#[test]
fn a_first_rollout_that_was_given_up_and_serves_nevertheless() {
    let mut world = World::new(fixtures::two_stages());
    world.register(fixtures::evaluated(1, 9.4, None));
    world.step();
    world.roll(true);
    world.step();
    world.end_tests(true);
    world.step();
    assert_eq!(world.next("production"), Some((1, NextPhase::RollingOut)));
    world.image("s:2");
    world.step();
    assert_eq!(world.next("production"), None);
    // Staging is first with the new pods, and production's old ones come up while the gates are
    // checked.
    for available in [0, 2] {
        world.roll(true);
        world
            .seen
            .deployments
            .iter_mut()
            .filter(|one| one.name == "d-production")
            .for_each(|one| one.available = available);
        world.step();
        assert_eq!(
            (world.serves("production"), world.next("production")),
            ((available > 0).then_some(1), Some((1, NextPhase::Gating)))
        );
    }
    assert_eq!(world.status().phase, Phase::Promoting);
    let (old, new) = (world.deployed("production"), world.deployed("staging"));
    assert_ne!(old, new);
    world.settle();
    assert_eq!(world.deployed("production"), new);
}

#[test]
fn a_deployment_that_is_deleted_during_the_rollout_of_new_pods() {
    let mut world = one_stage();
    world.image("s:2");
    world.step();
    assert_eq!(world.next("serving"), Some((1, NextPhase::RollingOut)));
    world.seen.deployments.clear();
    // The pods of s:1 can't be made any more: those of s:2 are what the stage has.
    let plan = world.step();
    assert_eq!(plan.operations.len(), 1);
    let stage = world.stage("serving");
    let current = stage.current.as_ref().map(|one| one.revision.clone());
    assert_eq!((current, &stage.next), (world.deployed("serving"), &None));
    // They are no candidate for being taken back, and neither is there something to return to.
    world.roll(false);
    world.wait(1_000);
    let plan = world.step();
    assert!(plan.operations.is_empty() && plan.events.is_empty());
    assert_eq!(world.ready().0, "False");
}

#[test]
fn a_deployment_that_is_deleted_after_its_new_pods_were_taken_back() {
    let mut world = one_stage();
    world.image("s:broken");
    world.step();
    world.roll(false);
    world.wait(120);
    world.step();
    assert!(world.stage("serving").last_rollback.is_some());
    world.seen.deployments.clear();
    world.step();
    assert_eq!(image(&world), "s:broken");
    assert_eq!(world.stage("serving").last_rollback, None);
}

#[test]
fn a_version_is_returned_to_after_its_deployment_was_deleted() {
    let mut world = healthy();
    world.register(fixtures::version(2));
    world.step();
    world.seen.deployments.clear();
    world.step();
    world.roll(false);
    world.wait(120);
    let plan = world.step();
    assert_eq!(reasons(&plan), [Reason::RolledBack]);
    world.settle();
    assert_eq!(world.serves("staging"), Some(1));
}

#[test]
fn a_lost_status_is_made_again() {
    let mut world = healthy();
    world.seen.object.status = None;
    let plan = world.step();
    assert!(plan.operations.is_empty(), "{:?}", plan.operations);
    assert_eq!(
        (world.serves("staging"), world.serves("production")),
        (Some(1), Some(1))
    );

    // In the middle of a rollout the old version is still what serves.
    world
        .seen
        .versions
        .push(fixtures::evaluated(2, 8.0, Some((1, 9.4))));
    world.step();
    world.seen.object.status = None;
    world.step();
    assert_eq!(world.serves("staging"), Some(1));
    assert_eq!(world.next("staging"), Some((2, NextPhase::RollingOut)));
}

#[test]
fn a_deployment_that_somebody_deleted_comes_back() {
    let mut world = healthy();
    world.edit(|seen| seen.object.spec.paused = true);
    world.image("s:2");
    world.step();
    world.seen.deployments.clear();
    world.step();
    assert_eq!(world.seen.deployments.len(), 2);
    world.settle();
    assert_eq!(world.stage("production").ready_replicas, 2);
}

#[test]
fn deleting_a_record_changes_nothing() {
    let mut world = healthy();
    world.seen.versions.clear();
    let plan = world.step();
    assert!(plan.operations.is_empty() && plan.events.is_empty());
    assert_eq!(world.status().phase, Phase::Healthy);
    let message = world.ready().2;
    assert!(
        message.contains("its ModelVersion m-v1 was deleted"),
        "{message}"
    );
}
