//! How versions move, one story per test.

mod again;
mod gates;
mod lost;
mod order;
mod others;
mod rollouts;
mod spec;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use millwright_crds::model_deployment::{
    GateState, ModelDeploymentPhase as Phase, NextPhase, Outcome,
};
use serde_json::json;

use super::{fixtures, simulator::World};
use crate::{
    Operation, Reason,
    observed::{ContainerState, Lifecycle, Terminated},
};

/// v1 serves everywhere.
fn healthy() -> World {
    let mut world = World::new(fixtures::two_stages());
    world.register(fixtures::evaluated(1, 9.4, None));
    world.settle();
    assert_eq!(world.status().phase, Phase::Healthy);
    world
}

/// Outcomes, newest first.
fn history(world: &World) -> Vec<(u32, &str, Outcome)> {
    world
        .status()
        .history
        .iter()
        .map(|entry| (entry.version, entry.stage.as_str(), entry.outcome))
        .collect()
}

fn reasons(plan: &crate::Plan<millwright_crds::ModelDeploymentStatus>) -> Vec<Reason> {
    plan.events.iter().map(|event| event.reason).collect()
}
