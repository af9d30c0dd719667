//! How versions move, one story per test.

mod again;
mod lost;
mod order;
mod others;

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
    world.seen.versions.push(fixtures::evaluated(1, 9.4, None));
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

#[test]
fn waits_for_the_first_version() {
    let mut world = World::new(fixtures::two_stages());
    let plan = world.step();
    let written: Vec<_> = plan.operations.iter().map(Operation::describe).collect();
    assert_eq!(
        written,
        [
            "create PersistentVolumeClaim millwright-artifacts",
            "apply Service d-staging",
            "apply Service d-staging-peers",
            "apply Service d-production",
            "apply Service d-production-peers",
        ]
    );
    assert_eq!(world.status().phase, Phase::Pending);
    let (ready, reason, message) = world.ready();
    assert_eq!((ready.as_str(), reason.as_str()), ("False", "NoVersion"));
    assert!(message.contains("spec.model is m"), "{message}");
}

#[test]
fn the_first_version_goes_from_stage_to_stage() {
    let mut world = World::new(fixtures::two_stages());
    world.seen.versions.push(fixtures::evaluated(1, 9.4, None));
    let plan = world.step();
    assert_eq!(reasons(&plan), [Reason::RollingOut]);
    assert_eq!(world.next("staging"), Some((1, NextPhase::RollingOut)));
    assert_eq!(
        (world.next("production"), world.status().phase),
        (None, Phase::Deploying)
    );
    assert_eq!(world.ready().0, "False");
    assert_eq!(plan.requeue, Some(std::time::Duration::from_secs(120)));

    world.roll(true);
    let plan = world.step();
    assert_eq!(reasons(&plan), [Reason::Promoted]);
    assert_eq!(world.serves("staging"), Some(1));
    assert_eq!(world.next("production"), Some((1, NextPhase::Gating)));
    assert_eq!(
        (world.ready().0.as_str(), world.status().phase),
        ("True", Phase::Promoting)
    );
    assert_eq!(world.seen.jobs.len(), 1);

    world.end_tests(true);
    let plan = world.step();
    assert_eq!(reasons(&plan), [Reason::RollingOut]);
    world.roll(true);
    world.step();
    world.step();
    assert_eq!(world.serves("production"), Some(1));
    assert_eq!(
        (world.status().phase, world.ready().0.as_str()),
        (Phase::Healthy, "True")
    );
    assert_eq!(
        history(&world),
        [
            (1, "production", Outcome::Promoted),
            (1, "staging", Outcome::Promoted)
        ]
    );
    assert!(
        world.seen.jobs.is_empty(),
        "the test's Job is no longer needed"
    );
    let stage = world.stage("production");
    assert_eq!(stage.url.as_deref(), Some("http://d-production.ns.svc"));
    assert_eq!(
        stage.selector.as_deref(),
        Some(
            "millwright.dev/owner-uid=uid-d,millwright.dev/role=serving,millwright.dev/stage=production"
        )
    );
}

#[test]
fn a_worse_version_is_refused_with_both_values() {
    let mut world = healthy();
    world
        .seen
        .versions
        .push(fixtures::evaluated(2, 14.9, Some((1, 9.4))));
    world.settle();
    assert_eq!(
        (world.serves("staging"), world.serves("production")),
        (Some(2), Some(1))
    );
    assert_eq!(world.next("production"), Some((2, NextPhase::Refused)));
    assert_eq!(world.status().phase, Phase::RolledBack);
    let (ready, reason, message) = world.ready();
    assert_eq!((ready.as_str(), reason.as_str()), ("True", "GateFailed"));
    for part in ["14.9", "9.4", "sha256:555555555555", "v1", "v2"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(history(&world)[0], (2, "production", Outcome::Refused));
    let entries = history(&world).len();

    // Another change of the spec checks it again, and it isn't news.
    world.edit(|seen| seen.object.spec.stages[0].replicas = 3);
    world.settle();
    assert_eq!(world.next("production"), Some((2, NextPhase::Refused)));
    assert_eq!(history(&world).len(), entries);

    // A bound that lets it in.
    world.edit(|seen| {
        seen.object.spec.stages[1].gates.remove(0);
    });
    world.settle();
    assert_eq!(world.serves("production"), Some(2));
}

#[test]
fn a_test_that_fails_refuses_with_its_last_lines() {
    let mut world = healthy();
    world
        .seen
        .versions
        .push(fixtures::evaluated(2, 8.0, Some((1, 9.4))));
    world.step();
    world.roll(true);
    world.step();
    let gates = &world.stage("production").next.as_ref().unwrap().gates;
    assert_eq!(gates[0].state, GateState::Passed);
    assert_eq!(gates[1].state, GateState::Pending);
    let name = world.seen.jobs[0].name.clone();
    assert!(name.starts_with("d-production-smoke-v2-"), "{name}");
    let running = format!("Job {name} runs, 3m at most");
    assert_eq!(gates[1].message, running);
    assert!(
        world.ready().2.starts_with(&format!(
            "production serves v1, v2 waits for gate smoke: {running}; "
        )),
        "{}",
        world.ready().2
    );
    let mut pod = fixtures::pod("t");
    pod.labels = pod.labels.with("batch.kubernetes.io/job-name", &name);
    pod.containers.push(ContainerState {
        name: "smoke".into(),
        init: false,
        image_id: None,
        state: Lifecycle::Terminated(Terminated {
            exit_code: 1,
            reason: "Error".into(),
            message: "asking\n503 from the model\n".into(),
            finished: None,
        }),
        last: None,
        restarts: 0,
    });
    world.seen.pods.push(pod);
    world.end_tests(false);
    let plan = world.step();
    assert_eq!(reasons(&plan), [Reason::GateFailed]);
    assert!(
        plan.events[0]
            .message
            .contains("exit code 1: asking | 503 from the model")
    );
    assert_eq!(world.serves("production"), Some(1));
    // The Job may go: what was decided stays decided.
    world.seen.jobs.clear();
    let plan = world.step();
    assert!(plan.operations.is_empty());
    assert_eq!(world.next("production"), Some((2, NextPhase::Refused)));
}

#[test]
fn a_version_that_never_serves_is_taken_back() {
    let mut world = healthy();
    let (deployed, template) = (
        world.deployed("staging"),
        world.templates["d-staging"].clone(),
    );
    world
        .seen
        .versions
        .push(fixtures::evaluated(2, 8.0, Some((1, 9.4))));
    world.step();
    world.roll(false);
    world.wait(119);
    let plan = world.step();
    assert_eq!(plan.requeue, Some(std::time::Duration::from_secs(1)));
    assert_eq!(
        (world.status().phase, world.ready().0.as_str()),
        (Phase::Deploying, "True")
    );
    world.wait(1);
    let plan = world.step();
    assert_eq!(reasons(&plan), [Reason::RolledBack]);
    assert_eq!(world.deployed("staging"), deployed);
    assert_eq!(
        world.templates["d-staging"], template,
        "the old pods are kept"
    );
    assert_eq!(history(&world)[0], (2, "staging", Outcome::RolledBack));
    world.settle();
    assert_eq!(
        (world.status().phase, world.ready().0.as_str()),
        (Phase::RolledBack, "True")
    );
    assert_eq!(
        (world.serves("staging"), world.next("staging")),
        (Some(1), None)
    );

    // A newer version is tried, and so is the same one when the spec changes.
    world.edit(|seen| seen.object.spec.stages[0].replicas = 2);
    world.settle();
    assert_eq!(world.serves("production"), Some(2));
}

#[test]
fn new_pods_go_through_stages_and_are_taken_back_to_the_letter() {
    let mut world = healthy();
    let template = world.templates["d-staging"].clone();
    world.image("s:broken");
    world.step();
    assert_eq!(world.next("staging"), Some((1, NextPhase::RollingOut)));
    world.roll(false);
    world.wait(120);
    world.step();
    assert_eq!(world.templates["d-staging"], template);
    let rollback = world.stage("staging").last_rollback.clone().unwrap();
    assert_eq!(rollback.version, 1);
    world.settle();
    // What the spec says can't be had, but the stage can still be scaled.
    world.edit(|seen| seen.object.spec.paused = true);
    world.edit(|seen| seen.object.spec.stages[0].replicas = 4);
    world.settle();
    assert_eq!(world.templates["d-staging"], template);
    assert_eq!(world.stage("staging").ready_replicas, 4);
    assert_eq!(world.status().phase, Phase::Paused);
    world.edit(|seen| seen.object.spec.paused = false);
    world.image("s:2");
    world.settle();
    assert_eq!(world.status().phase, Phase::Healthy);
    for stage in ["d-staging", "d-production"] {
        assert_eq!(
            world.templates[stage]["spec"]["containers"][0]["image"],
            "s:2"
        );
    }
}

#[test]
fn a_rollout_that_the_spec_no_longer_asks_for_ends() {
    let mut world = healthy();
    world.image("s:broken");
    world.step();
    world.roll(false);
    world.step();
    world.image("s:good");
    let plan = world.step();
    assert_eq!(reasons(&plan), [Reason::RollingOut, Reason::RollingOut]);
    let image = &world.templates["d-staging"]["spec"]["containers"][0]["image"];
    assert_eq!(image, "s:good");
    world.settle();
    assert_eq!(world.status().phase, Phase::Healthy);
}

#[test]
fn a_rollout_is_brought_to_its_end_before_the_next() {
    let mut world = healthy();
    world.seen.versions.push(fixtures::version(2));
    world.step();
    world.seen.versions.push(fixtures::version(3));
    world.step();
    assert_eq!(world.next("staging"), Some((2, NextPhase::RollingOut)));
    world.roll(true);
    world.step();
    world.step();
    assert_eq!(world.next("staging"), Some((3, NextPhase::RollingOut)));
    assert_eq!(
        world.next("production"),
        None,
        "a test would meet pods of v3"
    );
}

#[test]
fn nothing_to_return_to() {
    let mut world = World::new(json!([{"name": "serving"}]));
    world.seen.versions.push(fixtures::version(1));
    world.step();
    world.roll(false);
    world.wait(500);
    let plan = world.step();
    assert!(plan.operations.is_empty());
    assert_eq!(world.status().phase, Phase::Degraded);
    let (ready, reason, message) = world.ready();
    assert_eq!((ready.as_str(), reason.as_str()), ("False", "Unavailable"));
    assert!(
        message.contains("no version before to return to"),
        "{message}"
    );
    // It goes on trying, and another version may replace it.
    world.seen.versions.push(fixtures::version(2));
    world.step();
    assert_eq!(world.next("serving"), Some((2, NextPhase::RollingOut)));
    world.settle();
    assert_eq!(
        (world.serves("serving"), world.status().phase),
        (Some(2), Phase::Healthy)
    );
}

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

#[test]
fn pods_that_crash_are_named() {
    let mut world = healthy();
    let mut pod = fixtures::pod("d-production-x");
    for (key, value) in [
        ("millwright.dev/role", "serving"),
        ("millwright.dev/stage", "production"),
        (
            "millwright.dev/revision",
            &world.deployed("production").unwrap(),
        ),
    ] {
        pod.labels = pod.labels.with(key, value);
    }
    pod.containers.push(ContainerState {
        name: "server".into(),
        init: false,
        image_id: None,
        state: Lifecycle::Waiting {
            reason: "CrashLoopBackOff".into(),
            message: String::new(),
        },
        last: Some(Terminated {
            exit_code: 137,
            reason: "OOMKilled".into(),
            message: String::new(),
            finished: None,
        }),
        restarts: 3,
    });
    world.seen.pods.push(pod);
    world
        .seen
        .deployments
        .iter_mut()
        .filter(|d| d.name == "d-production")
        .for_each(|d| d.available = 1);
    world.step();
    let (ready, reason, message) = world.ready();
    assert_eq!((ready.as_str(), reason.as_str()), ("True", "OOMKilled"));
    assert_eq!(world.status().phase, Phase::Degraded);
    assert!(
        message.contains("1 of 2 pods: container server of pod d-production-x"),
        "{message}"
    );
    world
        .seen
        .deployments
        .iter_mut()
        .for_each(|d| d.available = 0);
    world.step();
    assert_eq!(
        (world.ready().0.as_str(), world.status().phase),
        ("False", Phase::Degraded)
    );
}

#[test]
fn a_name_of_somebody_else_is_not_taken() {
    let mut world = World::new(fixtures::two_stages());
    world.seen.foreign.push(super::Foreign {
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
    world.seen.versions.push(fixtures::evaluated(1, 9.4, None));
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
