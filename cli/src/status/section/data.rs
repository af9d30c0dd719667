//! Data: the current version of each Dataset that the runs read.

use kube::ResourceExt;
use millwright_crds::{Dataset, dataset::VersionState};

use super::{Block, facts, phase};
use crate::{
    objects::instant,
    status::{View, story::Loop},
    text::{Line, Tone},
    time::{ago, count, counted},
};

pub fn blocks(each: &Loop, view: &View) -> Vec<Block> {
    if each.data.is_empty() {
        return vec![Block::absent("", "no run names a Dataset yet")];
    }
    each.data
        .iter()
        .map(|(name, dataset)| match dataset {
            Some(dataset) => block(dataset, view),
            None => {
                let mut block = Block::absent(name, "missing");
                block.phase.tone = Tone::Bad;
                block
            }
        })
        .collect()
}

pub fn block(dataset: &Dataset, view: &View) -> Block {
    let status = dataset.status.clone().unwrap_or_default();
    let mut block = Block {
        name: dataset.name_any(),
        phase: phase(status.phase),
        ..Block::default()
    };
    if let Some(current) = &status.current {
        block.detail = facts(
            view,
            [
                current.version.clone(),
                format!("{} rows", count(current.rows)),
                counted(current.files, "file"),
            ],
        );
        block.clock = instant(&current.created_at).map_or_else(String::new, |at| ago(at, view.now));
    }
    let mut block = block.explained(&status.conditions);
    // A rejected version doesn't change the phase while an older one is current.
    if let Some(newest) = status.versions.first()
        && newest.state == VersionState::Rejected
    {
        let failed: Vec<_> = newest
            .failed
            .iter()
            .map(|failed| format!("{}: {}", failed.expectation, failed.observed))
            .collect();
        block.notes.push(Line::new(
            Tone::Bad,
            format!("{} rejected: {}", newest.version, failed.join("; ")),
        ));
    }
    block
}
