//! Runs: what is under way, and the newest that has ended.

use jiff::Timestamp;
use kube::ResourceExt;
use millwright_crds::{
    ANNOTATION_TRIGGER, RetrainPolicy, TrainingJob, TrainingJobStatus,
    training_job::TrainingJobPhase,
};

use super::{Block, facts, metrics, phase};
use crate::{
    objects::instant,
    status::{View, story::Loop},
    text::{Line, Tone},
    time::{counted, span},
};

/// Most runs under way that are drawn.
const SHOWN: usize = 3;

pub fn blocks(each: &Loop, view: &View) -> Vec<Block> {
    let ended = |job: &TrainingJob| job.status.as_ref().is_some_and(|s| s.phase.is_final());
    let active = each.runs.iter().filter(|job| !ended(job));
    let last = each.runs.iter().find(|job| ended(job));
    let shown: Vec<_> = active.take(SHOWN).chain(last).collect();
    if shown.is_empty() {
        return vec![Block::absent("", "none yet")];
    }
    let mut blocks: Vec<_> = shown
        .iter()
        .map(|job| block(job, &each.policies, view))
        .collect();
    let more = each.runs.len() - shown.len();
    if let Some(block) = blocks.last_mut().filter(|_| more > 0) {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        block.notes.push(Line::new(
            Tone::Faint,
            format!("and {} before", counted(more, "run")),
        ));
    }
    blocks
}

pub fn block(job: &TrainingJob, policies: &[&RetrainPolicy], view: &View) -> Block {
    let status = job.status.clone().unwrap_or_default();
    let objective = job.spec.objective.as_ref().map(|o| o.metric.as_str());
    let mut block = Block {
        name: job.name_any(),
        phase: phase(status.phase),
        detail: facts(
            view,
            [
                inputs(&status),
                progress(&status),
                metrics(shown_metrics(&status), objective),
                trigger(job, policies),
                attempts(&status),
            ],
        ),
        ..Block::default()
    };
    block.clock = elapsed(&status, view.now);
    block.explained(&status.conditions)
}

fn inputs(status: &TrainingJobStatus) -> String {
    let mut read: Vec<_> = status
        .resolved
        .iter()
        .flat_map(|resolved| &resolved.inputs)
        .map(|input| format!("{} {}", input.dataset, input.version))
        .collect();
    read.dedup();
    if read.is_empty() {
        String::new()
    } else {
        format!("on {}", read.join(", "))
    }
}

fn progress(status: &TrainingJobStatus) -> String {
    if status.phase.is_final() {
        return String::new();
    }
    let percent = status
        .progress
        .as_ref()
        .and_then(|progress| progress.percent);
    percent.map_or_else(String::new, |percent| format!("{percent} %"))
}

/// The evaluation's metrics are measured on data that the run hasn't seen, so they go first.
fn shown_metrics(status: &TrainingJobStatus) -> &std::collections::BTreeMap<String, f64> {
    match (&status.evaluation, &status.progress) {
        (Some(evaluation), _) => &evaluation.metrics,
        (None, Some(progress)) if !status.phase.is_final() => &progress.metrics,
        _ => &status.metrics,
    }
}

fn trigger(job: &TrainingJob, policies: &[&RetrainPolicy]) -> String {
    let name = job.name_any();
    let annotated = job.annotations().get(ANNOTATION_TRIGGER).cloned();
    let recorded = || {
        policies
            .iter()
            .filter_map(|policy| policy.status.as_ref()?.last_run.as_ref())
            .find(|run| run.training_job == name)
            .map(|run| run.trigger.clone())
    };
    annotated
        .or_else(recorded)
        .map_or_else(String::new, |trigger| format!("by {trigger}"))
}

fn attempts(status: &TrainingJobStatus) -> String {
    if status.attempts > 1 {
        format!("attempt {}", status.attempts)
    } else {
        String::new()
    }
}

fn elapsed(status: &TrainingJobStatus, now: Timestamp) -> String {
    if status.phase == TrainingJobPhase::Suspended {
        return String::new();
    }
    let start = status.start_time.as_deref().and_then(instant);
    let end = status.completion_time.as_deref().and_then(instant);
    match (start, end) {
        (Some(start), Some(end)) => format!("took {}", span(end.duration_since(start))),
        (Some(start), None) => format!("for {}", span(now.duration_since(start))),
        _ => String::new(),
    }
}
