//! Refuses a deployment whose scripts cannot be executed, before it starts.

use super::preparation::Preparation;
use super::runner::DeployRunner;
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::command_line::quote_word;
use crate::domain::entry::Deployment;
use crate::run::execute::prepare_job;
use crate::run::script_check::{ScriptFault, find_fault};

impl DeployRunner<'_> {
    /// Fails if a command of the policy is a call of a script that cannot be executed.
    pub(super) fn require_scripts(
        &self,
        preparation: &Preparation<'_>,
        deployment: &Deployment,
    ) -> Result<(), CliError> {
        for change in deployment.changed() {
            let component = &change.target.component;
            let Some(policy) = self.workspace.policy.component(component) else {
                continue;
            };
            let commands = if change.is_removal() {
                [("destroy", &policy.destroy), ("", &None)]
            } else {
                [("apply", &policy.apply), ("verify", &policy.verify)]
            };
            let commands = commands.map(|(key, command)| Some((key, command.as_ref()?)));
            let mut commands = commands.into_iter().flatten().peekable();
            if commands.peek().is_none() {
                continue;
            }
            let job = prepare_job(&preparation.work_dirs, change).context(
                ErrorKind::CannotTell,
                format!("cannot read the files of {component}"),
            )?;
            for (key, command) in commands {
                let fault = find_fault(&self.workspace.repository, &job, command);
                if let Some(fault) = fault {
                    let message = format!("nothing was started: {key} of {component} cannot run");
                    return Err(explain_fault(message, &fault));
                }
            }
        }
        Ok(())
    }
}

/// Returns the error for a script that cannot be executed.
fn explain_fault(message: String, fault: &ScriptFault) -> CliError {
    let error = CliError::new(ErrorKind::Command, message).because(fault.to_string());
    match fault {
        ScriptFault::NotExecutable(path) => {
            error.hint(format!("git update-index --chmod=+x {}", quote_word(path)))
        }
        _ => error,
    }
}
