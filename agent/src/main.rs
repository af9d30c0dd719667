//! The command line of the agent.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What runs inside Millwright's pods. Each role reads its task from MILLWRIGHT_TASK.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Proxies to the model server beside it, and measures.
    Gateway,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().role {
        Role::Gateway => agent::gateway::run().await,
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("Error: {error:#}");
        ExitCode::FAILURE
    })
}
