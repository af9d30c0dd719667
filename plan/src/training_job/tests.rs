//! A run's life, from pass to pass.

use TrainingJobPhase::{Evaluating, Failed, Pending, Publishing, Running, Succeeded, Suspended};
use millwright_crds::training_job::TrainingJobPhase;
use serde_json::json;

use super::{
    fixtures::{World, at, bucket, evaluation, failed, result, run, with_secrets},
    *,
};
use crate::observed::Lifecycle;

fn started(spec: serde_json::Value) -> World {
    let mut world = World::new(run(spec));
    world.pass();
    world.runs();
    world.pass();
    assert_eq!(world.phase(), Running);
    world
}

fn publishing(publishing: bool) -> ProgressReport {
    ProgressReport {
        v: 1,
        pod_uid: String::new(),
        percent: Some(100),
        metrics: Default::default(),
        publishing,
    }
}

#[test]
fn a_run_is_registered_once() {
    let spec = json!({"model": "delay", "inputs": [{"name": "train", "dataset": {"name": "flights"}}],
        "evaluation": evaluation()});
    let mut world = started(spec);
    world.succeeds();
    world.pass();
    assert_eq!(world.phase(), Evaluating);
    world.runs();
    world.pass();
    world.succeeds();
    for _ in 0..4 {
        world.pass();
    }
    assert_eq!(world.phase(), Succeeded);
    assert_eq!(world.status().model_version.as_deref(), Some("delay-v1"));
    assert_eq!(world.registered().len(), 1);
    assert_eq!(world.registered()[0].spec.lineage.inputs.len(), 2);
}

#[test]
fn suspend_waits_for_what_is_being_published() {
    let mut world = started(json!({}));
    world.seen.object.spec.suspend = true;
    world.seen.progress = Some(publishing(true));
    let plan = world.pass();
    assert_eq!((world.phase(), plan.operations.len()), (Publishing, 0));
    assert!(plan.requeue.is_some());
    // It has published in the meantime: that is the run's end, suspended or not.
    world.seen.progress = None;
    world.succeeds();
    world.pass();
    assert_eq!(world.phase(), Suspended);
    world.seen.object.spec.suspend = false;
    world.pass();
    assert_eq!(world.phase(), Succeeded);
    assert_eq!(world.started, [1]);
}

#[test]
fn what_was_published_while_it_was_stopped_is_not_trained_again() {
    let mut world = started(json!({"model": "delay"}));
    world.seen.object.spec.suspend = true;
    assert_eq!(world.pass().operations.len(), 1, "the Job is deleted");
    assert_eq!(world.phase(), Suspended);
    // The trainer ends within its grace, and its pod is gone before anybody looks.
    world.published.insert(1);
    world.seen.object.spec.suspend = false;
    world.pass();
    assert_eq!(world.phase(), Pending, "the old pod has not ended");
    assert_eq!(world.active(), None);
    world.seen.pods.clear();
    world.pass();
    assert_eq!(world.phase(), Publishing);
    world.succeeds();
    world.pass();
    world.pass();
    assert_eq!(world.phase(), Succeeded);
    assert_eq!(world.started, [1]);
    let digest = &world.registered()[0].spec.artifact.digest;
    assert_eq!(digest, &super::fixtures::result(1).digest);
}

#[test]
fn what_was_not_published_is_trained_again_with_the_same_inputs() {
    let spec = json!({"inputs": [{"name": "train", "dataset": {"name": "flights"}}]});
    let mut world = started(spec);
    let first = world.seen.jobs[0].resolved.clone();
    world.seen.object.spec.suspend = true;
    world.pass();
    world.seen.datasets.clear();
    world.seen.pods.clear();
    world.seen.object.spec.suspend = false;
    world.pass();
    world.succeeds(); // The Job that looks finds nothing.
    world.pass();
    assert_eq!(world.started, [1, 2]);
    assert_eq!(world.active().unwrap().resolved, first);
    world.runs();
    world.pass();
    let status = world.status();
    assert_eq!((status.phase, status.failures), (Running, 0));
}

#[test]
fn a_store_that_cannot_be_read_is_tried_again_every_minute() {
    let mut world = started(json!({}));
    world.published.insert(1);
    world.end(JobPhase::Complete);
    world.seen.pods.clear();
    world.pass();
    world.reasons();
    for _ in 0..3 {
        world.fails(
            69,
            r#"{"v":1,"reason":"InputUnavailable","message":"no route"}"#,
        );
        world.pass();
        assert_eq!(world.phase(), Publishing);
        let status = world.status();
        assert!(status.failure.unwrap().message.contains("no route"));
        world.now += 59;
        assert_eq!(world.pass().operations, vec![]);
        world.now += 1;
        world.pass();
        world.pass();
        assert!(world.active().is_some(), "it looks again");
    }
    assert_eq!(world.reasons(), [Reason::InputUnavailable], "told once");
    world.succeeds();
    world.pass();
    assert_eq!(world.phase(), Succeeded);
    assert!(world.status().failure.is_none());
}

#[test]
fn a_job_that_left_nothing_counts_as_a_failure() {
    let mut world =
        started(json!({"retry": {"limit": 1, "backoff": {"initial": "1s", "max": "1s"}}}));
    for attempt in [1, 2] {
        assert_eq!(world.started.last(), Some(&attempt));
        world.end(JobPhase::Complete);
        world.seen.pods.clear();
        world.pass();
        world.succeeds(); // The Job that looks finds nothing.
        world.now += 10;
        world.pass();
    }
    let status = world.status();
    assert_eq!((status.phase, status.failures), (Failed, 2));
    assert_eq!(status.failure.unwrap().reason, FailureReason::PublishFailed);
}

#[test]
fn a_failure_seen_late_is_told_and_tried_again_at_once() {
    let mut world = started(json!({}));
    world.reasons();
    world.fails(3, "no such column\n");
    world.now += 3_600;
    world.pass();
    assert_eq!(world.started, [1, 2]);
    assert_eq!(
        world.reasons(),
        [Reason::AttemptFailed, Reason::AttemptStarted]
    );
    let status = world.status();
    assert_eq!((status.failures, status.failure.unwrap().attempt), (1, 1));
}

#[test]
fn an_end_that_is_not_seen_yet_is_waited_for() {
    let mut world = started(json!({}));
    world.end(JobPhase::Complete);
    let plan = world.pass();
    assert_eq!(plan.operations, vec![], "nothing is collected too early");
    assert_eq!(plan.requeue, Some(crate::observed::SETTLING));
    world.now += 10;
    assert_eq!(world.pass().operations.len(), 1);
}

#[test]
fn an_evaluation_that_is_disrupted_is_done_again() {
    let mut world = started(json!({"model": "delay", "evaluation": evaluation()}));
    world.succeeds();
    world.pass();
    world.end(failed("PodFailurePolicy"));
    // What fills its node does so on the next one, too: not at once.
    let plan = world.pass();
    assert!(plan.operations.is_empty() && plan.requeue.is_some());
    world.now += 10;
    world.pass();
    world.pass();
    assert_eq!((world.phase(), world.started.len()), (Evaluating, 1));
    world.succeeds();
    world.pass();
    world.pass();
    assert_eq!(world.phase(), Succeeded);
}

#[test]
fn the_code_of_users_gets_no_credentials_of_the_store() {
    let run = run(json!({"evaluation": evaluation(), "model": "delay"}));
    let attempt = build_attempt(&run, 1, &[], &bucket()).unwrap();
    let scored = build_evaluation(&run, 1, &[], &result(1), None, &bucket()).unwrap();
    for job in [attempt, scored] {
        let pod = job.spec.unwrap().template;
        assert_eq!(with_secrets(&pod), ["millwright-fetch", "millwright-agent"]);
    }
}

#[test]
fn a_lost_node_costs_no_attempt_of_the_limit() {
    let mut world = started(json!({"retry": {"limit": 0}}));
    let gone_by = at(world.now);
    let pod = &mut world.seen.pods[0];
    (pod.deleting, pod.gone_by) = (true, Some(gone_by));
    world.pass();
    assert_eq!(world.phase(), Running);
    world.reasons();
    world.now += 120;
    world.pass();
    assert_eq!((world.phase(), world.active()), (Pending, None));
    assert_eq!(world.reasons(), [Reason::Evicted]);
    // The pod stays for ever. It may have published: the store is asked, and has nothing.
    world.pass();
    assert_eq!(world.active().unwrap().label(LABEL_ROLE), Some(COLLECT));
    world.succeeds();
    world.pass();
    assert_eq!(world.started, [1, 2]);
    assert_eq!(
        (world.status().failures, world.seen.pods[0].deleting),
        (0, true)
    );
}

#[test]
fn what_ended_before_its_deadline_is_registered_however_late_it_is_seen() {
    for (ended, expected) in [(59, Succeeded), (60, Failed)] {
        let mut world = started(json!({"model": "delay", "activeDeadline": "1m"}));
        let begun = world.now;
        world.now = begun + ended;
        world.succeeds();
        world.now = begun + 600;
        for _ in 0..3 {
            world.pass();
        }
        assert_eq!(world.phase(), expected, "after {ended} s");
    }
}

#[test]
fn waiting_for_a_node_is_not_held_against_an_image() {
    let pull = || Lifecycle::Waiting {
        reason: "ErrImagePull".into(),
        message: "429".into(),
    };
    let mut world = World::new(run(json!({"model": "delay"})));
    world.pass();
    world.now += 1_000;
    world.container(pull());
    let placed = at(world.now);
    world.seen.pods[0].placed = Some(placed);
    world.pass();
    assert_eq!(world.phase(), TrainingJobPhase::Preparing);
    world.now += 300;
    world.pass();
    assert_eq!(world.phase(), Failed);
}

#[test]
fn a_refusal_is_the_last_word_on_the_first_job_only() {
    let mut world = World::new(run(json!({})));
    assert!(is_last_word(&world.seen, "create Job run-1: 422"));
    assert!(!is_last_word(
        &world.seen,
        "create PersistentVolumeClaim a: 422"
    ));
    world.pass();
    assert!(!is_last_word(
        &world.seen,
        "create Job run-1-evaluation: 422"
    ));
}
