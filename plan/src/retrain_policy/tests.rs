//! A policy's days, from pass to pass.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use millwright_crds::{
    model_deployment::Task,
    retrain_policy::{PolicyMode, RetrainPolicyPhase, TriggerState},
    training_job::{Failure, FailureReason, TrainingJobPhase},
};
use serde_json::json;

use super::{fixtures::at, simulator::World, *};

#[test]
fn a_good_model_is_watched() {
    let mut world = World::new();
    assert_eq!(
        world.pass().requeue,
        Some(std::time::Duration::from_secs(5))
    );
    world.traffic(100, 9.0, 0.0);
    world.pass();
    assert_eq!(
        world.standing(),
        (RetrainPolicyPhase::Watching, true, false, false)
    );
    assert_eq!(
        world.message(),
        "v1 in production: quality 9 of 13 Clear, inputs 0 of 0.2 Clear (Observe)"
    );
    let triggers = &world.status().triggers;
    assert_eq!(triggers[0].recent[0].samples, 200);
    assert_eq!(triggers[1].columns.len(), 2);
    let before = world.status().clone();
    world.now += 5;
    assert_eq!(world.pass().status, before);
}

#[test]
fn two_breaches_of_three_fire_once() {
    let mut world = World::new();
    world.traffic(100, 20.0, 0.0);
    world.pass();
    assert_eq!(world.status().triggers[0].state, TriggerState::Pending);
    assert!(world.fired.is_empty());
    world.traffic(100, 20.0, 0.0);
    world.pass();
    assert_eq!(world.fired.len(), 1);
    assert_eq!(
        world.standing(),
        (RetrainPolicyPhase::Retraining, true, false, false)
    );
    let run = world.status().last_run.clone().unwrap();
    assert_eq!((run.firing, run.trigger.as_str()), (1, "quality"));
    assert_eq!(run.training_job, world.fired[0]);
    let said = world.events.pop().unwrap();
    assert!(
        said.message
            .contains("20 where the limit is 13, 2 of the last 2"),
        "{}",
        said.message
    );
    let before = world.status().clone();
    assert_eq!(world.pass().status, before);
    world.traffic(100, 20.0, 0.0);
    world.pass();
    assert_eq!(world.fired.len(), 1);
}

#[test]
fn drift_that_is_observed_starts_nothing() {
    let mut world = World::new();
    for _ in 0..5 {
        world.traffic(100, 9.0, 60.0);
        world.pass();
    }
    assert_eq!(world.status().triggers[1].state, TriggerState::Breached);
    assert!(world.status().triggers[1].columns[0].drifted);
    assert!(world.fired.is_empty());
    assert!(world.message().contains("Breached (Observe)"));
}

#[test]
fn a_new_version_begins_anew() {
    let mut world = World::retraining();
    world.end(TrainingJobPhase::Succeeded, Some("m-v2"));
    world.pass();
    assert_eq!(world.reasons(), [Reason::Succeeded]);
    world.serve(Some(2));
    world.pass();
    assert_eq!(world.status().version, Some(2));
    let quality = &world.status().triggers[0];
    assert_eq!(
        (quality.state, quality.evaluations),
        (TriggerState::Unknown, 0)
    );
    assert_eq!(world.standing().0, RetrainPolicyPhase::Watching);
}

#[test]
fn a_run_that_brings_nothing_is_followed_by_another_only_after_new_breaches_and_the_cooldown() {
    let mut world = World::retraining();
    let failure = Failure {
        reason: FailureReason::ExitCode,
        message: "exit code 3".into(),
        attempt: 1,
        exit_code: Some(3),
        pod: None,
        container: None,
        log: None,
        at: String::new(),
    };
    world.traffic(100, 20.0, 0.0);
    world.pass();
    world.now += 9;
    world.end(TrainingJobPhase::Failed, None);
    world.seen.runs[0].status.as_mut().unwrap().failure = Some(failure);
    world.pass();
    assert!(world.events[0].message.contains("ExitCode: exit code 3"));
    assert_eq!(world.status().triggers[0].state, TriggerState::Unknown);
    assert_eq!(world.standing().0, RetrainPolicyPhase::Watching);

    world.traffic(100, 20.0, 0.0);
    world.traffic(100, 20.0, 0.0);
    let plan = world.pass();
    assert_eq!(world.standing().0, RetrainPolicyPhase::CoolingDown);
    assert_eq!(world.fired.len(), 1);
    assert!(plan.requeue.is_some());
    world.now += 60;
    world.pass();
    assert_eq!(world.fired.len(), 2);
    assert_ne!(world.fired[0], world.fired[1]);
    assert_eq!(world.status().last_run.as_ref().unwrap().firing, 2);
}

#[test]
fn a_lost_status_fires_nothing_again() {
    let mut world = World::retraining();
    let before = world.status().last_run.clone();
    world.seen.object.status = None;
    world.pass();
    assert_eq!(world.fired.len(), 1);
    assert_eq!(world.status().last_run, before);
    world.end(TrainingJobPhase::Failed, None);
    world.seen.object.status = None;
    world.now += 1_000;
    world.pass();
    assert_eq!(world.fired.len(), 1);
    assert_eq!(world.status().triggers[0].evaluations, 2);
}

#[test]
fn a_person_is_answered_once() {
    let mut world = World::new();
    world.seen.object.spec.mode = PolicyMode::Observe;
    world.ask("1/now");
    world.pass();
    assert_eq!(world.status().answered.as_deref(), Some("1/now"));
    assert_eq!(world.status().last_run.as_ref().unwrap().trigger, "manual");
    assert_eq!(world.fired.len(), 1);
    world.ask("1/later");
    world.pass();
    assert_eq!(world.status().answered.as_deref(), Some("1/later"));
    assert_eq!(world.fired.len(), 1);
    assert_eq!(world.reasons(), [Reason::Fired, Reason::Retraining]);
    world.end(TrainingJobPhase::Succeeded, Some("m-v2"));
    world.pass();
    assert_eq!(world.fired.len(), 1);
    world.ask("1/now");
    world.pass();
    assert_eq!(world.fired.len(), 1, "answered by a run before");
}

#[test]
fn who_asks_in_vain_is_told_why() {
    let mut world = World::new();
    world.seen.object.spec.suspend = true;
    world.ask("x");
    world.pass();
    assert_eq!(
        world.standing(),
        (RetrainPolicyPhase::Suspended, false, false, false)
    );
    assert!(
        world.events[0]
            .message
            .contains("no run: spec.suspend is true")
    );
    world.seen.object.spec.suspend = false;
    world.pass();
    assert!(world.fired.is_empty());
}

#[test]
fn what_cannot_be_watched_says_so() {
    let mut world = World::new();
    world.serve(None);
    assert_eq!(world.pass().requeue, None);
    assert_eq!(
        world.standing(),
        (RetrainPolicyPhase::Pending, false, false, false)
    );
    world.seen.object.spec.deployment.stage = "canary".into();
    world.pass();
    assert_eq!(
        world.standing(),
        (RetrainPolicyPhase::Stalled, false, false, true)
    );
    assert!(
        world.message().ends_with("it has staging, production"),
        "{}",
        world.message()
    );
    world.pass();
    assert_eq!(world.reasons(), [Reason::StageMissing]);
    world.seen.deployment = None;
    world.pass();
    assert!(world.message().contains("md doesn't exist"));
}

#[test]
fn a_template_that_cannot_work_is_stalled() {
    let mut world = World::new();
    world.seen.object.spec.template.spec.template.0 = json!({"spec": {"containers": [{}]}});
    assert!(world.pass().operations.is_empty());
    assert_eq!(
        world.standing(),
        (RetrainPolicyPhase::Stalled, false, false, true)
    );
    assert!(
        world.message().starts_with("spec.template.spec.template."),
        "{}",
        world.message()
    );
}

#[test]
fn what_can_never_be_evaluated_is_stalled() {
    let mut world = World::new();
    let deployment = world.seen.deployment.as_mut().unwrap();
    deployment.spec.monitoring.task = Task::Classification;
    world.pass();
    assert_eq!(
        world.standing(),
        (RetrainPolicyPhase::Stalled, false, false, true)
    );
    assert!(
        world
            .message()
            .starts_with("spec.triggers[0].quality.metric: mae"),
        "{}",
        world.message()
    );
    assert_eq!(world.reasons(), [Reason::InvalidSpec]);
}

/// The model comes without what it is compared with, and the next may come with it.
#[test]
fn a_trigger_that_lacks_something_is_told_once() {
    let mut world = World::new();
    for profile in &mut world.seen.profiles {
        profile.reference = None;
    }
    world.pass();
    world.pass();
    assert_eq!(
        world.standing(),
        (RetrainPolicyPhase::Watching, true, false, false)
    );
    let ready = &world.status().conditions[0];
    assert_eq!(ready.reason, Reason::TriggerUnusable.as_str());
    assert!(
        ready.message.contains("without a profile"),
        "{}",
        ready.message
    );
    assert_eq!(world.reasons(), [Reason::TriggerUnusable]);
    // Nobody answers for a moment: that says nothing of the model.
    world.seen.profiles.clear();
    world.pass();
    assert_eq!(
        world.status().conditions[0].reason,
        Reason::Watching.as_str()
    );
    world.serve(Some(2));
    world.pass();
    assert_eq!(
        world.status().conditions[0].reason,
        Reason::Watching.as_str()
    );
}

#[test]
fn observe_says_what_it_would_do() {
    let mut world = World::new();
    world.seen.object.spec.mode = PolicyMode::Observe;
    world.traffic(100, 20.0, 0.0);
    world.traffic(100, 20.0, 0.0);
    world.pass();
    assert!(world.fired.is_empty());
    assert!(
        world
            .message()
            .starts_with("quality is breached, but spec.mode is Observe")
    );
}

#[test]
fn nothing_is_evaluated_while_a_gateway_is_silent() {
    let mut world = World::new();
    world.traffic(100, 20.0, 0.0);
    world.seen.silent = vec!["pod-b".into()];
    world.pass();
    assert_eq!(world.status().triggers[0].evaluations, 0);
    assert!(
        world.message().contains("gateway of pod-b"),
        "{}",
        world.message()
    );
    world.seen.silent.clear();
    world.pass();
    assert_eq!(world.status().triggers[0].evaluations, 1);
}

#[test]
fn a_run_that_is_deleted_ends() {
    let mut world = World::retraining();
    world.seen.runs.clear();
    world.pass();
    let run = world.status().last_run.clone().unwrap();
    assert_eq!(run.outcome, Some(RunOutcome::Deleted));
    assert_eq!(world.reasons(), [Reason::Unknown]);
    world.now += 1_000;
    world.pass();
    assert_eq!(world.fired.len(), 1);
}

#[test]
fn nothing_happens_to_one_that_is_being_deleted() {
    let mut world = World::new();
    world.traffic(100, 20.0, 0.0);
    world.traffic(100, 20.0, 0.0);
    world.seen.object.metadata.deletion_timestamp = Some(Time(at(1)));
    assert_eq!(world.pass(), Plan::status(RetrainPolicyStatus::default()));
}
