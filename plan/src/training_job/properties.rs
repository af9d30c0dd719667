//! What is true of every plan, whatever the cluster does.

use millwright_crds::{
    common::ConditionType::{Complete, Failed, Ready, Reconciling, Stalled},
    training_job::TrainingJobPhase,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    fixtures::{World, at, evaluation, failed, run, settings},
    *,
};
use crate::{conditions::is_true, observed::Lifecycle};

/// What can happen between two passes.
#[derive(Clone, Debug)]
enum Happening {
    Time(i64),
    Runs,
    Progress { percent: u32, publishing: bool },
    Stuck(&'static str),
    Succeeds,
    Garbled,
    Fails(i32),
    Evicted,
    EndsUnseen { well: bool },
    PublishesUnseen,
    PodsGone,
    JobGone,
    JobGoing,
    Suspend(bool),
    DataGone,
    StatusLost,
    StatusGarbled { attempts: u32, failures: u32 },
    Crash(usize),
    ByHand,
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    prop_oneof![
        4 => (0i64..120).prop_map(Time),
        4 => Just(Runs),
        2 => (0u32..200, any::<bool>())
            .prop_map(|(percent, publishing)| Progress { percent, publishing }),
        1 => prop_oneof![Just("ErrImagePull"), Just("CreateContainerConfigError"), Just("ContainerCreating")]
            .prop_map(Stuck),
        4 => Just(Succeeds),
        1 => Just(Garbled),
        3 => prop_oneof![Just(1), Just(3), Just(74), Just(137)].prop_map(Fails),
        1 => Just(Evicted),
        1 => any::<bool>().prop_map(|well| EndsUnseen { well }),
        1 => Just(PublishesUnseen),
        2 => Just(PodsGone),
        1 => Just(JobGone),
        1 => Just(JobGoing),
        2 => any::<bool>().prop_map(Suspend),
        1 => Just(DataGone),
        1 => Just(StatusLost),
        1 => (0u32..6, 0u32..6)
            .prop_map(|(attempts, failures)| StatusGarbled { attempts, failures }),
        2 => (0usize..4).prop_map(Crash),
        1 => Just(ByHand),
    ]
}

/// Each optional part of a spec, present and absent.
fn spec() -> impl Strategy<Value = Value> {
    let part = |name: &'static str, values: Vec<Value>| {
        prop::option::of(prop::sample::select(values))
            .prop_map(move |value| value.map(|value| (name, value)))
    };
    let mut alone = evaluation();
    alone["against"] = json!("None");
    let flights = json!({"name": "flights"});
    let parts = [
        part("model", vec![json!("delay")]),
        part(
            "inputs",
            vec![
                json!([{"name": "train", "dataset": flights}]),
                json!([
                    {"name": "history", "dataset": flights, "path": "/data/history"},
                    {"name": "recent", "dataset": flights},
                ]),
            ],
        ),
        part("parameters", vec![json!({"trees": "3"})]),
        part("seed", vec![json!(7)]),
        part(
            "output",
            vec![
                json!({"path": "/out"}),
                json!({"format": "onnx", "publishTimeout": "5m"}),
            ],
        ),
        part(
            "objective",
            vec![
                json!({"metric": "mae"}),
                json!({"metric": "mae", "goal": "Minimize"}),
            ],
        ),
        part("activeDeadline", vec![json!("20m")]),
        part("cancelGracePeriod", vec![json!("0s"), json!("45s")]),
        part(
            "retry",
            vec![
                json!({"limit": 1, "onExitCodes": [3]}),
                json!({"limit": 0}),
                json!({"limit": 2, "backoff": {"initial": "5s", "max": "10s"}}),
            ],
        ),
        part("evaluation", vec![evaluation(), alone]),
        // A template that can't work.
        part("template", vec![json!({"spec": {"containers": []}})]),
    ]
    .to_vec();
    parts.prop_map(|parts| {
        let mut spec: serde_json::Map<String, Value> = parts
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        // The CRD refuses an evaluation without a model. Broken templates are rarer than others.
        if !spec.contains_key("model") {
            spec.remove("evaluation");
        }
        if spec.len() > 2 {
            spec.remove("template");
        }
        Value::Object(spec)
    })
}

/// Whether somebody interfered, so that what was known of attempts may be lost.
fn happen(world: &mut World, happening: Happening) -> bool {
    match happening {
        Happening::Time(seconds) => world.now += seconds,
        Happening::Runs => world.runs(),
        Happening::Progress {
            percent,
            publishing,
        } => {
            world.seen.progress = progress::asked(&world.seen.jobs, &world.seen.pods)
                .is_some()
                .then(|| ProgressReport {
                    v: 1,
                    pod_uid: String::new(),
                    percent: Some(percent),
                    metrics: Default::default(),
                    publishing,
                });
        }
        Happening::Stuck(reason) => world.container(Lifecycle::Waiting {
            reason: reason.into(),
            message: "why".into(),
        }),
        Happening::Succeeds => world.succeeds(),
        Happening::Garbled => world.says(0, "{\"v\":"),
        Happening::Fails(code) => world.fails(code, "no"),
        Happening::Evicted => world.end(failed("PodFailurePolicy")),
        Happening::EndsUnseen { well } => {
            world.end(if well {
                JobPhase::Complete
            } else {
                failed("BackoffLimitExceeded")
            });
        }
        Happening::PublishesUnseen => {
            if let Some(job) = world
                .active()
                .filter(|j| j.label(LABEL_ROLE) == Some(TRAINING))
            {
                world.published.insert(fixtures::attempt_of(&job));
                world.end(JobPhase::Complete);
                world.seen.pods.clear();
            }
        }
        Happening::PodsGone => world.seen.pods.clear(),
        Happening::JobGone => {
            let last = world.seen.jobs.last().map(|job| job.uid.clone());
            if let Some(uid) = last {
                world.delete(&uid);
            }
            return true;
        }
        Happening::JobGoing => {
            if let Some(job) = world.seen.jobs.last_mut() {
                job.deleting = true;
            }
            return true;
        }
        Happening::Suspend(suspend) => world.seen.object.spec.suspend = suspend,
        Happening::DataGone => world.seen.datasets.clear(),
        Happening::StatusLost => {
            world.seen.object.status = None;
            return true;
        }
        Happening::StatusGarbled { attempts, failures } => {
            let mut status = world.status();
            (status.attempts, status.failures) = (attempts, failures);
            status.start_time = Some("yesterday".into());
            world.seen.object.status = Some(status);
            return true;
        }
        Happening::Crash(before) => {
            world.pass_until(before);
        }
        Happening::ByHand => {
            // Somebody writes a version of the next number.
            if let Some(model) = &world.seen.model {
                let number = model
                    .status
                    .as_ref()
                    .map_or(0, |status| status.last_version);
                let taken = |v: &ModelVersion| v.spec.version == number;
                if number > 0 && !world.versions.iter().any(taken) {
                    let mut version = ModelVersion::new(
                        &format!("delay-v{number}"),
                        serde_json::from_value(json!({
                            "model": "delay", "version": number,
                            "artifact": {"digest": "sha256:0", "bytes": 1, "files": 1},
                        }))
                        .unwrap(),
                    );
                    version.metadata.namespace = Some("demo".into());
                    world.versions.push(version);
                    world.pass_until(0);
                }
            }
        }
    }
    false
}

/// Jobs that are going are gone, and so are pods that were asked to end.
fn settle(world: &mut World) {
    let going: Vec<String> = world
        .seen
        .jobs
        .iter()
        .filter(|job| job.deleting)
        .map(|job| job.uid.clone())
        .collect();
    for uid in going {
        world.delete(&uid);
    }
    world.seen.pods.retain(|pod| !pod.deleting);
}

proptest! {
    #[test]
    fn whatever_happens(spec in spec(), happenings in prop::collection::vec(happening(), 1..40)) {
        let mut world = World::new(run(spec));
        let limit = world.seen.object.spec.retry.limit;
        let mut tampered = false;
        for happening in happenings {
            let ended = world.phase().is_final();
            tampered |= happen(&mut world, happening);
            let before = world.started.len();
            let had = world.published.iter().any(|n| world.started.contains(n));
            let generation = world.seen.object.metadata.generation;
            let plan = world.pass();
            prop_assert!(!ended || tampered || plan.operations.is_empty(), "after its end: {:?}", plan);

            let training = |job: &&JobState| job.label(LABEL_ROLE) == Some(TRAINING);
            let active = world.seen.jobs.iter().filter(training)
                .filter(|job| job.phase == JobPhase::Active && !job.deleting);
            prop_assert!(active.count() <= 1, "two attempts at once");
            if !tampered {
                let mut numbers = world.started.clone();
                numbers.sort_unstable();
                numbers.dedup();
                prop_assert_eq!(&numbers, &world.started, "numbers are new, and grow");
                prop_assert!(!had || world.started.len() == before, "trained again");
                let counted = world.status().failures;
                prop_assert!(counted <= limit + 1, "{} failures of {}", counted, limit);
                prop_assert!(world.registered().len() <= 1);
            }
            for version in world.registered() {
                let attempt = u32::from_str_radix(&version.spec.artifact.digest[7..], 16).unwrap();
                prop_assert!(world.published.contains(&attempt), "registered what is not there");
            }
            let status = world.status();
            let is = |kind| is_true(&status.conditions, kind);
            prop_assert!(!(is(Reconciling) && is(Stalled)));
            prop_assert_eq!(status.phase == TrainingJobPhase::Succeeded, is(Complete));
            prop_assert_eq!(status.phase == TrainingJobPhase::Failed, is(Failed));
            prop_assert_eq!(is(Ready), is(Complete));
            if status.phase.is_final() {
                prop_assert!(status.completion_time.is_some());
                prop_assert_eq!(status.failure.is_some(), status.phase == TrainingJobPhase::Failed);
                prop_assert_eq!(status.observed_generation, generation.unwrap());
            }
            if let Some(progress) = &status.progress {
                prop_assert!(progress.percent.unwrap_or(0) <= 100);
            }

            // Planning from its own result changes nothing, once deletions are done.
            for _ in 0..6 {
                settle(&mut world);
                world.pass();
            }
            settle(&mut world);
            let status = world.status();
            let again = plan_again(&world);
            prop_assert_eq!(&again.status, &status);
            prop_assert_eq!(&again.operations, &vec![]);
            prop_assert_eq!(&again.events, &vec![]);
        }
    }

    /// What ends well is registered, whatever came before: nothing is stuck.
    #[test]
    fn a_run_that_goes_well_from_now_on_ends(
        spec in spec(),
        happenings in prop::collection::vec(happening(), 0..15),
    ) {
        let mut world = World::new(run(spec));
        for happening in happenings {
            happen(&mut world, happening);
            world.pass();
        }
        let datasets = World::new(world.seen.object.clone()).seen.datasets;
        world.seen.datasets = datasets;
        world.seen.object.spec.suspend = false;
        world.seen.progress = None;
        for _ in 0..60 {
            settle(&mut world);
            world.now += 61;
            world.pass();
            world.succeeds();
        }
        prop_assert!(world.phase().is_final(), "{:?}\n{:?}", world.status(), world.seen.jobs);
    }
}

fn plan_again(world: &World) -> Plan<TrainingJobStatus> {
    plan(&world.seen, &settings(), at(world.now))
}
