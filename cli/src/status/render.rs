//! Objects in, lines out.

use super::{
    View,
    section::{self, Block, Section},
    story::{Loop, Story},
};
use crate::{
    objects::Objects,
    text::{Line, Span, Tone, table},
};

/// The picture of a namespace.
pub fn lines(objects: &Objects, view: &View) -> Vec<Line> {
    if objects.is_empty() {
        return vec![
            Line::new(
                Tone::Plain,
                format!("Nothing of Millwright's in namespace {}.", view.namespace),
            ),
            Line::new(
                Tone::Faint,
                "Begin with a Dataset: kubectl explain dataset.spec --api-version=millwright.dev/v1alpha1",
            ),
        ];
    }
    let story = Story::of(objects);
    let mut lines = vec![];
    for each in &story.loops {
        lines.push(Line::new(Tone::Strong, each.model));
        lines.extend(draw(each, view));
        lines.push(Line::default());
    }
    let others = section::others(&story, view);
    if !others.is_empty() {
        lines.push(Line::new(Tone::Strong, "in no loop"));
        let mut rest = drawn(&others, &[], view);
        indent(&mut rest);
        lines.extend(rest);
        lines.push(Line::default());
    }
    for unreadable in &objects.unreadable {
        lines.push(Line::new(
            Tone::Bad,
            format!("can't be read by this version of the plugin: {unreadable}"),
        ));
    }
    while lines.last().is_some_and(|line| line.0.is_empty()) {
        lines.pop();
    }
    lines
}

fn draw(each: &Loop, view: &View) -> Vec<Line> {
    let next = section::next(each, view);
    let mut lines = drawn(&section::all(each, view), &next, view);
    if each.policies.is_empty() {
        indent(&mut lines);
        return lines;
    }
    let turn = lines.len() - next.len();
    for (number, line) in lines.iter_mut().enumerate() {
        let rail = match number {
            0 => view.glyphs.enter,
            _ if number < turn => view.glyphs.rail,
            _ if number == turn => view.glyphs.turn,
            _ => "    ",
        };
        line.0.insert(0, Span::new(Tone::Faint, rail));
    }
    lines
}

fn indent(lines: &mut [Line]) {
    for line in lines {
        line.0.insert(0, Span::plain("    "));
    }
}

/// Width of the column with the steps' names.
const LABEL: usize = 10;

/// The steps under each other with arrows between, and at the end what comes next.
fn drawn(sections: &[Section], next: &[Line], view: &View) -> Vec<Line> {
    let blocks = sections.iter().flat_map(|section| &section.blocks);
    let mut heads = table(blocks.map(Block::head).collect()).into_iter();
    let mut lines = vec![];
    for (number, section) in sections.iter().enumerate() {
        if number > 0 && section.follows {
            lines.push(Line::new(
                Tone::Faint,
                format!("{}{}", " ".repeat(LABEL + 2), view.glyphs.down),
            ));
        }
        for (number, block) in section.blocks.iter().enumerate() {
            let label = if number == 0 { section.label } else { "" };
            let mut line = Line(vec![Span::new(Tone::Faint, label).padded(LABEL)]);
            line.0.extend(heads.next().unwrap_or_default().0);
            lines.push(line);
            let rows = table(block.rows.clone());
            for below in rows.into_iter().chain(block.notes.iter().cloned()) {
                let mut line = Line::new(Tone::Plain, " ".repeat(LABEL + 2));
                line.0.extend(below.0);
                lines.push(line);
            }
        }
    }
    for (number, line) in next.iter().enumerate() {
        let label = if number == 0 { "next run" } else { "" };
        let mut whole = Line(vec![Span::new(Tone::Faint, label).padded(LABEL)]);
        whole.0.extend(line.0.iter().cloned());
        lines.push(whole);
    }
    lines
}
