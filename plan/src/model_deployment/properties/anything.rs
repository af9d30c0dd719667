//! A plan follows from any spec and any status, even from those that no plan of ours has written.

use millwright_crds::{ModelDeploymentSpec, ModelDeploymentStatus};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{three_stages, unchanged};
use crate::{
    conditions,
    model_deployment::{fixtures, simulator::World},
};

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

/// The kind of a gate, and what it says.
fn gate() -> impl Strategy<Value = (&'static str, Value)> {
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
    prop_oneof![evaluation, test]
}

/// Gates of a stage. Their names differ: the CRD has them as a map, so the API server sees to it.
fn gates() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-c]", gate(), 0..3).prop_map(|gates| {
        let gates = gates.into_iter();
        gates
            .map(|(name, (kind, gate))| json!({"name": name, kind: gate}))
            .collect()
    })
}

fn spec() -> impl Strategy<Value = ModelDeploymentSpec> {
    let stage = (
        "[a-c]",
        maybe((0_u32..4).prop_map(Value::from)),
        gates(),
        maybe(Just(json!({"onUnavailable": "10s"}))),
    )
        .prop_map(|(name, replicas, gates, rollback)| {
            object(vec![
                ("name", Some(name.into())),
                ("replicas", replicas),
                ("gates", Some(gates)),
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
            prop_assert!(conditions::stands(&plan.status.conditions).is_some());
            world.roll(step % 2 == 0);
            world.end_tests(step % 3 == 0);
            world.wait(60);
        }
    }
}
