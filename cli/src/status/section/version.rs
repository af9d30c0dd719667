//! Model versions: the newest, and how it compares.

use kube::ResourceExt;
use millwright_crds::ModelVersion;

use super::{Block, facts, metrics, phase};
use crate::{
    objects::instant,
    status::{View, story::Loop},
    time::ago,
};

pub fn blocks(each: &Loop, view: &View) -> Vec<Block> {
    let newest = each.versions.first();
    newest.map_or_else(
        || vec![Block::absent("", "none yet")],
        |version| vec![block(version, view)],
    )
}

fn block(version: &ModelVersion, view: &View) -> Block {
    let status = version.status.clone().unwrap_or_default();
    let created = version.creation_timestamp().map(|time| time.0.to_string());
    Block {
        name: version.name_any(),
        phase: phase(status.phase),
        detail: measured(version, view),
        clock: created
            .as_deref()
            .and_then(instant)
            .map_or_else(String::new, |at| ago(at, view.now)),
        ..Block::default()
    }
}

fn measured(version: &ModelVersion, view: &View) -> String {
    let objective = version.spec.objective.as_ref().map(|o| o.metric.as_str());
    let Some(evaluation) = &version.spec.evaluation else {
        return metrics(&version.spec.metrics, objective);
    };
    let champion = evaluation
        .champion
        .as_ref()
        .map_or_else(String::new, |champion| {
            let theirs = metrics(&champion.metrics, objective);
            format!("v{} had {theirs}", champion.version)
        });
    facts(
        view,
        [
            format!(
                "{} on {} {}",
                metrics(&evaluation.metrics, objective),
                evaluation.dataset,
                evaluation.version
            ),
            champion,
        ],
    )
}
