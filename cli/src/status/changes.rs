//! What has changed between two looks, a line for each object or part: what `--watch` prints
//! without a terminal.

use std::collections::BTreeMap;

use super::{View, section, story::Story};
use crate::{objects::Objects, text::Line};

/// What is worth a line when it changes, by what it is about.
pub type Facts = BTreeMap<String, String>;

/// The facts of a namespace, without what moves with the clock alone.
pub fn facts(objects: &Objects, view: &View) -> Facts {
    let story = Story::of(objects);
    let mut facts = Facts::new();
    let loops = story
        .loops
        .iter()
        .map(|each| (each.model, section::all(each, view)));
    for (title, sections) in loops.chain([("-", section::others(&story, view))]) {
        for section in sections {
            for block in section.blocks {
                let head = format!("{} {} {}", title, section.label, block.name);
                let notes = block.notes.iter().map(Line::plain);
                let first = [block.phase.text, block.detail].into_iter().chain(notes);
                facts.insert(head.trim_end().to_owned(), joined(first));
                for row in block.rows {
                    let mut cells = row.into_iter().map(|cell| cell.text);
                    let name = cells.next().unwrap_or_default();
                    facts.insert(format!("{head} {name}"), joined(cells));
                }
            }
        }
    }
    facts
}

/// A line for every fact that is new, has changed or is gone.
pub fn between(before: &Facts, after: &Facts) -> Vec<String> {
    let gone = before
        .keys()
        .filter(|key| !after.contains_key(*key))
        .map(|key| format!("{key}: gone"));
    let changed = after
        .iter()
        .filter(|(key, text)| before.get(*key) != Some(text))
        .map(|(key, text)| format!("{key}: {text}"));
    gone.chain(changed).collect()
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("  ")
}
