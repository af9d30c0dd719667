//! What is true of every plan, whatever the cluster does.

use millwright_crds::{
    common::ConditionType::{Ready, Reconciling, Stalled},
    dataset::{Refresh, VersionState},
    wire::sync::SyncResult,
};
use proptest::prelude::*;

use super::{
    fixtures::{at, result, settings, waiting},
    simulator::World,
    *,
};
use crate::{conditions::is_true, observed::Lifecycle};

/// What can happen between two passes.
#[derive(Clone, Debug)]
enum Happening {
    Time(i64),
    Refresh(u8),
    Interval(Option<u8>),
    Uri(u8),
    Suspend(bool),
    Retain(u32),
    Waits(&'static str),
    Unplaced,
    Runs,
    Succeeds { number: u32, rejected: bool },
    Garbled,
    Fails,
    PodGone,
    JobGone,
    JobGoing,
    StatusLost,
    StatusGarbled(String, u32),
    ClaimGone,
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    prop_oneof![
        (0i64..600).prop_map(Time),
        (0u8..3).prop_map(Refresh),
        proptest::option::of(10u8..60).prop_map(Interval),
        (0u8..4).prop_map(Uri),
        any::<bool>().prop_map(Suspend),
        (0u32..4).prop_map(Retain),
        prop_oneof![
            Just("ErrImagePull"),
            Just("CreateContainerError"),
            Just("ContainerCreating")
        ]
        .prop_map(Waits),
        Just(Unplaced),
        Just(Runs),
        (1u32..5, any::<bool>()).prop_map(|(number, rejected)| Succeeds { number, rejected }),
        Just(Garbled),
        Just(Fails),
        Just(PodGone),
        Just(JobGone),
        Just(JobGoing),
        Just(StatusLost),
        (".{0,12}", any::<u32>()).prop_map(|(text, failures)| StatusGarbled(text, failures)),
        Just(ClaimGone),
    ]
}

fn happen(world: &mut World, happening: Happening) {
    match happening {
        Happening::Time(seconds) => world.now += seconds,
        Happening::Refresh(value) => world.annotate(&value.to_string()),
        Happening::Interval(seconds) => {
            world.seen.object.spec.refresh = seconds.map(|seconds| Refresh {
                interval: format!("{seconds}s").parse().unwrap(),
            });
        }
        Happening::Uri(3) => world.seen.object.spec.source.uri = "pvc://a/../b".into(),
        Happening::Uri(number) => {
            world.seen.object.spec.source.uri = format!("pvc://feed-{number}/");
        }
        Happening::Suspend(suspend) => world.seen.object.spec.suspend = suspend,
        Happening::Retain(versions) => world.seen.object.spec.retain.versions = versions,
        Happening::Waits(reason) => world.container(waiting(reason, "why")),
        Happening::Unplaced => {
            world.container(waiting("", ""));
            if let Some(pod) = world.seen.pods.last_mut() {
                pod.unschedulable = Some("no room".into());
            }
        }
        Happening::Runs => world.container(Lifecycle::Running { since: None }),
        Happening::Succeeds { number, rejected } => {
            let failed: &[&str] = if rejected { &["enough"] } else { &[] };
            let name = format!("v{number}");
            let found = SyncResult {
                unchanged: number == 1,
                ..result(number, failed, (!rejected).then_some(name.as_str()))
            };
            world.succeed(&found);
        }
        Happening::Garbled => {
            world.fail(1, "{\"v\":1,");
        }
        Happening::Fails => world.fail(69, "no"),
        Happening::PodGone => world.seen.pods.clear(),
        Happening::JobGone => {
            world.seen.jobs.pop();
        }
        Happening::JobGoing => {
            if let Some(job) = world.seen.jobs.last_mut() {
                job.deleting = true;
            }
        }
        Happening::StatusLost => world.seen.object.status = None,
        Happening::StatusGarbled(text, failures) => {
            if let Some(status) = &mut world.seen.object.status {
                status.last_sync = Some(LastSync {
                    request: text.clone(),
                    finished_at: text,
                    failures,
                });
            }
        }
        Happening::ClaimGone => world.seen.store_claim = false,
    }
}

proptest! {
    #[test]
    fn whatever_happens(happenings in prop::collection::vec(happening(), 1..40)) {
        let mut world = World::new();
        for happening in happenings {
            happen(&mut world, happening);
            let keep = usize::try_from(world.seen.object.spec.retain.versions.max(1)).unwrap();
            world.pass();

            let active = world.seen.jobs.iter().filter(|job| job.phase == JobPhase::Active && !job.deleting);
            prop_assert!(active.count() <= 1, "two syncs at once");
            let status = world.seen.object.status.clone().unwrap();
            prop_assert!(status.versions.len() <= keep);
            let current = status.current.as_ref().map(|now| now.version.clone());
            for version in &status.versions {
                prop_assert_eq!(
                    version.state == VersionState::Current,
                    Some(&version.version) == current.as_ref()
                );
                prop_assert!(version.state != VersionState::Current || version.failed.is_empty());
            }
            let is = |kind| is_true(&status.conditions, kind);
            prop_assert!(!(is(Reconciling) && is(Stalled)));
            prop_assert!(!is(Ready) || current.is_some(), "Ready without a version");

            // Planning from its own result changes nothing, once deletions are done.
            world.seen.jobs.retain(|job| !job.deleting);
            for _ in 0..4 {
                world.pass();
            }
            let status = world.seen.object.status.clone().unwrap();
            let again = plan(&world.seen, &settings(), at(world.now));
            prop_assert_eq!(&again.status, &status);
            prop_assert_eq!(&again.operations, &vec![]);
            prop_assert_eq!(&again.events, &vec![]);
        }
    }

    /// A request is answered once: with nothing new, no second sync starts, however often and
    /// however late it is looked at.
    #[test]
    fn no_sync_without_a_request(passes in prop::collection::vec(0i64..100_000, 1..20)) {
        let mut world = World::new();
        world.pass();
        world.succeed(&result(1, &[], Some("v1")));
        world.pass();
        let status = world.seen.object.status.clone();
        for seconds in passes {
            world.now += seconds;
            prop_assert_eq!(world.pass().operations, vec![]);
            prop_assert_eq!(&world.seen.object.status, &status);
        }
    }
}
