//! What went wrong, as exit code and termination message.

use std::fmt;

use millwright_crds::{
    training_job::FailureReason,
    wire::{self, attempt::AgentFailure, contract::exit},
};

use crate::environment::Layout;

/// Most characters of a message: `AgentFailure` allows 1,024, and in JSON each may need six bytes
/// at worst, which would not fit a termination message.
const MESSAGE_LIMIT: usize = 600;

/// Why a role failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Exit code of the process.
    pub exit: i32,
    /// One word for the operator.
    pub reason: FailureReason,
    /// What happened and what to do.
    pub message: String,
}

impl Failure {
    /// What was asked can't be done.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(exit::USAGE, FailureReason::InvalidSpec, message)
    }

    /// Data, a model or the store can't be had.
    pub fn unavailable(message: impl fmt::Display) -> Self {
        Self::new(exit::UNAVAILABLE, FailureReason::InputUnavailable, message)
    }

    /// The model could not be published.
    pub fn publish(message: impl fmt::Display) -> Self {
        Self::new(exit::PUBLISH_FAILED, FailureReason::PublishFailed, message)
    }

    /// The evaluator left nothing that can be used.
    pub fn evaluation(message: impl fmt::Display) -> Self {
        Self::new(
            exit::EVALUATION_FAILED,
            FailureReason::EvaluationFailed,
            message,
        )
    }

    fn new(exit: i32, reason: FailureReason, message: impl fmt::Display) -> Self {
        Self {
            exit,
            reason,
            message: message.to_string(),
        }
    }

    /// The document of this failure, its message cut to what fits.
    pub fn document(&self) -> AgentFailure {
        let mut message: String = self.message.chars().take(MESSAGE_LIMIT).collect();
        if message.len() < self.message.len() {
            message.pop();
            message.push('…');
        }
        AgentFailure {
            v: 1,
            reason: self.reason,
            message,
        }
    }

    /// Leaves the failure as termination message. Trouble with that is logged: the exit code still
    /// says that it failed.
    pub fn leave(&self, layout: &Layout) {
        let written = wire::write(&self.document())
            .map_err(std::io::Error::other)
            .and_then(|bytes| layout.leave_message(&bytes));
        if let Err(error) = written {
            tracing::warn!("the termination message can't be written: {error}");
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_fits() {
        let failure = Failure::unavailable("\u{1}".repeat(5_000));
        let bytes = wire::write(&failure.document()).unwrap();
        assert!(bytes.len() <= wire::TERMINATION_MESSAGE_LIMIT);
    }
}
