//! What the operator costs when there is much to do, and when there is nothing to do but much to
//! know: storms of jobs beside plain Jobs on one control plane, and a fleet at rest.
//!
//! Nodes and pods are played by KWOK, everything else is real. `hack/bench.sh scale` builds what it
//! needs and runs it. An argument is the number of rounds, by default 2.

mod bed;
mod fleet;
mod kwok;
mod process;
mod report;
mod storm;

use anyhow::{Context as _, Result};
use millwright_e2e::cleanup;

use bed::Bed;
use storm::Kind;

#[tokio::main]
async fn main() -> Result<()> {
    tokio::spawn(cleanup::watch_signals());
    let rounds: usize = match std::env::args().nth(1) {
        Some(text) => text
            .parse()
            .context("the argument is no number of rounds")?,
        None => 2,
    };
    let mut bed = Bed::up().await?;
    let mut storms = vec![];
    for round in 1..=rounds {
        for kind in [Kind::Plain, Kind::SamePod, Kind::Training] {
            let namespace = format!("{kind:?}-{round}").to_lowercase();
            storms.push(storm::run(&bed, kind, &namespace).await?);
            // What is left of the last one is part of the fleet.
            if kind.is_job() || round < rounds {
                bed.clear(&namespace).await?;
            }
        }
    }
    storms.push(storm::run(&bed, Kind::Registered, "fleet").await?);
    report::storms(&storms);
    fleet::fill(&bed, "fleet").await?;
    report::fleet(&fleet::measure(&mut bed).await?);
    Ok(())
}
