//! What holds whatever happens.

mod anything;

use std::collections::{BTreeMap, BTreeSet};

use millwright_crds::{
    ModelDeploymentStatus,
    model_deployment::{ModelDeploymentPhase as Phase, NextPhase, Outcome},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{fixtures, simulator::World};
use crate::{Operation, Plan, observed::Edited};

/// Something that happens in the world.
#[derive(Clone, Debug)]
enum Act {
    /// A version is registered, with this error, compared with what production serves or not.
    Register(f64, bool),
    /// The record of the newest version is deleted.
    Unregister,
    Roll(bool),
    EndTests(bool),
    Wait(u64),
    Image(u8),
    Replicas(usize, u32),
    Pause(bool),
    Pin(Option<u32>),
    /// Operations are done, but the status is not committed, and the next thing happens before
    /// another pass.
    Crash,
    LoseStatus,
    DeleteDeployment,
    /// Somebody changes the Deployment's spec, or tells its controller to wait.
    EditDeployment(bool),
    EditService,
    DeleteService,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (5.0..15.0_f64, any::<bool>()).prop_map(|(mae, compared)| Act::Register(mae, compared)),
        1 => Just(Act::Unregister),
        6 => any::<bool>().prop_map(Act::Roll),
        4 => any::<bool>().prop_map(Act::EndTests),
        3 => (0_u64..200).prop_map(Act::Wait),
        2 => (0_u8..3).prop_map(Act::Image),
        2 => (0_usize..3, 0_u32..3).prop_map(|(stage, replicas)| Act::Replicas(stage, replicas)),
        1 => any::<bool>().prop_map(Act::Pause),
        1 => prop::option::of(1_u32..4).prop_map(Act::Pin),
        1 => Just(Act::Crash),
        1 => Just(Act::LoseStatus),
        1 => Just(Act::DeleteDeployment),
        1 => any::<bool>().prop_map(Act::EditDeployment),
        1 => Just(Act::EditService),
        1 => Just(Act::DeleteService),
    ];
    prop::collection::vec(act, 1..40)
}

fn three_stages() -> Value {
    let test = json!({"name": "smoke", "test": {"template": fixtures::test_template()}});
    json!([
        {"name": "staging"},
        {"name": "canary", "gates": [test]},
        {"name": "production", "replicas": 2, "gates": [
            {"name": "quality", "evaluation": {"metric": "mae", "minImprovement": 0.0}},
            test,
        ]},
    ])
}

fn act(world: &mut World, act: &Act) {
    match act {
        Act::Register(mae, compared) => {
            let number = world.seen.versions.iter().map(|v| v.spec.version).max();
            let champion = world
                .seen
                .object
                .status
                .as_ref()
                .and_then(|status| status.stages.last()?.current.as_ref())
                .map(|current| (current.version, 10.0));
            let champion = champion.filter(|_| *compared);
            let version = fixtures::evaluated(number.unwrap_or(0) + 1, *mae, champion);
            world.register(version);
        }
        Act::Unregister => {
            world.seen.versions.pop();
        }
        Act::Roll(well) => world.roll(*well),
        Act::EndTests(well) => world.end_tests(*well),
        Act::Wait(seconds) => world.wait(*seconds),
        Act::Image(number) => world.image(&format!("s:{number}")),
        Act::Replicas(stage, replicas) => {
            world.edit(|seen| seen.object.spec.stages[*stage].replicas = *replicas);
        }
        Act::Pause(paused) => world.edit(|seen| seen.object.spec.paused = *paused),
        Act::Pin(version) => pin(world, *version),
        Act::Crash => {
            for operation in world.plan().operations {
                world.perform(&operation);
            }
        }
        Act::LoseStatus => world.seen.object.status = None,
        Act::DeleteDeployment => {
            world.seen.deployments.pop();
        }
        Act::EditDeployment(paused) => {
            if let Some(one) = world.seen.deployments.last_mut() {
                (one.edited, one.paused) = (Edited::Yes, *paused);
            }
        }
        Act::EditService => {
            if let Some(one) = world.seen.services.last_mut() {
                one.selector.clear();
            }
        }
        Act::DeleteService => {
            world.seen.services.pop();
        }
    }
}

fn pin(world: &mut World, version: Option<u32>) {
    let track = serde_json::from_value(json!("Latest")).unwrap();
    world.edit(|seen| {
        let model = &mut seen.object.spec.model;
        model.version = version;
        model.track = version.is_none().then_some(track);
    });
}

/// Nothing new has happened since this plan, so nothing new follows.
fn unchanged(world: &World, plan: &Plan<ModelDeploymentStatus>) -> Result<(), TestCaseError> {
    let again = world.plan();
    prop_assert_eq!(&again.status, &plan.status);
    let written: Vec<_> = again.operations.iter().map(Operation::describe).collect();
    prop_assert!(written.is_empty(), "{:?}", written);
    prop_assert!(again.events.is_empty(), "{:?}", again.events);
    Ok(())
}

/// What a stage's pods are made from is what it serves, or what it is rolling out.
fn pods_are_accounted_for(world: &World) -> Result<(), TestCaseError> {
    for stage in &world.status().stages {
        let (Some(current), Some(deployed)) = (&stage.current, world.deployed(&stage.name)) else {
            continue;
        };
        let next = stage
            .next
            .as_ref()
            .filter(|next| next.phase == NextPhase::RollingOut)
            .map(|next| next.revision.as_str());
        prop_assert!(
            deployed == current.revision || Some(deployed.as_str()) == next,
            "{}: {deployed} is neither {current:?} nor {next:?}",
            stage.name
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn versions_move_in_order(acts in acts()) {
        let mut world = World::new(three_stages());
        // Digest by stage: what it has ever served.
        let mut served: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        // Revision by stage: what was taken back last.
        let mut taken_back: BTreeMap<String, String> = BTreeMap::new();
        for one in &acts {
            let generation = world.seen.object.metadata.generation;
            act(&mut world, one);
            if matches!(one, Act::Crash) {
                continue;
            }
            let changed = generation != world.seen.object.metadata.generation;
            if changed || matches!(one, Act::LoseStatus) {
                taken_back.clear();
            }
            let before = world.seen.object.status.clone().unwrap_or_default();
            let mut plan = world.step();
            // What is deleted is gone by the next pass, which goes on from there.
            let deletes = |plan: &Plan<_>| {
                let mut operations = plan.operations.iter();
                operations.any(|operation| matches!(operation, Operation::Delete(_)))
            };
            for _ in 0..3 {
                if deletes(&plan) {
                    plan = world.step();
                }
            }
            unchanged(&world, &plan)?;
            pods_are_accounted_for(&world)?;
            for stage in &plan.status.stages {
                let digests = served.entry(stage.name.clone()).or_default();
                digests.extend(stage.current.iter().map(|current| current.digest.clone()));
                // A stage remembers the last one only, and until another one is promoted. What was
                // taken back before that may be tried again: that takes a version that was wanted
                // in between, which is another one.
                let known = before.stages.iter().find(|one| one.name == stage.name);
                if known.is_some_and(|known| known.current != stage.current) {
                    taken_back.remove(&stage.name);
                }
                if let Some(last) = &stage.last_rollback {
                    taken_back.insert(stage.name.clone(), last.revision.clone());
                }
                if let Some(next) = &stage.next {
                    let last = taken_back.get(&stage.name);
                    prop_assert!(last != Some(&next.revision), "{next:?} again");
                }
                if stage.last_rollback.is_none() {
                    taken_back.remove(&stage.name);
                }
            }
            for pair in plan.status.stages.windows(2) {
                if let Some(current) = &pair[1].current {
                    prop_assert!(
                        served[&pair[0].name].contains(&current.digest),
                        "{} has v{} before {}",
                        pair[1].name,
                        current.version,
                        pair[0].name
                    );
                }
            }
            prop_assert!(plan.status.history.len() <= 10);
        }
    }

    #[test]
    fn a_good_version_always_arrives(acts in acts()) {
        let mut world = World::new(three_stages());
        for one in &acts {
            act(&mut world, one);
            if !matches!(one, Act::Crash) {
                world.step();
            }
        }
        world.edit(|seen| seen.object.spec.paused = false);
        pin(&mut world, None);
        for _ in 0..3 {
            world.settle();
            world.wait(1_000);
        }
        let serving = world.serves("production").map(|number| (number, 10.0));
        let highest = |world: &World| {
            let records = world.seen.versions.iter().map(|v| v.spec.version);
            let stages = world.status().stages.iter();
            let serving = stages.filter_map(|s| s.current.as_ref().map(|c| c.version));
            records.chain(serving).max().unwrap_or(0)
        };
        let number = highest(&world) + 1;
        world.register(fixtures::evaluated(number, 1.0, serving));
        world.settle();
        for stage in ["staging", "canary", "production"] {
            prop_assert_eq!(world.serves(stage), Some(number), "{:#?}", world.status());
        }
        prop_assert_eq!(world.status().phase, Phase::Healthy);
        let last = &world.status().history[0];
        prop_assert_eq!((last.version, last.outcome), (number, Outcome::Promoted));
    }
}
