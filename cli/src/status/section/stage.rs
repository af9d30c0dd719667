//! Stages: what serves where, and what wants to enter.

use kube::ResourceExt;
use millwright_crds::{
    ModelDeployment,
    model_deployment::{GateState, NextPhase, NextStageVersion, StageStatus},
};

use super::{Block, phase};
use crate::{
    status::{View, story::Loop},
    text::{Line, Span, Tone},
};

pub fn blocks(each: &Loop, view: &View) -> Vec<Block> {
    if each.deployments.is_empty() {
        return vec![Block::absent("", "no ModelDeployment serves it")];
    }
    each.deployments
        .iter()
        .map(|deployment| block(deployment, view))
        .collect()
}

fn block(deployment: &ModelDeployment, view: &View) -> Block {
    let status = deployment.status.clone().unwrap_or_default();
    let mut block = Block {
        name: deployment.name_any(),
        phase: phase(status.phase),
        rows: status.stages.iter().map(|stage| row(stage, view)).collect(),
        ..Block::default()
    }
    .explained(&status.conditions);
    let said = |text: &str| block.notes.iter().any(|note| note.plain().contains(text));
    let refusals: Vec<_> = status
        .stages
        .iter()
        .flat_map(|stage| {
            let gates = stage.next.iter().flat_map(|next| &next.gates);
            gates.map(move |gate| (stage, gate))
        })
        .filter(|(_, gate)| gate.state == GateState::Failed && !said(&gate.message))
        .map(|(stage, gate)| {
            let text = format!("{} refused by {}: {}", stage.name, gate.name, gate.message);
            Line::new(Tone::Bad, text)
        })
        .collect();
    block.notes.extend(refusals);
    block
}

fn row(stage: &StageStatus, view: &View) -> Vec<Span> {
    let version = stage.current.as_ref().map_or_else(
        || Span::new(Tone::Faint, "empty"),
        |current| Span::plain(format!("v{}", current.version)),
    );
    let tone = if stage.ready_replicas >= stage.replicas {
        Tone::Good
    } else {
        Tone::Bad
    };
    let replicas = if stage.current.is_some() {
        Span::new(tone, format!("{}/{}", stage.ready_replicas, stage.replicas))
    } else {
        Span::default()
    };
    let next = stage
        .next
        .as_ref()
        .map_or_else(Span::default, |next| entering(next, view));
    vec![Span::plain(&stage.name), version, replicas, next]
}

fn entering(next: &NextStageVersion, view: &View) -> Span {
    let (tone, what) = match next.phase {
        NextPhase::Gating => (Tone::Busy, "at the gates"),
        NextPhase::Refused => (Tone::Bad, "refused"),
        NextPhase::RollingOut => (Tone::Busy, "rolling out"),
    };
    let mut text = format!("{}v{} {what}", view.glyphs.from, next.version);
    let gates: Vec<_> = next
        .gates
        .iter()
        .map(|gate| {
            let state = match gate.state {
                GateState::Pending => "open",
                GateState::Passed => "passed",
                GateState::Failed => "failed",
            };
            format!("{} {state}", gate.name)
        })
        .collect();
    if !gates.is_empty() {
        text.push_str(&format!(": {}", gates.join(", ")));
    }
    Span::new(tone, text)
}
