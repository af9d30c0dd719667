//! `agent collect`: says again what an attempt left in the store, when its pod was gone before
//! anybody read it.

use millwright_crds::{
    training_job::FailureReason,
    wire::{self, Versioned, attempt::AttemptResult, contract::key, evaluation::EvaluationReport},
};

use crate::{
    environment::{self, Layout},
    failure::Failure,
    store::{Patience, with_retry},
};

/// Whose result.
#[derive(clap::Args)]
pub(crate) struct Request {
    /// UID of the TrainingJob.
    #[arg(long)]
    uid: String,
    /// Number of the attempt.
    #[arg(long)]
    attempt: u32,
    /// The evaluation's report instead of the trainer's result.
    #[arg(long)]
    evaluation: bool,
}

/// Leaves the attempt's `AttemptResult`, or `EvaluationReport`, as termination message.
///
/// # Errors
/// With reason PublishFailed or EvaluationFailed when there is none, with InputUnavailable when the
/// store can't be read; exit code 69 for both.
pub(crate) async fn run(layout: &Layout, request: &Request) -> Result<(), Failure> {
    if request.evaluation {
        let key = key::run_evaluation(&request.uid, request.attempt);
        repeat::<EvaluationReport>(layout, &key, FailureReason::EvaluationFailed).await
    } else {
        let key = key::run_result(&request.uid, request.attempt);
        repeat::<AttemptResult>(layout, &key, FailureReason::PublishFailed).await
    }
}

async fn repeat<T: Versioned>(
    layout: &Layout,
    key: &str,
    absent: FailureReason,
) -> Result<(), Failure> {
    let store = environment::store()?;
    let bytes = with_retry(Patience::default(), || store.get(key))
        .await
        .map_err(Failure::unavailable)?
        .ok_or_else(|| Failure {
            reason: absent,
            ..Failure::unavailable(format!(
                "{key} is not in the artifact store: the attempt left no result"
            ))
        })?;
    let document: T =
        wire::read(&bytes).map_err(|error| Failure::unavailable(format!("{key}: {error}")))?;
    layout.leave_result(&document)?;
    tracing::info!("{key}: {} bytes", bytes.len());
    Ok(())
}
