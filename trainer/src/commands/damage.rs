//! Floor 5: errors of runs to exit codes: damage on disk is 4, a checkpoint that is not there is 2.

use suw_shared::exit::Failure;

use crate::checkpoint::CheckpointError;
use crate::eval_loop::EvalError;
use crate::train_loop::TrainError;

/// Gives an error the exit code it stands for.
pub fn as_failure<E: IntoFailure>(error: E) -> anyhow::Error {
    error.into_failure()
}

/// Errors that may stand for an exit code.
pub trait IntoFailure {
    /// The error with its exit code.
    fn into_failure(self) -> anyhow::Error;
}

impl IntoFailure for CheckpointError {
    fn into_failure(self) -> anyhow::Error {
        match &self {
            Self::Damaged { .. } => Failure::integrity(self.to_string()).into(),
            Self::Missing { .. } | Self::OtherNetwork { .. } => {
                Failure::usage(self.to_string()).into()
            }
            _ => self.into(),
        }
    }
}

impl IntoFailure for EvalError {
    fn into_failure(self) -> anyhow::Error {
        match &self {
            Self::Shard(_) => Failure::integrity(self.to_string()).into(),
            Self::Truth { .. } | Self::Size { .. } => Failure::usage(self.to_string()).into(),
            Self::Stopped { .. } => Failure::stopped(self.to_string()).into(),
            _ => self.into(),
        }
    }
}

impl IntoFailure for TrainError {
    fn into_failure(self) -> anyhow::Error {
        match self {
            Self::Shard(error) => Failure::integrity(error.to_string()).into(),
            Self::Checkpoint(error) => error.into_failure(),
            Self::Initial(error) => Failure::usage(error.to_string()).into(),
            other => other.into(),
        }
    }
}
