//! The steps of a loop, each a section of the picture.

mod data;
mod next;
mod quality;
mod run;
mod stage;
mod version;

use std::collections::BTreeMap;

use millwright_crds::common::Condition;

pub use next::next;

use super::{
    View,
    story::{Loop, Story},
};
use crate::{
    objects::stands,
    text::{Line, Span, Tone},
    time::figure,
};

/// A step of the loop.
#[derive(Clone, Debug, Default)]
pub struct Section {
    pub label: &'static str,
    /// Whether it follows from the section before.
    pub follows: bool,
    pub blocks: Vec<Block>,
}

/// One object.
#[derive(Clone, Debug, Default)]
pub struct Block {
    pub name: String,
    pub phase: Span,
    /// Facts about it.
    pub detail: String,
    /// What moves with the clock alone.
    pub clock: String,
    /// Its parts, under each other.
    pub rows: Vec<Vec<Span>>,
    /// What needs saying.
    pub notes: Vec<Line>,
}

impl Block {
    /// The cells of its first line.
    pub fn head(&self) -> Vec<Span> {
        let mut detail = self.detail.clone();
        if !self.clock.is_empty() {
            if !detail.is_empty() {
                detail.push_str("  ");
            }
            detail.push_str(&self.clock);
        }
        vec![
            Span::plain(&self.name),
            self.phase.clone(),
            Span::plain(detail),
        ]
    }

    /// Something that isn't there.
    fn absent(name: &str, phase: &str) -> Self {
        Self {
            name: name.into(),
            phase: Span::new(Tone::Faint, phase),
            ..Self::default()
        }
    }

    /// Adds what the conditions say where the phase alone isn't good news.
    fn explained(mut self, conditions: &[Condition]) -> Self {
        let message = stands(conditions).map(|condition| condition.message.as_str());
        if let Some(message) = message.filter(|message| !message.is_empty())
            && self.phase.tone != Tone::Good
        {
            self.notes.push(Line::new(self.phase.tone, message));
        }
        self
    }
}

/// All steps of a loop but the last.
pub fn all(each: &Loop, view: &View) -> Vec<Section> {
    let step = |label, blocks: Vec<Block>| Section {
        label,
        follows: true,
        blocks,
    };
    let mut sections = vec![
        step("data", data::blocks(each, view)),
        step("run", run::blocks(each, view)),
        step("version", version::blocks(each, view)),
        step("stages", stage::blocks(each, view)),
    ];
    if !each.policies.is_empty() {
        sections.push(step("quality", quality::blocks(&each.policies, view)));
    }
    sections
}

/// What is in no loop.
pub fn others(story: &Story, view: &View) -> Vec<Section> {
    let data = story
        .other_data
        .iter()
        .map(|d| data::block(d, view))
        .collect();
    let runs = story
        .other_runs
        .iter()
        .map(|j| run::block(j, &[], view))
        .collect();
    let policies = quality::blocks(&story.other_policies, view);
    [("data", data), ("run", runs), ("quality", policies)]
        .into_iter()
        .filter(|(_, blocks): &(_, Vec<Block>)| !blocks.is_empty())
        .map(|(label, blocks)| Section {
            label,
            follows: false,
            blocks,
        })
        .collect()
}

/// A phase in its tone.
fn phase(word: impl std::fmt::Debug) -> Span {
    let word = format!("{word:?}");
    let tone = match word.as_str() {
        "Ready" | "Succeeded" | "Healthy" | "Serving" | "Registered" | "Watching" => Tone::Good,
        "Failed" | "Stalled" | "Degraded" | "Rejected" | "RolledBack" => Tone::Bad,
        "Suspended" | "Paused" => Tone::Faint,
        _ => Tone::Busy,
    };
    Span::new(tone, word)
}

/// Metrics in words, the one that counts first: `mae 9.412, r2 0.98`; at most four.
fn metrics(metrics: &BTreeMap<String, f64>, first: Option<&str>) -> String {
    let mut list: Vec<_> = metrics.iter().collect();
    list.sort_by_key(|(name, _)| Some(name.as_str()) != first);
    list.iter()
        .take(4)
        .map(|(name, value)| format!("{name} {}", figure(**value)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Facts that are there, with dots between.
fn facts(view: &View, facts: impl IntoIterator<Item = String>) -> String {
    let list: Vec<_> = facts.into_iter().filter(|fact| !fact.is_empty()).collect();
    list.join(view.glyphs.dot)
}
