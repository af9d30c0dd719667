//! What a spec asks for, and what it can't.

use super::*;
use crate::model_deployment::Foreign;

#[test]
fn paused_lets_nothing_in_but_scales() {
    let mut world = healthy();
    world.edit(|seen| seen.object.spec.paused = true);
    world
        .seen
        .versions
        .push(fixtures::evaluated(2, 8.0, Some((1, 9.4))));
    world.edit(|seen| seen.object.spec.stages[1].replicas = 0);
    world.settle();
    assert_eq!(
        (world.serves("staging"), world.next("staging")),
        (Some(1), None)
    );
    assert_eq!(world.stage("production").ready_replicas, 0);
    assert_eq!(
        (world.status().phase, world.ready().0.as_str()),
        (Phase::Paused, "True")
    );
    world.edit(|seen| seen.object.spec.paused = false);
    world.settle();
    assert_eq!(
        world.serves("production"),
        Some(2),
        "a stage of no pods serves at once"
    );
}

#[test]
fn a_stage_that_leaves_the_spec_goes() {
    let mut world = healthy();
    world.edit(|seen| {
        seen.object.spec.stages.remove(1);
    });
    let plan = world.step();
    let written: Vec<_> = plan.operations.iter().map(Operation::describe).collect();
    assert_eq!(
        written,
        [
            "delete Deployment d-production",
            "delete Service d-production",
            "delete Service d-production-peers",
        ]
    );
    world.settle();
    assert_eq!(world.status().stages.len(), 1);
}

#[test]
fn a_name_of_somebody_else_is_not_taken() {
    let mut world = World::new(fixtures::two_stages());
    world.seen.foreign.push(Foreign {
        kind: "Service".into(),
        name: "d-staging-peers".into(),
        leaving: false,
    });
    let plan = world.step();
    assert!(plan.operations.is_empty());
    assert_eq!(reasons(&plan), [Reason::Conflict]);
    assert!(world.step().events.is_empty());
    assert!(world.ready().2.contains("Service d-staging-peers"));
}

#[test]
fn what_a_spec_can_not_say_is_named() {
    let container = |extra: serde_json::Value| {
        let mut container = json!({"name": "server", "image": "s"});
        container
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        json!({"spec": {"containers": [container]}})
    };
    let test = json!({"name": "t", "test": {"template": fixtures::test_template()}});
    let always =
        json!({"spec": {"restartPolicy": "Always", "containers": [{"name": "c", "image": "i"}]}});
    let good = container(json!({}));
    for (stages, template, field) in [
        (
            json!([{"name": "a", "gates": [test]}]),
            good.clone(),
            "spec.stages[0].gates[0].test: ",
        ),
        (
            json!([{"name": "a"}, {"name": "b", "gates": [{"name": "t", "test": {"template": always}}]}]),
            good.clone(),
            "spec.stages[1].gates[0].test.template.spec.restartPolicy: ",
        ),
        (
            json!([{"name": "a"}, {"name": "a-peers"}]),
            good,
            "spec.stages[1].name: ",
        ),
        (
            json!([{"name": "a"}]),
            container(json!({"comand": ["x"]})),
            "spec.server.template.spec.containers[0].comand: ",
        ),
        (
            json!([{"name": "a"}]),
            container(json!({"volumeMounts": [{"name": "v", "mountPath": "/mnt/models/"}]})),
            "spec.server.template.spec.containers[0].volumeMounts[0].mountPath: ",
        ),
        (
            json!([{"name": "a"}]),
            container(json!({"name": "millwright-x"})),
            "spec.server.template.spec.containers[0].name: ",
        ),
        (
            json!([{"name": "a"}]),
            json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}),
            "spec.server.template.spec.restartPolicy: ",
        ),
        (
            json!([{"name": "a"}]),
            container(json!({"args": ["x".repeat(100_000)]})),
            "spec.server.template: has",
        ),
    ] {
        let mut world = World::new(stages);
        world.seen.object.spec.server.template.0 = template;
        let plan = world.step();
        assert!(plan.operations.is_empty());
        assert_eq!(world.status().phase, Phase::Stalled);
        assert_eq!(world.ready().1, "InvalidSpec");
        assert!(world.ready().2.starts_with(field), "{}", world.ready().2);
    }
}

#[test]
fn the_code_of_users_gets_no_credentials_of_the_store() {
    let mut world = World::new(fixtures::two_stages());
    world.settings = fixtures::bucket();
    world.register(fixtures::evaluated(1, 9.4, None));
    let mut pods = vec![];
    for _ in 0..4 {
        for operation in world.step().operations {
            let (Operation::Apply(object) | Operation::Create(object)) = operation else {
                continue;
            };
            let template = &object.body["spec"]["template"];
            if let Ok(pod) = serde_json::from_value::<PodTemplateSpec>(template.clone()) {
                pods.push((object.name, fixtures::with_secrets(&pod).join(" ")));
            }
        }
        world.roll(true);
        world.end_tests(true);
    }
    let fetch = "millwright-fetch".to_owned();
    assert_eq!(pods[0], ("d-staging".into(), fetch.clone()));
    assert!(pods[1].0.starts_with("d-production-smoke-") && pods[1].1.is_empty());
    assert_eq!(pods[2], ("d-production".into(), fetch));
}
