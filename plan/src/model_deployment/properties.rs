//! What holds whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use millwright_crds::{
    ModelDeploymentSpec, ModelDeploymentStatus,
    model_deployment::{ModelDeploymentPhase as Phase, NextPhase, Outcome},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{fixtures, simulator::World};
use crate::{Operation, Plan};

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
    /// Operations are done, but the status is not committed.
    Crash,
    LoseStatus,
    DeleteDeployment,
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
            world.seen.versions.push(version);
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
    #![proptest_config(ProptestConfig::with_cases(400))]

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
            let changed = generation != world.seen.object.metadata.generation;
            if changed || matches!(one, Act::LoseStatus) {
                taken_back.clear();
            }
            let plan = world.step();
            unchanged(&world, &plan)?;
            pods_are_accounted_for(&world)?;
            for stage in &plan.status.stages {
                let digests = served.entry(stage.name.clone()).or_default();
                digests.extend(stage.current.iter().map(|current| current.digest.clone()));
                if let Some(next) = &stage.next {
                    let last = taken_back.get(&stage.name);
                    prop_assert!(last != Some(&next.revision), "{next:?} again");
                }
                match &stage.last_rollback {
                    Some(last) => taken_back.insert(stage.name.clone(), last.revision.clone()),
                    None => taken_back.remove(&stage.name),
                };
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
            world.step();
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
        world.seen.versions.push(fixtures::evaluated(number, 1.0, serving));
        world.settle();
        for stage in ["staging", "canary", "production"] {
            prop_assert_eq!(world.serves(stage), Some(number), "{:#?}", world.status());
        }
        prop_assert_eq!(world.status().phase, Phase::Healthy);
        let last = &world.status().history[0];
        prop_assert_eq!((last.version, last.outcome), (number, Outcome::Promoted));
    }
}

/// A value that may be absent.
fn maybe(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Option<Value>> {
    prop::option::of(value)
}

fn object(fields: Vec<(&str, Option<Value>)>) -> Value {
    let present = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(present.collect())
}

fn gate() -> impl Strategy<Value = Value> {
    let number = || maybe((-1e6..1e6_f64).prop_map(Value::from));
    let goal = maybe(prop_oneof![
        Just(json!("Maximize")),
        Just(json!("Minimize"))
    ]);
    let evaluation =
        ("(mae|auc|mine)", goal, number(), number()).prop_map(|(metric, goal, limit, least)| {
            let metric = Some(metric.into());
            let fields = vec![
                ("metric", metric),
                ("goal", goal),
                ("limit", limit),
                ("minImprovement", least),
            ];
            ("evaluation", object(fields))
        });
    let test = prop::option::of(Just("7m")).prop_map(|timeout| {
        let fields = vec![
            ("template", Some(fixtures::test_template())),
            ("timeout", timeout.map(Value::from)),
        ];
        ("test", object(fields))
    });
    ("[a-c]", prop_oneof![evaluation, test])
        .prop_map(|(name, (kind, gate))| json!({"name": name, kind: gate}))
}

fn spec() -> impl Strategy<Value = ModelDeploymentSpec> {
    let stage = (
        "[a-c]",
        maybe((0_u32..4).prop_map(Value::from)),
        prop::collection::vec(gate(), 0..3),
        maybe(Just(json!({"onUnavailable": "10s"}))),
    )
        .prop_map(|(name, replicas, gates, rollback)| {
            let gates = Some(Value::from(gates));
            object(vec![
                ("name", Some(name.into())),
                ("replicas", replicas),
                ("gates", gates),
                ("rollback", rollback),
            ])
        });
    let model = prop_oneof![
        Just(json!({"name": "m", "track": "Latest"})),
        (1_u32..4).prop_map(|version| json!({"name": "m", "version": version})),
    ];
    let hook = json!({"preStop": {"sleep": {"seconds": 3}}});
    let container = (
        maybe(Just(hook)),
        maybe(Just(
            json!([{"name": "MILLWRIGHT_MODEL_DIR", "value": "x"}]),
        )),
    )
        .prop_map(|(lifecycle, env)| {
            object(vec![
                ("name", Some("server".into())),
                ("image", Some("s:1".into())),
                ("lifecycle", lifecycle),
                ("env", env),
            ])
        });
    let server = (
        container,
        maybe(Just(json!("Http"))),
        maybe(Just(json!(8081))),
        maybe(Just(json!(i64::MAX))),
    )
        .prop_map(|(container, protocol, port, grace)| {
            let pod = object(vec![
                ("containers", Some(json!([container]))),
                ("terminationGracePeriodSeconds", grace),
            ]);
            object(vec![
                ("template", Some(json!({"spec": pod}))),
                ("protocol", protocol),
                ("port", port),
            ])
        });
    let monitoring = maybe(prop_oneof![
        Just(json!({})),
        Just(json!({"window": "5s", "retain": 2, "task": "Classification"})),
        Just(json!({"feedback": {"horizon": "1h", "maxPending": 1}})),
    ]);
    (
        model,
        server,
        prop::collection::vec(stage, 1..4),
        monitoring,
        maybe(Just(json!(1))),
        any::<bool>(),
    )
        .prop_map(|(model, server, stages, monitoring, history, paused)| {
            let fields = vec![
                ("model", Some(model)),
                ("server", Some(server)),
                ("stages", Some(stages.into())),
                ("monitoring", monitoring),
                ("history", history),
                ("paused", Some(paused.into())),
            ];
            serde_json::from_value(object(fields)).unwrap()
        })
}

/// A status that no plan of ours may have written.
fn status() -> impl Strategy<Value = ModelDeploymentStatus> {
    let digest = (0_u32..4).prop_map(|number| json!(fixtures::digest(number)));
    let time = prop_oneof![
        Just(json!("2025-12-31T23:59:00Z")),
        Just(json!("9999-01-01T00:00:00Z")),
        Just(json!("yesterday")),
    ];
    let revision = || "[a-b]{0,2}".prop_map(Value::from);
    let current = (0_u32..4, digest.clone(), time.clone(), revision()).prop_map(
        |(version, digest, since, revision)| {
            json!({"version": version, "digest": digest, "since": since, "revision": revision})
        },
    );
    let gate = ("[a-c]", "(Pending|Passed|Failed)").prop_map(
        |(name, state)| json!({"name": name, "state": state, "reason": "?", "message": ""}),
    );
    let next = (
        0_u32..4,
        digest,
        revision(),
        "(Gating|Refused|RollingOut)",
        maybe(time.clone()),
        prop::collection::vec(gate, 0..3),
    )
        .prop_map(|(version, digest, revision, phase, started, gates)| {
            object(vec![
                ("version", Some(version.into())),
                ("digest", Some(digest)),
                ("revision", Some(revision)),
                ("phase", Some(phase.into())),
                ("rolloutStarted", started),
                ("gates", Some(gates.into())),
            ])
        });
    let rollback = (0_u32..4, revision(), time).prop_map(|(version, revision, at)| {
        json!({"version": version, "revision": revision, "reason": "?", "message": "", "at": at})
    });
    let stage = ("[a-d]", maybe(current), maybe(next), maybe(rollback)).prop_map(
        |(name, current, next, rollback)| {
            object(vec![
                ("name", Some(name.into())),
                ("current", current),
                ("next", next),
                ("lastRollback", rollback),
            ])
        },
    );
    (-1_i64..3, prop::collection::vec(stage, 0..4)).prop_map(|(generation, stages)| {
        serde_json::from_value(json!({"observedGeneration": generation, "stages": stages})).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn plans_whatever_it_meets(
        spec in spec(),
        status in prop::option::of(status()),
        versions in prop::collection::btree_set(1_u32..4, 0..3),
    ) {
        let mut world = World::new(three_stages());
        world.seen.object.spec = spec;
        world.seen.object.status = status;
        world.seen.versions = versions.iter().map(|n| fixtures::evaluated(*n, 9.0, None)).collect();
        for step in 0..6 {
            let plan = world.step();
            unchanged(&world, &plan)?;
            prop_assert_eq!(plan.status.observed_generation, 1);
            prop_assert!(plan.status.conditions.iter().any(|c| c.type_ == "Ready"));
            world.roll(step % 2 == 0);
            world.end_tests(step % 3 == 0);
            world.wait(60);
        }
    }
}
