//! `kubectl millwright status`: the loop of a namespace, drawn.

mod changes;
mod follow;
mod render;
mod section;
mod story;

#[cfg(test)]
mod tests;

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    Outcome, args::StatusOptions, cluster::Cluster, objects::Objects, problem::Problem,
    terminal::Terminal,
};

/// What a picture depends on, apart from the objects.
#[derive(Clone, Debug)]
pub struct View<'a> {
    pub namespace: &'a str,
    pub now: Timestamp,
    pub zone: TimeZone,
    pub glyphs: crate::terminal::Glyphs,
}

impl<'a> View<'a> {
    fn now(cluster: &'a Cluster, terminal: &Terminal) -> Self {
        Self {
            namespace: &cluster.namespace,
            now: Timestamp::now(),
            zone: TimeZone::system(),
            glyphs: terminal.glyphs,
        }
    }
}

/// Draws once, or follows until interrupted.
pub async fn run(
    cluster: &Cluster,
    terminal: &Terminal,
    options: &StatusOptions,
) -> Result<Outcome, Problem> {
    if options.watch {
        return follow::run(cluster, terminal).await;
    }
    let objects: Objects = cluster.objects().await?;
    terminal.print_lines(&render::lines(&objects, &View::now(cluster, terminal)))?;
    Ok(Outcome::Done)
}
