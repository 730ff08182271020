//! Why a step of a component failed.

use std::io;

use crate::domain::plan::TerraformError;
use crate::run::command_env::SecretError;
use crate::run::component_checkout::CheckoutError;
use crate::run::process::{CapturedOutput, CommandEnd};

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepFailure {
    /// Its command failed.
    #[error("{0}")]
    CommandFailed(CommandEnd, Box<CapturedOutput>),
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
    #[error("its command could not be run: {0}")]
    NotStarted(#[from] io::Error),
    /// The plan is not the one that was shown.
    #[error("its plan file was changed by another process")]
    PlanChanged,
    /// A secret could not be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The terraform plan is malformed.
    #[error("its plan cannot be read: {0}")]
    Terraform(#[from] TerraformError),
    /// `terraform show` failed.
    #[error("terraform cannot show the plan that it made: {0}")]
    ShowFailed(CommandEnd, Box<CapturedOutput>),
}

impl StepFailure {
    /// Returns how the command ended, if the failure is about that.
    pub(super) fn command_end(&self) -> Option<CommandEnd> {
        match self {
            Self::CommandFailed(end, _)
            | Self::ShowFailed(end, _)
            | Self::Secret(SecretError::Failed(_, end)) => Some(*end),
            Self::NotStarted(_)
            | Self::Checkout(_)
            | Self::PlanChanged
            | Self::Secret(_)
            | Self::Terraform(_) => None,
        }
    }

    /// Returns whether the command of the policy ran and reported the failure itself. A shell exits
    /// with 126 or 127 if it cannot run a program.
    pub(super) fn is_explained(&self) -> bool {
        matches!(
            self,
            Self::CommandFailed(CommandEnd::Exited(status), _) if !matches!(status, 126 | 127)
        )
    }

    /// Returns whether the command of the step may have run, even in part. The files and the secrets of
    /// a command are read before it starts. An error of the system counts as after the start.
    pub(super) fn may_have_run(&self) -> bool {
        !matches!(self, Self::Checkout(_) | Self::Secret(_))
    }
}
