//! What was refused is tried again when the spec changes.

use millwright_crds::model_deployment::NextPhase;

use super::healthy;
use crate::{
    Operation,
    model_deployment::{fixtures, judge_later, simulator::World},
};

/// v2 was refused by a test, whose Job is still there.
fn refused() -> World {
    let mut world = healthy();
    let version = fixtures::evaluated(2, 8.0, Some((1, 9.4)));
    world.register(version);
    world.step();
    world.roll(true);
    world.step();
    world.end_tests(false);
    world.step();
    assert_eq!(world.next("production"), Some((2, NextPhase::Refused)));
    assert_eq!(world.seen.jobs.len(), 1);
    world
}

#[test]
fn a_test_that_failed_runs_again_after_any_change_of_the_spec() {
    let mut world = refused();
    let first = world.seen.jobs[0].clone();
    world.edit(|seen| seen.object.spec.stages[1].replicas = 3);
    let plan = world.step();
    let deleted = |operation: &Operation| matches!(operation, Operation::Delete(target) if target.uid == first.uid);
    assert!(plan.operations.iter().any(deleted), "{:?}", plan.operations);
    assert_eq!(world.next("production"), Some((2, NextPhase::Gating)));
    world.roll(true);
    world.step();
    let second = &world.seen.jobs[0];
    assert!(
        second.name == first.name && second.uid != first.uid,
        "{second:?}"
    );
    world.end_tests(true);
    world.settle();
    assert_eq!(world.serves("production"), Some(2));
}

#[test]
fn an_old_failure_is_not_read_again_while_its_job_goes() {
    let mut world = refused();
    world.edit(|seen| seen.object.spec.stages[1].replicas = 3);
    let stale = world.seen.jobs.clone();
    world.step();
    // The store of Jobs is behind.
    world.seen.jobs = stale;
    world.step();
    assert_eq!(world.next("production"), Some((2, NextPhase::Gating)));
}

#[test]
fn without_a_change_it_stays_refused() {
    let mut world = refused();
    let plan = world.step();
    assert!(plan.operations.is_empty(), "{:?}", plan.operations);
    assert_eq!(world.next("production"), Some((2, NextPhase::Refused)));
}

#[test]
fn a_change_that_could_not_be_judged_is_judged_later() {
    let mut world = refused();
    world.edit(|seen| seen.object.spec.stages[1].replicas = 3);
    // Meanwhile the name of a stage was somebody else's.
    world.seen.object.status = Some(judge_later(&world.seen));
    let plan = world.step();
    assert!(!plan.operations.is_empty());
    assert_eq!(world.next("production"), Some((2, NextPhase::Gating)));
}
