//! How a deployment stands, from how its stages stand: the table in the documentation of
//! [`super`].

use millwright_crds::model_deployment::ModelDeploymentPhase as Phase;

use super::target::Missing;
use crate::{Reason, conditions::Verdict};

/// How a stage stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    /// In a word.
    pub standing: Standing,
    /// In a sentence.
    pub sentence: String,
    /// Whether it serves; `None` when it never did.
    pub serves: Option<bool>,
}

/// How a stage stands, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// It serves what it should.
    Serving,
    /// It has no version, and none is on its way.
    Empty,
    /// The version that it could have was taken back.
    TakenBack,
    /// The version that it could have was refused.
    Refused,
    /// A version is being checked.
    Gating,
    /// Pods are being started, and this is known to be in their way.
    RollingOut(Option<Reason>),
    /// Pods do not serve, for this reason.
    Degraded(Reason),
}

/// How a deployment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Overall {
    /// One word for people.
    pub phase: Phase,
    /// What its conditions follow from.
    pub verdict: Verdict,
    /// One word that says why.
    pub reason: Reason,
    /// What people should know, the worst first.
    pub message: String,
}

/// How a deployment stands.
pub(super) fn overall(stages: &[Summary], paused: bool, missing: Option<&Missing>) -> Overall {
    let worst = stages
        .iter()
        .map(|stage| stage.standing)
        .max()
        .unwrap_or(Standing::Empty);
    let served = stages.iter().any(|stage| stage.serves.is_some());
    let serves = served && stages.iter().all(|stage| stage.serves != Some(false));
    let at_work = matches!(worst, Standing::RollingOut(_) | Standing::Degraded(_));
    let verdict = match (serves, at_work) {
        (true, true) => Verdict::ReadyAndReconciling,
        (false, true) => Verdict::Reconciling,
        (true, false) if paused => Verdict::ReadyAndSuspended,
        (false, false) if paused => Verdict::Suspended,
        (true, false) => Verdict::Ready,
        (false, false) => Verdict::Waiting,
    };
    // A version that was refused while nothing ever served leaves the deployment pending.
    let kept = |phase| if served { phase } else { Phase::Pending };
    let (phase, reason) = match worst {
        Standing::Degraded(reason) => (Phase::Degraded, reason),
        Standing::RollingOut(problem) => (Phase::Deploying, problem.unwrap_or(Reason::RollingOut)),
        _ if paused => (Phase::Paused, Reason::Paused),
        Standing::Gating => (Phase::Promoting, Reason::Gating),
        Standing::Refused => (kept(Phase::RolledBack), Reason::GateFailed),
        Standing::TakenBack => (Phase::RolledBack, Reason::RolledBack),
        Standing::Serving | Standing::Empty => match missing {
            Some(missing) => (Phase::Pending, missing.reason),
            // Only a later stage can be empty now: the one before keeps its version from it.
            None if worst == Standing::Empty => (Phase::Promoting, Reason::WaitingForVersion),
            None => (Phase::Healthy, Reason::Healthy),
        },
    };
    Overall {
        phase,
        verdict,
        reason,
        message: message(stages, paused, missing),
    }
}

fn message(stages: &[Summary], paused: bool, missing: Option<&Missing>) -> String {
    let mut order: Vec<&Summary> = stages.iter().collect();
    // Stable: equally bad ones stay in the order of the spec.
    order.sort_by_key(|one| std::cmp::Reverse(one.standing));
    let paused = paused.then(|| "spec.paused is true: no version enters a stage".to_owned());
    missing
        .map(|missing| missing.message.clone())
        .into_iter()
        .chain(paused)
        .chain(order.into_iter().map(|stage| stage.sentence.clone()))
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(standing: Standing, serves: Option<bool>) -> Summary {
        Summary {
            standing,
            sentence: format!("{standing:?}"),
            serves,
        }
    }

    /// The table in the documentation of the kind, row by row.
    #[test]
    fn the_table() {
        use Standing::{Degraded, Empty, Gating, Refused, RollingOut, Serving, TakenBack};
        let missing = Missing {
            reason: Reason::NoVersion,
            message: "none".into(),
        };
        let crash = Degraded(Reason::ExitCode);
        let up = |standing| stage(standing, Some(true));
        let never = |standing| stage(standing, None);
        let ready = Verdict::Ready;
        let both = Verdict::ReadyAndReconciling;
        for (stages, paused, none, phase, verdict, reason) in [
            (
                vec![never(Empty), never(Empty)],
                false,
                true,
                Phase::Pending,
                Verdict::Waiting,
                Reason::NoVersion,
            ),
            (
                vec![never(Refused), never(Empty)],
                false,
                false,
                Phase::Pending,
                Verdict::Waiting,
                Reason::GateFailed,
            ),
            (
                vec![never(RollingOut(None)), never(Empty)],
                false,
                false,
                Phase::Deploying,
                Verdict::Reconciling,
                Reason::RollingOut,
            ),
            (
                vec![never(RollingOut(Some(Reason::ImagePull)))],
                false,
                false,
                Phase::Deploying,
                Verdict::Reconciling,
                Reason::ImagePull,
            ),
            (
                vec![never(crash)],
                false,
                false,
                Phase::Degraded,
                Verdict::Reconciling,
                Reason::ExitCode,
            ),
            (
                vec![up(RollingOut(None)), up(Serving)],
                false,
                false,
                Phase::Deploying,
                both.clone(),
                Reason::RollingOut,
            ),
            (
                vec![up(Serving), never(RollingOut(None))],
                false,
                false,
                Phase::Deploying,
                both.clone(),
                Reason::RollingOut,
            ),
            (
                vec![up(Serving), up(Gating)],
                false,
                false,
                Phase::Promoting,
                ready.clone(),
                Reason::Gating,
            ),
            (
                vec![up(Serving), never(Gating)],
                false,
                false,
                Phase::Promoting,
                ready.clone(),
                Reason::Gating,
            ),
            (
                vec![up(Serving), never(Empty)],
                false,
                false,
                Phase::Promoting,
                ready.clone(),
                Reason::WaitingForVersion,
            ),
            (
                vec![up(Serving), up(Refused)],
                false,
                false,
                Phase::RolledBack,
                ready.clone(),
                Reason::GateFailed,
            ),
            (
                vec![up(TakenBack), up(Serving)],
                false,
                false,
                Phase::RolledBack,
                ready.clone(),
                Reason::RolledBack,
            ),
            (
                vec![up(Serving), up(Gating)],
                true,
                false,
                Phase::Paused,
                Verdict::ReadyAndSuspended,
                Reason::Paused,
            ),
            (
                vec![never(Empty)],
                true,
                false,
                Phase::Paused,
                Verdict::Suspended,
                Reason::Paused,
            ),
            (
                vec![up(crash), up(Serving)],
                false,
                false,
                Phase::Degraded,
                both,
                Reason::ExitCode,
            ),
            (
                vec![stage(crash, Some(false)), up(Serving)],
                true,
                false,
                Phase::Degraded,
                Verdict::Reconciling,
                Reason::ExitCode,
            ),
            (
                vec![up(Serving)],
                false,
                true,
                Phase::Pending,
                ready.clone(),
                Reason::NoVersion,
            ),
            (
                vec![up(Serving), up(Serving)],
                false,
                false,
                Phase::Healthy,
                ready,
                Reason::Healthy,
            ),
        ] {
            let found = overall(&stages, paused, none.then_some(&missing));
            assert_eq!(
                (found.phase, &found.verdict, found.reason),
                (phase, &verdict, reason),
                "{stages:?} {paused} {none}"
            );
        }
    }

    #[test]
    fn the_worst_comes_first() {
        let stages = [
            stage(Standing::Serving, Some(true)),
            stage(Standing::Refused, Some(true)),
        ];
        assert_eq!(overall(&stages, false, None).message, "Refused; Serving");
    }
}
