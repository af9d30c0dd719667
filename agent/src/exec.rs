//! `agent exec`: PID 1 of the trainer.
//!
//! Its exit code is 0 only when the command ended well and the output is published. It holds no
//! credentials: the sidecar publishes.

use std::{env, ffi::OsString, path::Path, time::Duration};

use millwright_crds::wire::{
    attempt::{AttemptResult, ExecTask},
    contract,
};

use crate::{
    environment::{self, Layout},
    failure::Failure,
    files::let_others_read,
    handover::{self, PublishRequest},
    supervisor::Supervisor,
};

/// Runs the command, then has its output published. Returns the exit code: the command's own, with
/// no termination message, so that Kubernetes shows its last lines; or 0 with an [`AttemptResult`]
/// as message.
///
/// # Errors
/// When the output could not be published.
pub(crate) async fn run(layout: &Layout, command: &[OsString]) -> Result<i32, Failure> {
    let task: ExecTask = environment::task()?;
    let mut supervisor = Supervisor::new()
        .map_err(|error| Failure::usage(format!("signals can't be received: {error}")))?;
    let grace = Duration::from_secs(task.grace_seconds);
    let ended = match supervisor.run(command, &[], grace).await {
        Ok(ended) => ended,
        Err((code, message)) => {
            tracing::error!("{message}");
            return Ok(code);
        }
    };
    if ended.code == 0 && ended.stopped {
        tracing::warn!("the command was asked to stop and ended with 0: nothing is published");
    }
    let code = ended.exit_code();
    if code != 0 || !task.publish {
        return Ok(code);
    }
    // The sidecar is another user.
    if let Some(output) = env::var_os(contract::ENV_MODEL_DIR) {
        let_others_read(Path::new(&output));
    }
    let_others_read(&layout.path(contract::TRAINING_ROWS));
    tracing::info!("the command ended well: publishing");
    let request = PublishRequest {
        timeout_seconds: handover::time_to_answer(task.publish_timeout_seconds),
    };
    let result: AttemptResult = handover::ask(
        &layout.path(contract::SOCKET),
        handover::PUBLISH,
        &request,
        Duration::from_secs(task.publish_timeout_seconds),
    )
    .await
    .map_err(Failure::publish)?;
    layout.leave_result(&result).map_err(Failure::publish)?;
    tracing::info!("published {}", result.digest);
    Ok(0)
}
