//! What others do to a deployment's names and pods.

use millwright_crds::model_deployment::ModelDeploymentPhase as Phase;
use serde_json::json;

use crate::{
    Operation,
    model_deployment::{Foreign, fixtures, simulator::World},
};

#[test]
fn a_name_that_gets_free_is_waited_for() {
    let mut world = World::new(fixtures::two_stages());
    world.seen.versions.push(fixtures::version(1));
    world.seen.foreign.push(Foreign {
        kind: "Deployment".into(),
        name: "d-staging".into(),
        leaving: true,
    });
    let plan = world.step();
    assert!(plan.operations.is_empty() && plan.events.is_empty());
    assert_eq!(world.status().phase, Phase::Pending);
    let (ready, reason, message) = world.ready();
    assert_eq!((ready.as_str(), reason.as_str()), ("False", "Conflict"));
    assert!(message.contains("Deployment d-staging"), "{message}");
    world.seen.foreign.push(Foreign {
        kind: "Service".into(),
        name: "d-production".into(),
        leaving: false,
    });
    world.step();
    assert_eq!(world.status().phase, Phase::Stalled);
    assert!(world.ready().2.contains("Service d-production"));
    world.seen.foreign.clear();
    assert!(!world.step().operations.is_empty());
}

#[test]
fn pods_that_are_refused_are_the_problem() {
    let mut world = World::new(json!([{"name": "a"}]));
    world.seen.versions.push(fixtures::version(1));
    world.step();
    world.step();
    for deployment in &mut world.seen.deployments {
        deployment.refused = Some("pods \"d-a-x\" is forbidden: exceeded quota: few".into());
    }
    world.step();
    let (_, reason, message) = world.ready();
    assert_eq!(reason, "PodRefused");
    assert!(message.contains("exceeded quota: few"), "{message}");
}

#[test]
fn a_stage_that_somebody_scales_is_scaled_back() {
    let mut world = World::new(fixtures::two_stages());
    world.seen.versions.push(fixtures::version(1));
    world.settle();
    world.seen.deployments[0].replicas = 7;
    let plan = world.step();
    let written: Vec<_> = plan.operations.iter().map(Operation::describe).collect();
    assert_eq!(written, ["apply Deployment d-staging"]);
    assert!(world.step().operations.is_empty());
}
