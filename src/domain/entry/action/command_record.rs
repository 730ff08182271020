//! A command of the policy, or of `exec`, that a run carried out.
//!
//! The order of the fields is that of the signed JSON, so it must not change.

use serde::{Deserialize, Serialize};

use super::{ComponentResult, DeploymentKind};
use crate::domain::entry::invalid::{InvalidError, require};
use crate::domain::id::Digest;
use crate::domain::name::ComponentName;

use InvalidError::Contradiction;

/// The most commands that a `finish` lists.
pub const MAX_COMMANDS: usize = 128;

/// The exit status that is recorded for a command whose run was cancelled.
pub const CANCELLED_STATUS: u8 = 130;

/// The part of a run that a command belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CommandStep {
    /// It deployed the component.
    Apply,
    /// It checked the deployed component.
    Verify,
    /// It removed the component.
    Destroy,
    /// It deployed the last good release again.
    Rollback,
    /// It checked that release.
    VerifyRollback,
    /// It is the command of an `exec`.
    Exec,
}

impl CommandStep {
    /// Returns the step in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Verify => "verify",
            Self::Destroy => "destroy",
            Self::Rollback => "rollback",
            Self::VerifyRollback => "verify after rollback",
            Self::Exec => "exec",
        }
    }
}

/// A command that a run carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// The component that it ran for.
    pub component: ComponentName,
    /// The part of the run.
    pub step: CommandStep,
    /// Its exit status, as a shell reports it: 128 plus the number of a signal that ended it, 124
    /// if it timed out, 130 if it was interrupted.
    pub status: u8,
    /// How long it ran.
    pub milliseconds: u64,
    /// The SHA-256 of its output, masked as in the log.
    pub output: Digest,
    /// The size of that output, in bytes.
    pub size: u64,
}

/// Checks the commands of a `finish`.
pub(super) fn validate(
    commands: &[CommandRecord],
    kind: DeploymentKind,
    results: &[ComponentResult],
) -> Result<(), InvalidError> {
    require(
        commands.len() <= MAX_COMMANDS,
        Contradiction("a finish lists at most 128 commands"),
    )?;
    let is_exec = kind == DeploymentKind::Exec;
    let fits = |it: &CommandRecord| {
        is_exec == (it.step == CommandStep::Exec)
            && results
                .iter()
                .any(|result| result.target.component == it.component)
    };
    require(
        commands.iter().all(fits),
        Contradiction("a command belongs to a component of the run, and fits its kind"),
    )
}

#[cfg(test)]
impl CommandRecord {
    /// Returns a strategy for a command of a deployment.
    pub(crate) fn sample(name: ComponentName) -> impl proptest::strategy::Strategy<Value = Self> {
        use crate::domain::entry::samples::*;
        let steps = vec![
            CommandStep::Apply,
            CommandStep::Verify,
            CommandStep::Destroy,
            CommandStep::Rollback,
            CommandStep::VerifyRollback,
        ];
        (
            prop::sample::select(steps),
            any::<u8>(),
            any::<u64>(),
            digest(),
            any::<u64>(),
        )
            .prop_map(move |(step, status, milliseconds, output, size)| Self {
                component: name.clone(),
                step,
                status,
                milliseconds,
                output,
                size,
            })
    }
}
