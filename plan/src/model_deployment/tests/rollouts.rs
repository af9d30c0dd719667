//! How rollouts end.

use super::*;

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
    world.step();
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
fn a_rollout_of_many_pods_may_take_long_as_long_as_it_goes_on() {
    let mut world = healthy();
    world.edit(|seen| seen.object.spec.stages[0].replicas = 4);
    world.settle();
    world
        .seen
        .versions
        .push(fixtures::evaluated(2, 8.0, Some((1, 9.4))));
    world.step();
    world.roll(false);
    for _ in 0..4 {
        assert_eq!(world.next("staging"), Some((2, NextPhase::RollingOut)));
        world.wait(119);
        let plan = world.step();
        assert!(plan.events.is_empty(), "{:?}", plan.events);
        world.one_more();
    }
    let plan = world.step();
    assert_eq!(reasons(&plan)[0], Reason::Promoted);
    assert_eq!(world.serves("staging"), Some(2));

    // Once it was done, nothing is late any more, whatever becomes of its pods.
    world.settle();
    world.seen.deployments[0].available = 1;
    world.wait(1_000);
    world.step();
    assert_eq!(world.serves("staging"), Some(2));
    assert_eq!(world.stage("staging").last_rollback, None);
}

#[test]
fn a_paused_deployment_says_how_it_goes_on() {
    let mut world = healthy();
    world
        .seen
        .versions
        .push(fixtures::evaluated(2, 8.0, Some((1, 9.4))));
    world.step();
    world.roll(false);
    for one in &mut world.seen.deployments {
        one.paused = true;
    }
    world.step();
    let (_, _, message) = world.ready();
    assert!(
        message.contains("kubectl -n ns rollout resume deployment/d-staging"),
        "{message}"
    );
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
    world.register(fixtures::version(2));
    world.step();
    world.register(fixtures::version(3));
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
    world.register(fixtures::version(1));
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
    world.register(fixtures::version(2));
    world.step();
    assert_eq!(world.next("serving"), Some((2, NextPhase::RollingOut)));
    world.settle();
    assert_eq!(
        (world.serves("serving"), world.status().phase),
        (Some(2), Phase::Healthy)
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
