//! `kubectl millwright`: shows the loop of a namespace, says what is wrong with an object and how
//! to mend it, asks a policy for a run, and waits for outcomes.
//!
//! It only reads, but for the one annotation that asks for a run. What is printed is rendered from
//! objects by pure functions; this crate must never decide what should be: that is `plan`'s.

mod args;
mod cluster;
mod diagnose;
mod kind;
mod objects;
mod problem;
mod retrain;
mod status;
mod terminal;
#[cfg(test)]
mod testdata;
mod text;
mod time;
mod wait;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use cluster::Cluster;
use problem::Problem;
use terminal::Terminal;

/// How a command ended, as exit codes tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was asked for is so.
    Done,
    /// What was asked for can no longer become so.
    Failed,
    /// The time was over first.
    TimedOut,
}

/// Exit code when the question could not be answered: no cluster, no right, no such object.
const EXIT_PROBLEM: u8 = 3;
/// Exit code of a command line that makes no sense, as in sysexits.h.
const EXIT_USAGE: u8 = 64;

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::Failed => 1,
            Outcome::TimedOut => 2,
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help that can't be printed has nobody to read it.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { 0 });
        }
    };
    match run(cli).await {
        Ok(outcome) => outcome.into(),
        Err(Problem::Closed) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(EXIT_PROBLEM)
        }
    }
}

async fn run(cli: Cli) -> Result<Outcome, Problem> {
    let terminal = Terminal::detect(cli.ascii);
    if let Command::Version = cli.command {
        terminal.print(&format!(
            "kubectl-millwright {} ({}/{})",
            env!("CARGO_PKG_VERSION"),
            millwright_crds::GROUP,
            millwright_crds::VERSION
        ))?;
        return Ok(Outcome::Done);
    }
    let cluster = Cluster::connect(&cli.connection).await?;
    match cli.command {
        Command::Status(options) => status::run(&cluster, &terminal, &options).await,
        Command::Diagnose(options) => diagnose::run(&cluster, &terminal, &options).await,
        Command::Retrain(options) => retrain::run(&cluster, &terminal, &options).await,
        Command::Wait(options) => wait::run(&cluster, &terminal, &options).await,
        Command::Version => Ok(Outcome::Done),
    }
}
