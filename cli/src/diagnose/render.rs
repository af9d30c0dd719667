//! A case in, lines out.

use super::{
    Case,
    cause::{self, Cause},
    evidence,
};
use crate::{
    objects::{State, stands},
    text::{Line, Tone},
};

/// The diagnosis.
pub fn lines(case: &Case) -> Vec<Line> {
    let state = State::of(case.object);
    let causes = cause::causes(case);
    let mut title = Line::new(Tone::Strong, case.reference.to_string());
    title.push(Tone::Plain, format!(" in namespace {}: ", case.namespace));
    title.push(
        if causes.is_empty() {
            Tone::Good
        } else {
            Tone::Bad
        },
        &state.phase,
    );
    let mut lines = vec![title, Line::default()];
    lines.extend(cause_lines(&causes, &state));
    for (title, body) in evidence::sections(case) {
        lines.push(Line::default());
        lines.push(Line::new(Tone::Strong, title));
        lines.extend(indented(body));
    }
    lines.extend(commands(case, &causes));
    lines
}

fn cause_lines(causes: &[Cause], state: &State) -> Vec<Line> {
    if causes.is_empty() {
        let stands = stands(&state.conditions);
        let well = stands.is_some_and(|condition| condition.status == "True");
        let message = stands.map_or("", |condition| condition.message.as_str());
        return vec![
            Line::new(
                Tone::Strong,
                if well {
                    "nothing is wrong"
                } else {
                    "nothing is wrong; it is on its way"
                },
            ),
            Line::new(Tone::Plain, format!("  {message}")),
        ];
    }
    let mut lines = vec![Line::new(Tone::Strong, "cause")];
    for cause in causes {
        let mut line = Line::new(Tone::Bad, format!("  {}", cause.reason));
        if let Some(meaning) = &cause.meaning {
            line.push(Tone::Plain, format!(": {meaning}"));
        }
        lines.push(line);
        if !cause.message.is_empty() {
            lines.push(Line::new(Tone::Plain, format!("    {}", cause.message)));
        }
    }
    lines
}

fn commands(case: &Case, causes: &[Cause]) -> Vec<Line> {
    let mut commands: Vec<String> = vec![];
    let related = cause::related(case).into_iter().map(|object| {
        format!(
            "kubectl millwright diagnose {}/{} -n {}",
            object.kind.short(),
            object.name,
            case.namespace
        )
    });
    for command in causes
        .iter()
        .filter_map(|cause| cause.command.clone())
        .chain(related)
    {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    if commands.is_empty() {
        return vec![];
    }
    let mut lines = vec![Line::default(), Line::new(Tone::Strong, "what to do")];
    lines.extend(
        commands
            .into_iter()
            .map(|command| Line::new(Tone::Plain, format!("  {command}"))),
    );
    lines
}

fn indented(lines: Vec<Line>) -> Vec<Line> {
    lines
        .into_iter()
        .map(|line| {
            let mut whole = Line::new(Tone::Plain, "  ");
            whole.0.extend(line.0);
            whole
        })
        .collect()
}
