//! Collects the commands that a run carries out, for its `finish` entry.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::process::CommandResult;
use crate::domain::entry::{CommandRecord, CommandStep, MAX_COMMANDS};
use crate::domain::name::ComponentName;

/// The commands of a run, in the order in which they ended. Several threads add to it.
///
/// If there are more commands than an entry can list, keeps the last ones, because they decided the
/// outcome.
#[derive(Debug, Default)]
pub struct CommandLog(Mutex<VecDeque<CommandRecord>>);

impl CommandLog {
    /// Adds a command that has ended.
    pub fn add(&self, component: &ComponentName, step: CommandStep, result: &CommandResult) {
        let mut commands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if commands.len() == MAX_COMMANDS {
            commands.pop_front();
        }
        commands.push_back(CommandRecord {
            component: component.clone(),
            step,
            status: result.end.shell_status(),
            milliseconds: u64::try_from(result.duration.as_millis()).unwrap_or(u64::MAX),
            output: result.output.lines_digest.clone(),
            size: result.output.lines_size,
        });
    }

    /// Returns the commands.
    pub fn into_commands(self) -> Vec<CommandRecord> {
        let commands = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        commands.into()
    }
}
