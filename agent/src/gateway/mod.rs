//! `agent gateway`: the reverse proxy in front of a model server.

use std::process::ExitCode;

/// Serves until SIGTERM.
///
/// # Errors
/// When the task is missing or a port can't be bound.
pub async fn run() -> anyhow::Result<ExitCode> {
    anyhow::bail!("the gateway is not part of this build")
}
