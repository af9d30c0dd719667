//! Quality and drift: what the triggers of the policies measure.

use kube::ResourceExt;
use millwright_crds::{
    RetrainPolicy,
    metric::Goal,
    retrain_policy::{RetrainPolicyPhase, Trigger, TriggerState, TriggerStatus},
};

use super::{Block, phase};
use crate::{
    status::View,
    text::{Span, Tone},
    time::figure,
};

pub fn blocks(policies: &[&RetrainPolicy], view: &View) -> Vec<Block> {
    policies.iter().map(|policy| block(policy, view)).collect()
}

fn block(policy: &RetrainPolicy, view: &View) -> Block {
    let status = policy.status.clone().unwrap_or_default();
    let watched = &policy.spec.deployment;
    let version = status
        .version
        .map_or_else(String::new, |version| format!("v{version} in "));
    let block = Block {
        name: policy.name_any(),
        phase: phase(status.phase),
        detail: format!("{version}{} {}", watched.name, watched.stage),
        rows: policy
            .spec
            .triggers
            .iter()
            .map(|trigger| row(trigger, &status.triggers, view))
            .collect(),
        ..Block::default()
    };
    // At work, the rows and the next run say what its message would repeat.
    match status.phase {
        RetrainPolicyPhase::Stalled | RetrainPolicyPhase::Pending => {
            block.explained(&status.conditions)
        }
        _ => block,
    }
}

fn row(trigger: &Trigger, states: &[TriggerStatus], view: &View) -> Vec<Span> {
    let state = states.iter().find(|state| state.name == trigger.name);
    let word = state.map_or(TriggerState::Unknown, |state| state.state);
    let tone = match word {
        TriggerState::Unknown => Tone::Faint,
        TriggerState::Clear => Tone::Good,
        TriggerState::Pending => Tone::Busy,
        TriggerState::Breached => Tone::Bad,
    };
    vec![
        Span::plain(&trigger.name),
        Span::new(Tone::Faint, format!("{:?}", trigger.mode)),
        Span::new(tone, format!("{word:?}")),
        Span::plain(state.map_or_else(String::new, |state| measured(trigger, state))),
        Span::plain(state.map_or_else(String::new, |state| history(state, view))),
        Span::new(Tone::Faint, state.map_or_else(String::new, aside)),
    ]
}

/// `mae 15.2 > 12.1`: the sign is what the figures say, whether or not it makes a breach.
fn measured(trigger: &Trigger, state: &TriggerStatus) -> String {
    let what = match (&trigger.quality, &trigger.drift) {
        (Some(quality), _) => quality.metric.as_str().to_owned(),
        (None, Some(drift)) => format!("{:?}", drift.method).to_lowercase(),
        (None, None) => String::new(),
    };
    match (state.value, state.threshold) {
        (Some(value), Some(threshold)) => {
            let sign = if value > threshold {
                ">"
            } else if value < threshold {
                "<"
            } else {
                "="
            };
            format!("{what} {} {sign} {}", figure(value), figure(threshold))
        }
        (Some(value), None) => format!("{what} {}", figure(value)),
        (None, Some(threshold)) => format!("{what} limit {}", figure(threshold)),
        (None, None) => String::new(),
    }
}

/// A mark for each of the last evaluations, the newest at the right.
fn history(state: &TriggerStatus, view: &View) -> String {
    state
        .recent
        .iter()
        .rev()
        .map(|evaluation| {
            if evaluation.breach {
                view.glyphs.breach
            } else {
                view.glyphs.clear
            }
        })
        .collect()
}

/// The worst columns, or why nothing is known.
fn aside(state: &TriggerStatus) -> String {
    let columns: Vec<_> = state
        .columns
        .iter()
        .filter(|column| column.drifted)
        .take(3)
        .map(|column| format!("{} {}", column.name, figure(column.value)))
        .collect();
    if columns.is_empty() {
        state.message.clone().unwrap_or_default()
    } else {
        columns.join(", ")
    }
}

/// What would make the trigger breach, in words.
pub fn condition(trigger: &Trigger, threshold: Option<f64>) -> String {
    match (&trigger.quality, &trigger.drift) {
        (Some(quality), _) => {
            let side = match quality.metric.goal() {
                Goal::Minimize => "above",
                Goal::Maximize => "below",
            };
            let limit = match (threshold.or(quality.limit.value), quality.limit.ratio) {
                (Some(limit), _) => figure(limit),
                (None, ratio) => format!("{} times its evaluation", figure(ratio.unwrap_or(1.0))),
            };
            format!("{} is {side} {limit}", quality.metric.as_str())
        }
        (None, Some(drift)) => format!(
            "{} has drifted by more than {}",
            trigger.name,
            figure(drift.threshold)
        ),
        (None, None) => format!("{} says so", trigger.name),
    }
}
