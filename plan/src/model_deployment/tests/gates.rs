//! How gates let versions in.

use super::*;

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
    world.register(fixtures::evaluated(1, 9.4, None));
    let plan = world.step();
    assert_eq!(reasons(&plan), [Reason::RollingOut]);
    assert_eq!(world.next("staging"), Some((1, NextPhase::RollingOut)));
    assert_eq!(
        (world.next("production"), world.status().phase),
        (None, Phase::Deploying)
    );
    assert_eq!(world.ready().0, "False");

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
