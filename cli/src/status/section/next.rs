//! The next run: what will start it, or why nothing will.

use jiff::SignedDuration;
use millwright_crds::{
    RetrainPolicy,
    retrain_policy::{PolicyMode, RetrainPolicyPhase, TriggerMode, TriggerState},
};

use super::quality;
use crate::{
    objects::instant,
    status::{View, story::Loop},
    text::{Line, Tone},
    time::span,
};

/// A line for each policy, or how to start a run without one.
pub fn next(each: &Loop, view: &View) -> Vec<Line> {
    if each.policies.is_empty() {
        return vec![Line::new(
            Tone::Faint,
            "by hand: no RetrainPolicy watches this model",
        )];
    }
    each.policies
        .iter()
        .map(|policy| line(policy, view))
        .collect()
}

fn line(policy: &RetrainPolicy, view: &View) -> Line {
    let status = policy.status.clone().unwrap_or_default();
    match status.phase {
        RetrainPolicyPhase::Retraining => {
            let run = status.last_run.map_or_else(String::new, |run| {
                format!(": {}, by {}", run.training_job, run.trigger)
            });
            Line::new(Tone::Busy, format!("under way{run}"))
        }
        RetrainPolicyPhase::CoolingDown => Line::new(Tone::Busy, cooling(policy, view)),
        RetrainPolicyPhase::Suspended => Line::new(Tone::Faint, "none: spec.suspend is true"),
        RetrainPolicyPhase::Stalled => {
            Line::new(Tone::Bad, "none until a person has mended the policy")
        }
        RetrainPolicyPhase::Pending | RetrainPolicyPhase::Watching => awaited(policy),
    }
}

fn cooling(policy: &RetrainPolicy, view: &View) -> String {
    let cooldown = policy.spec.cooldown;
    let finished = policy
        .status
        .as_ref()
        .and_then(|status| status.last_run.as_ref()?.finished_at.as_deref())
        .and_then(instant);
    let seconds = i64::try_from(cooldown.as_secs()).unwrap_or(i64::MAX);
    let left = finished.map(|at| SignedDuration::from_secs(seconds) - view.now.duration_since(at));
    match left {
        Some(left) if left.is_positive() => {
            format!("in {}, when the cooldown of {cooldown} is over", span(left))
        }
        _ => format!("when the cooldown of {cooldown} is over"),
    }
}

fn awaited(policy: &RetrainPolicy) -> Line {
    let states = policy.status.as_ref().map(|status| &status.triggers);
    let state = |name: &str| states.and_then(|states| states.iter().find(|s| s.name == name));
    let acting: Vec<_> = policy
        .spec
        .triggers
        .iter()
        .filter(|trigger| trigger.mode == TriggerMode::Act)
        .collect();
    if acting.is_empty() {
        return Line::new(Tone::Faint, "by hand: no trigger has mode Act");
    }
    let conditions: Vec<_> = acting
        .iter()
        .map(|trigger| quality::condition(trigger, state(&trigger.name).and_then(|s| s.threshold)))
        .collect();
    let breaches = acting
        .iter()
        .filter_map(|trigger| state(&trigger.name))
        .map(|state| {
            state
                .recent
                .iter()
                .filter(|evaluation| evaluation.breach)
                .count()
        })
        .max()
        .unwrap_or(0);
    let evaluate = &policy.spec.evaluate;
    let text = format!(
        "when {} in {} of {} evaluations (now {breaches})",
        conditions.join(", or "),
        evaluate.breaches,
        evaluate.of
    );
    let breached = acting
        .iter()
        .filter_map(|trigger| state(&trigger.name))
        .any(|state| state.state == TriggerState::Breached);
    match policy.spec.mode {
        PolicyMode::Auto => Line::new(Tone::Plain, text),
        PolicyMode::Observe if breached => Line::new(
            Tone::Busy,
            "by hand: it would start now, but mode is Observe",
        ),
        PolicyMode::Observe => Line::new(
            Tone::Faint,
            format!("by hand: mode is Observe; would start {text}"),
        ),
    }
}
