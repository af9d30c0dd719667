//! A Dataset's days, from pass to pass.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use millwright_crds::{
    dataset::{DatasetPhase, Refresh},
    wire::sync::SyncResult,
};

use super::{
    fixtures::{at, result, waiting},
    simulator::World,
    *,
};
use crate::observed::Lifecycle;

#[test]
fn the_first_sync_makes_the_first_version() {
    let mut world = World::new();
    let plan = world.pass();
    let done: Vec<_> = plan.operations.iter().map(Operation::describe).collect();
    assert_eq!(done[0], "create PersistentVolumeClaim millwright-artifacts");
    assert!(done[1].starts_with("create Job flights-sync-"), "{done:?}");
    assert_eq!(
        world.standing(),
        (DatasetPhase::Syncing, false, true, false)
    );
    world.container(Lifecycle::Running { since: None });
    assert!(world.pass().operations.is_empty());
    assert_eq!(world.message(), "pvc://feed/2013/ is being read");
    world.succeed(&result(1, &[], Some("v1")));
    world.pass();
    assert_eq!(world.standing(), (DatasetPhase::Ready, true, false, false));
    assert_eq!(world.message(), "v1 is current: 100 rows in 1 files");
    assert_eq!(world.reasons(), [Reason::Synced]);
    assert_eq!(world.pass().requeue, None);
}

#[test]
fn a_refresh_keeps_the_current_version_ready_and_old_jobs_go() {
    let mut world = World::ready();
    let old = world.seen.jobs[0].uid.clone();
    world.annotate("2");
    world.pass();
    assert_eq!(world.standing(), (DatasetPhase::Syncing, true, true, false));
    world.now += 5;
    let same = SyncResult {
        unchanged: true,
        ..result(1, &[], Some("v1"))
    };
    world.succeed(&same);
    world.pass();
    world.pass();
    assert_eq!(world.status().versions.len(), 1);
    assert_eq!(world.reasons(), []);
    assert!(world.seen.jobs.iter().all(|job| job.uid != old));
    assert_eq!(world.seen.jobs.len(), 1);
}

#[test]
fn an_interval_waits_without_a_write() {
    let mut world = World::ready();
    world.seen.object.spec.refresh = Some(Refresh {
        interval: "1h".parse().unwrap(),
    });
    let plan = world.pass();
    assert_eq!(plan.requeue, Some(std::time::Duration::from_secs(3_600)));
    let before = world.status().clone();
    world.now += 1_800;
    let plan = world.pass();
    assert_eq!((plan.status, plan.operations.len()), (before, 0));
    world.now += 1_800;
    assert_eq!(world.pass().operations.len(), 1);
    assert!(world.active().is_some());
}

#[test]
fn a_rejected_version_leaves_the_current_one() {
    let mut world = World::ready();
    world.annotate("2");
    world.pass();
    world.succeed(&result(2, &["enough"], Some("v1")));
    world.pass();
    assert_eq!(world.standing(), (DatasetPhase::Ready, true, false, false));
    assert_eq!(
        world.message(),
        "v2 was rejected: enough (9 rows, at least 10 are expected); v1 stays current"
    );
    assert_eq!(world.reasons(), [Reason::ExpectationFailed]);
}

#[test]
fn a_first_version_that_is_rejected_waits_for_data() {
    let mut world = World::new();
    world.pass();
    world.succeed(&result(1, &["enough"], None));
    world.pass();
    assert_eq!(
        world.standing(),
        (DatasetPhase::Rejected, false, false, false)
    );
    assert!(world.message().contains("no version is current"));
}

#[test]
fn a_failure_is_told_once_and_tried_again_under_another_name() {
    let mut world = World::ready();
    world.annotate("2");
    world.pass();
    let first = world.active().unwrap().name.clone();
    world.fail(
        69,
        r#"{"v":1,"reason":"InputUnavailable","message":"no such folder"}"#,
    );
    let plan = world.pass();
    assert_eq!(plan.requeue, Some(std::time::Duration::from_secs(10)));
    assert_eq!(world.standing(), (DatasetPhase::Failed, true, true, false));
    assert!(
        world.message().ends_with("no such folder"),
        "{}",
        world.message()
    );
    let before = world.status().clone();
    world.now += 5;
    world.seen.pods.clear();
    assert_eq!(world.pass().status, before);
    assert_eq!(world.reasons(), [Reason::SyncFailed]);
    world.now += 5;
    world.pass();
    assert_ne!(world.active().unwrap().name, first);
    world.fail(1, "");
    let plan = world.pass();
    assert_eq!(plan.requeue, Some(std::time::Duration::from_secs(20)));
    world.now += 20;
    world.pass();
    world.succeed(&result(2, &[], Some("v2")));
    world.pass();
    assert_eq!(world.status().last_sync.as_ref().unwrap().failures, 0);
    assert_eq!(world.standing(), (DatasetPhase::Ready, true, false, false));
}

#[test]
fn a_lost_result_is_fetched_by_another_sync() {
    let mut world = World::ready();
    world.annotate("2");
    world.pass();
    let first = world.active().unwrap().uid.clone();
    world.succeed(&result(2, &[], Some("v2")));
    world.seen.pods.clear();
    assert_eq!(
        world.pass().requeue,
        Some(std::time::Duration::from_secs(10))
    );
    world.now += 10;
    world.pass();
    assert!(world.seen.jobs.iter().all(|job| job.uid != first));
    world.pass();
    world.succeed(&SyncResult {
        unchanged: true,
        ..result(2, &[], Some("v2"))
    });
    world.pass();
    assert_eq!(world.reasons(), [Reason::Synced]);
    assert_eq!(world.status().versions.len(), 2);
}

#[test]
fn an_image_that_cannot_be_pulled_is_said_once_and_given_up_in_the_end() {
    let mut world = World::new();
    world.pass();
    world.container(waiting("ErrImagePull", "agent:1: not found"));
    world.pass();
    let before = world.status().clone();
    world.container(waiting("ImagePullBackOff", "Back-off pulling image"));
    assert_eq!(world.pass().status, before);
    assert_eq!(
        world.standing(),
        (DatasetPhase::Syncing, false, true, false)
    );
    assert!(world.message().contains("not found"));
    world.now += 300;
    world.pass();
    assert_eq!(world.standing(), (DatasetPhase::Failed, false, true, false));
    assert_eq!(world.reasons(), [Reason::SyncFailed]);
    assert!(world.seen.jobs.is_empty());
    world.now += 10;
    world.pass();
    assert!(world.active().is_some());
}

#[test]
fn a_new_spec_replaces_a_sync_that_has_not_begun_and_awaits_one_that_has() {
    let mut world = World::new();
    world.pass();
    let first = world.active().unwrap().uid.clone();
    world.seen.object.spec.source.uri = "pvc://other/".into();
    world.pass();
    let second = world.active().unwrap().uid.clone();
    assert_ne!(first, second);
    world.container(Lifecycle::Running { since: None });
    world.seen.object.spec.source.uri = "pvc://third/".into();
    world.pass();
    assert_eq!(world.active().unwrap().uid, second);
    world.succeed(&result(1, &[], Some("v1")));
    world.pass();
    let third = world.active().unwrap().uid.clone();
    assert_ne!(second, third);
    assert_eq!(world.standing(), (DatasetPhase::Syncing, true, true, false));
}

#[test]
fn suspend_stops_new_syncs_and_lets_a_running_one_end() {
    let mut world = World::new();
    world.pass();
    world.seen.object.spec.suspend = true;
    world.pass();
    assert_eq!(world.standing().0, DatasetPhase::Syncing);
    world.succeed(&result(1, &[], Some("v1")));
    world.pass();
    assert_eq!(
        world.standing(),
        (DatasetPhase::Suspended, true, false, false)
    );
    world.annotate("2");
    assert!(world.pass().operations.is_empty());
    world.seen.object.spec.suspend = false;
    world.pass();
    assert!(world.active().is_some());
}

#[test]
fn a_lost_status_is_found_again_in_the_last_job() {
    let mut world = World::ready();
    let before = world.status().clone();
    world.seen.object.status = None;
    let plan = world.pass();
    assert_eq!(plan.operations, []);
    assert_eq!(plan.status.current, before.current);
    assert_eq!(plan.status.last_sync, before.last_sync);
}

#[test]
fn a_spec_that_cannot_work_is_stalled_and_says_why_once() {
    let mut world = World::new();
    world.seen.object.spec.source.uri = "pvc://feed/../x".into();
    assert_eq!(world.pass().operations, []);
    assert_eq!(
        world.standing(),
        (DatasetPhase::Stalled, false, false, true)
    );
    assert!(world.message().starts_with("spec.source.uri: "));
    world.pass();
    assert_eq!(world.reasons(), [Reason::InvalidSpec]);
}

#[test]
fn nothing_happens_to_one_that_is_being_deleted() {
    let mut world = World::new();
    world.seen.object.metadata.deletion_timestamp = Some(Time(at(1)));
    let plan = world.pass();
    assert_eq!(plan, Plan::status(DatasetStatus::default()));
}
