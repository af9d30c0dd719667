//! What others do to a deployment's names and pods.

use millwright_crds::{
    LABEL_STAGE, ModelDeploymentStatus, model_deployment::ModelDeploymentPhase as Phase,
};
use serde_json::json;

use crate::{
    Operation, Plan, Reason,
    model_deployment::{Foreign, Observed, fixtures, simulator::World},
    observed::Edited,
};

#[test]
fn a_name_that_gets_free_is_waited_for() {
    let mut world = World::new(fixtures::two_stages());
    world.register(fixtures::version(1));
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
    world.register(fixtures::version(1));
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
    world.register(fixtures::version(1));
    world.settle();
    world.seen.deployments[0].replicas = 7;
    let plan = world.step();
    assert_eq!(written(&plan), ["apply Deployment d-staging"]);
    assert!(world.step().operations.is_empty());
}

fn written(plan: &Plan<ModelDeploymentStatus>) -> Vec<String> {
    plan.operations.iter().map(Operation::describe).collect()
}

/// A world at rest in which somebody changes something, and what is written then.
fn after(change: impl Fn(&mut Observed)) -> Vec<String> {
    let mut world = World::new(fixtures::two_stages());
    world.register(fixtures::evaluated(1, 9.0, None));
    world.settle();
    change(&mut world.seen);
    let plan = world.step();
    let restored = plan
        .events
        .iter()
        .all(|event| event.reason == Reason::Restored);
    assert!(restored && plan.events.len() <= 1, "{:?}", plan.events);
    assert_eq!(world.status().phase, Phase::Healthy);
    assert!(world.step().operations.is_empty());
    written(&plan)
}

#[test]
fn what_somebody_changes_is_put_back() {
    let nothing: [&str; 0] = [];
    assert_eq!(after(|_| ()), nothing);
    assert_eq!(
        after(|seen| seen.deployments[0].edited = Edited::Yes),
        ["apply Deployment d-staging"]
    );
    assert_eq!(
        after(|seen| seen.deployments[0].edited = Edited::Perhaps),
        ["apply Deployment d-staging"]
    );
    // It is not taken for one of a stage that is gone.
    let relabel = |seen: &mut Observed| {
        let labels = &mut seen.deployments[0].labels;
        *labels = labels.with(LABEL_STAGE, "other");
    };
    assert_eq!(after(relabel), ["apply Deployment d-staging"]);
    assert_eq!(
        after(|seen| {
            seen.services[0]
                .selector
                .insert("app".into(), "hotfix".into());
        }),
        ["apply Service d-staging"]
    );
    assert_eq!(
        after(|seen| seen.services[1].ports.clear()),
        ["apply Service d-staging-peers"]
    );
    // More ports than ours are somebody's to give.
    assert_eq!(
        after(|seen| {
            seen.services[0].ports.insert((9_999, "other".into()));
        }),
        nothing
    );
    assert_eq!(
        after(|seen| drop(seen.services.remove(0))),
        ["apply Service d-staging"]
    );
}

#[test]
fn stages_that_are_gone_take_their_children_along() {
    let mut world = World::new(fixtures::two_stages());
    world.register(fixtures::evaluated(1, 9.0, None));
    world.settle();
    world.edit(|seen| seen.object.spec.stages.truncate(1));
    assert_eq!(
        written(&world.step()),
        [
            "delete Deployment d-production",
            "delete Service d-production",
            "delete Service d-production-peers"
        ]
    );
}
