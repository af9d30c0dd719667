//! Evidence: what an object and its Events show, section by section.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use millwright_crds::{
    ModelDeployment, RetrainPolicy, TrainingJob, common::Condition, model_deployment::GateState,
    retrain_policy::TriggerState,
};

use super::Case;
use crate::{
    kind::Kind,
    objects::{State, instant, typed},
    text::{Line, Span, Tone, table},
    time::{clock, figure},
};

/// Most Events that are shown.
const EVENTS: usize = 10;

/// Titles and what stands under them.
pub fn sections(case: &Case) -> Vec<(&'static str, Vec<Line>)> {
    let particular = match case.reference.kind {
        Kind::TrainingJob => typed(case.object).map(|object| failure(case, &object)),
        Kind::ModelDeployment => typed(case.object).map(|object| gates(&object)),
        Kind::RetrainPolicy => typed(case.object).map(|object| triggers(&object)),
        Kind::Dataset | Kind::Model | Kind::ModelVersion => Ok(("", vec![])),
    }
    .unwrap_or_else(|error| ("unreadable", vec![Line::new(Tone::Bad, error)]));
    [
        ("conditions", conditions(case)),
        particular,
        ("events", events(case)),
    ]
    .into_iter()
    .filter(|(_, lines)| !lines.is_empty())
    .collect()
}

fn conditions(case: &Case) -> Vec<Line> {
    let row = |condition: &Condition| {
        let good = match condition.type_.as_str() {
            "Stalled" | "Failed" => condition.status == "False",
            _ => condition.status == "True",
        };
        let tone = if good { Tone::Good } else { Tone::Bad };
        vec![
            Span::plain(&condition.type_),
            Span::new(tone, &condition.status),
            Span::plain(&condition.reason),
            Span::new(
                Tone::Faint,
                format!(
                    "since {}",
                    clock(condition.last_transition_time.0, case.now, &case.zone)
                ),
            ),
            Span::plain(&condition.message),
        ]
    };
    table(State::of(case.object).conditions.iter().map(row).collect())
}

fn failure(case: &Case, job: &TrainingJob) -> (&'static str, Vec<Line>) {
    let Some(failure) = job.status.clone().unwrap_or_default().failure else {
        return ("failure", vec![]);
    };
    let at = instant(&failure.at)
        .map_or_else(|| failure.at.clone(), |at| clock(at, case.now, &case.zone));
    let parts = [
        Some(format!("attempt {} at {at}", failure.attempt)),
        failure.pod.map(|pod| format!("pod {pod}")),
        failure
            .container
            .map(|container| format!("container {container}")),
        failure.exit_code.map(|code| format!("exit code {code}")),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    let mut lines = vec![Line::new(Tone::Plain, parts.join(", "))];
    for text in failure.log.as_deref().unwrap_or_default().lines() {
        let mut line = Line::new(Tone::Faint, "| ");
        line.push(Tone::Plain, text);
        lines.push(line);
    }
    ("failure", lines)
}

fn gates(deployment: &ModelDeployment) -> (&'static str, Vec<Line>) {
    let status = deployment.status.clone().unwrap_or_default();
    let mut rows = vec![];
    for stage in &status.stages {
        if let Some(next) = &stage.next {
            for gate in &next.gates {
                let tone = match gate.state {
                    GateState::Pending => Tone::Busy,
                    GateState::Passed => Tone::Good,
                    GateState::Failed => Tone::Bad,
                };
                rows.push(vec![
                    Span::plain(&stage.name),
                    Span::plain(format!("v{}", next.version)),
                    Span::plain(&gate.name),
                    Span::new(tone, format!("{:?}", gate.state)),
                    Span::plain(gate.value.map_or_else(String::new, figure)),
                    Span::plain(&gate.message),
                ]);
            }
        }
    }
    ("gates", table(rows))
}

fn triggers(policy: &RetrainPolicy) -> (&'static str, Vec<Line>) {
    let status = policy.status.clone().unwrap_or_default();
    let of = policy.spec.evaluate.of;
    let row = |trigger: &millwright_crds::retrain_policy::TriggerStatus| {
        let tone = match trigger.state {
            TriggerState::Unknown => Tone::Faint,
            TriggerState::Clear => Tone::Good,
            TriggerState::Pending => Tone::Busy,
            TriggerState::Breached => Tone::Bad,
        };
        let breaches = trigger
            .recent
            .iter()
            .filter(|evaluation| evaluation.breach)
            .count();
        let samples = trigger.recent.first().map(|evaluation| evaluation.samples);
        vec![
            Span::plain(&trigger.name),
            Span::new(tone, format!("{:?}", trigger.state)),
            Span::plain(
                trigger
                    .value
                    .map_or_else(String::new, |v| format!("value {}", figure(v))),
            ),
            Span::plain(
                trigger
                    .threshold
                    .map_or_else(String::new, |v| format!("limit {}", figure(v))),
            ),
            Span::plain(format!(
                "{breaches} breaches in the last {} of {of}",
                trigger.recent.len()
            )),
            Span::plain(samples.map_or_else(String::new, |n| {
                format!("on {} samples", crate::time::count(n))
            })),
            Span::plain(trigger.message.as_deref().unwrap_or_default()),
        ]
    };
    ("triggers", table(status.triggers.iter().map(row).collect()))
}

fn events(case: &Case) -> Vec<Line> {
    let events = match &case.events {
        Ok(events) => events,
        Err(why) => return vec![Line::new(Tone::Faint, why)],
    };
    let mut events: Vec<_> = events.iter().map(|event| (seen(event), event)).collect();
    events.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    events.truncate(EVENTS);
    events.reverse();
    let rows = events.into_iter().map(|(at, event)| {
        let kind = event.type_.as_deref().unwrap_or_default();
        let tone = if kind == "Normal" {
            Tone::Plain
        } else {
            Tone::Bad
        };
        let times = times(event);
        vec![
            Span::new(
                Tone::Faint,
                at.map_or_else(String::new, |at| clock(at, case.now, &case.zone)),
            ),
            Span::new(tone, kind),
            Span::plain(event.reason.as_deref().unwrap_or_default()),
            Span::plain(if times > 1 {
                format!("{times} times")
            } else {
                String::new()
            }),
            Span::plain(event.message.as_deref().unwrap_or_default()),
        ]
    });
    table(rows.collect())
}

/// When an Event was last seen; each kind of writer fills another field.
fn seen(event: &Event) -> Option<Timestamp> {
    let series = event
        .series
        .as_ref()
        .and_then(|series| series.last_observed_time.as_ref());
    series
        .map(|time| time.0)
        .or(event.last_timestamp.as_ref().map(|time| time.0))
        .or(event.event_time.as_ref().map(|time| time.0))
        .or(event
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0))
}

fn times(event: &Event) -> i32 {
    let series = event.series.as_ref().and_then(|series| series.count);
    series.or(event.count).unwrap_or(1)
}
