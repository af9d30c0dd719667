//! What is true of every plan, whatever happens.

use millwright_crds::{
    common::{
        ConditionType::{Ready, Reconciling, Stalled},
        Duration,
    },
    retrain_policy::{Evaluation, PolicyMode, TriggerMode},
    training_job::TrainingJobPhase,
};
use proptest::prelude::*;

use super::{
    fixtures::{at, settings, window},
    simulator::World,
    *,
};
use crate::conditions::is_true;

/// What can happen between two passes.
#[derive(Clone, Debug)]
enum Happening {
    Time(i64),
    Traffic { rows: u64, error: f64, moved: f64 },
    NoLabels,
    Serve(Option<u32>),
    DeploymentGone,
    VersionGone,
    PodGone,
    PodSilent(bool),
    RunEnds(bool),
    RunGone,
    LabelsGone,
    Ask(u8),
    Suspend(bool),
    Mode(bool),
    Act(bool),
    Breaches(u32, u32),
    Limit(Option<f64>, Option<f64>),
    StatusLost,
    StatusGarbled(String),
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    prop_oneof![
        2 => (0i64..200).prop_map(Time),
        8 => (0u64..8, prop_oneof![Just(1.0), Just(20.0)], prop_oneof![Just(0.0), Just(60.0)])
            .prop_map(|(rows, error, moved)| Traffic { rows: rows * 50, error, moved }),
        1 => Just(NoLabels),
        1 => proptest::option::of(1u32..4).prop_map(Serve),
        1 => Just(DeploymentGone),
        1 => Just(VersionGone),
        1 => Just(PodGone),
        1 => any::<bool>().prop_map(PodSilent),
        3 => any::<bool>().prop_map(RunEnds),
        1 => Just(RunGone),
        1 => Just(LabelsGone),
        1 => (0u8..3).prop_map(Ask),
        1 => any::<bool>().prop_map(Suspend),
        1 => any::<bool>().prop_map(Mode),
        1 => any::<bool>().prop_map(Act),
        1 => (0u32..5, 0u32..5).prop_map(|(breaches, of)| Breaches(breaches, of)),
        1 => (proptest::option::of(0.0..30.0), proptest::option::of(0.0..3.0))
            .prop_map(|(value, ratio)| Limit(value, ratio)),
        1 => Just(StatusLost),
        1 => ".{0,12}".prop_map(StatusGarbled),
    ]
}

fn happen(world: &mut World, happening: Happening) {
    let spec = &mut world.seen.object.spec;
    match happening {
        Happening::Time(seconds) => world.now += seconds,
        Happening::Traffic { rows, error, moved } => world.traffic(rows, error, moved),
        Happening::NoLabels => {
            for profile in &mut world.seen.profiles {
                for window in &mut profile.windows {
                    window.pending = 1;
                }
            }
        }
        Happening::Serve(version) => world.serve(version),
        Happening::DeploymentGone => world.seen.deployment = None,
        Happening::VersionGone => world.seen.version = None,
        Happening::PodGone => {
            world.seen.profiles.pop();
        }
        Happening::PodSilent(silent) => {
            world.seen.silent = if silent { vec!["pod".into()] } else { vec![] };
        }
        Happening::RunEnds(well) => {
            let phase = if well {
                TrainingJobPhase::Succeeded
            } else {
                TrainingJobPhase::Failed
            };
            world.end(phase, None);
        }
        Happening::RunGone => {
            world.seen.runs.pop();
        }
        Happening::LabelsGone => {
            for run in &mut world.seen.runs {
                run.metadata.labels = None;
                run.metadata.annotations = None;
            }
        }
        Happening::Ask(request) => world.ask(&request.to_string()),
        Happening::Suspend(suspend) => spec.suspend = suspend,
        Happening::Mode(observe) => {
            spec.mode = if observe {
                PolicyMode::Observe
            } else {
                PolicyMode::Auto
            };
        }
        Happening::Act(act) => {
            spec.triggers[1].mode = if act {
                TriggerMode::Act
            } else {
                TriggerMode::Observe
            };
        }
        Happening::Breaches(breaches, of) => {
            spec.evaluate.breaches = breaches;
            spec.evaluate.of = of;
        }
        Happening::Limit(value, ratio) => {
            if let Some(quality) = &mut spec.triggers[0].quality {
                quality.limit.value = value;
                quality.limit.ratio = ratio;
            }
        }
        Happening::StatusLost => world.seen.object.status = None,
        Happening::StatusGarbled(text) => {
            if let Some(status) = &mut world.seen.object.status {
                for trigger in &mut status.triggers {
                    trigger.through = Some(text.clone());
                    trigger.recent.push(Evaluation {
                        breach: true,
                        value: f64::MAX,
                        samples: u64::MAX,
                        through: text.clone(),
                    });
                }
                if let Some(run) = &mut status.last_run {
                    run.finished_at = Some(text);
                }
            }
        }
    }
}

proptest! {
    /// One row of each window never gets its label, and traffic goes on: each window is evaluated
    /// before the gateways have forgotten it, if they keep any from one look to the next.
    #[test]
    fn windows_are_evaluated_before_they_are_gone(
        retain in 2u32..40,
        horizon in 0u64..200,
        interval in 5u64..120,
    ) {
        let mut world = World::new();
        let monitoring = &mut world.seen.deployment.as_mut().unwrap().spec.monitoring;
        monitoring.retain = retain;
        monitoring.feedback.horizon = Duration::from_secs(horizon);
        world.seen.object.spec.evaluate.interval = Duration::from_secs(interval);
        prop_assume!(u64::from(retain - 2) * 10 >= interval);

        let (begin, mut looked) = (1_000, 0);
        let all = |now: u64| (begin..now).step_by(10);
        for now in (begin..begin + horizon + 3 * interval + 200).step_by(interval as usize) {
            let waits = |start: u64| u64::from(start + 10 + horizon > now);
            let mut kept: Vec<_> = all(now)
                .map(|start| window(start, 10, waits(start), 1.0))
                .collect();
            kept.drain(..kept.len().saturating_sub(retain as usize));
            world.seen.profiles[0].windows = kept;
            world.now = now.cast_signed();
            world.pass();
            looked = now;
        }
        let settled = all(looked).filter(|start| start + 15 + horizon <= looked).count() as u64;
        prop_assert!(settled > 0);
        prop_assert!(world.status().triggers[0].evaluations >= settled);
    }
}

proptest! {
    #[test]
    fn whatever_happens(happenings in prop::collection::vec(happening(), 1..40)) {
        let mut world = World::new();
        for happening in happenings {
            happen(&mut world, happening);
            let under_way = run::active(&world.seen.runs).is_some();
            let plan = world.pass();
            // No two firings without an end in between.
            prop_assert!(plan.operations.len() <= usize::from(!under_way));
            let mut names = world.fired.clone();
            names.sort();
            names.dedup();
            if world.seen.runs.len() == world.fired.len() {
                prop_assert_eq!(names.len(), world.fired.len(), "one name for two firings");
            }

            let status = plan.status;
            let is = |kind| is_true(&status.conditions, kind);
            prop_assert!(!(is(Reconciling) && is(Stalled)));
            prop_assert!(!is(Ready) || status.version.is_some());
            prop_assert!(status.triggers.iter().all(|t| t.recent.len() <= 20 && t.columns.len() <= 10));

            // Planning from its own result changes nothing.
            world.pass();
            let status = world.seen.object.status.clone().unwrap();
            let again = super::plan(&world.seen, &settings(), at(world.now));
            prop_assert_eq!(&again.status, &status);
            prop_assert_eq!(&again.operations, &vec![]);
            prop_assert_eq!(&again.events, &vec![]);
        }
    }

    /// However the replicas are ordered, and however their traffic is split, the same is measured.
    #[test]
    fn the_order_of_replicas_does_not_matter(
        traffic in prop::collection::vec((50u64..200, 0.0..30.0f64, 0.0..60.0f64), 1..6),
    ) {
        let mut world = World::new();
        for (rows, error, moved) in traffic {
            world.traffic(rows, error, moved);
        }
        let one = plan(&world.seen, &settings(), at(world.now));
        world.seen.profiles.reverse();
        let other = plan(&world.seen, &settings(), at(world.now));
        prop_assert_eq!(one, other);
    }

    /// Without new traffic, and with traffic that is too little or has no labels, no trigger
    /// changes, whatever the time.
    #[test]
    fn missing_data_neither_breaches_nor_clears(
        errors in prop::collection::vec(prop_oneof![Just(1.0), Just(20.0)], 0..5),
        looks in prop::collection::vec((1i64..90, 0u8..3), 1..10),
    ) {
        let mut world = World::new();
        world.seen.object.spec.mode = PolicyMode::Observe;
        for error in errors {
            world.traffic(100, error, 0.0);
            world.pass();
        }
        world.pass();
        let state = |world: &World| -> Vec<_> {
            let status = world.seen.object.status.as_ref().unwrap();
            let states = status.triggers.iter();
            states.map(|t| (t.state, t.value, t.recent.clone(), t.evaluations)).collect()
        };
        let before = state(&world);
        let mut silent = 0;
        for (seconds, kind) in looks {
            world.now += seconds;
            if kind == 1 && silent == 0 {
                // One row for each of two pods is less than 4 labels and less than 100 rows.
                world.traffic(1, 1_000.0, 90.0);
                silent = 1;
            } else if kind == 2 {
                world.seen.silent = vec!["pod".into()];
            }
            world.pass();
            prop_assert_eq!(&state(&world), &before);
        }
    }
}
