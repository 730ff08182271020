//! Executes a run after its start entry is written, and writes its end.

use super::preparation::Preparation;
use super::run_ownership::RunOwnership;
use super::runner::{ComponentPlans, DeployRunner, StartedRun};
use crate::cli::progress::DeploymentProgress;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::entry::{Action, CommandRecord, Finish, MAX_BYTES};
use crate::domain::name::ComponentName;
use crate::domain::plan::PlanOutput;
use crate::ledger::writer::{AppendOptions, AppendedEntry};
use crate::run::cancellation::Cancellation;
use crate::run::command_log::CommandLog;
use crate::run::component_steps::StepRunner;
use crate::run::execute::{self, DeployTask, RunCallbacks, RunReport, StopReason};
use crate::run::outcome;

/// Asks the user whether to apply a plan that differs from the one shown before.
struct PlanPrompt<'a> {
    ui: &'a Ui,
    progress: &'a DeploymentProgress<'a>,
    cancellation: &'a Cancellation,
}

impl RunCallbacks for PlanPrompt<'_> {
    fn accepts_plan(&self, component: &ComponentName, plan_output: &PlanOutput) -> bool {
        let plan = plan_output.as_terraform().map_or_else(
            || plan_output.text.clone(),
            |plan| plan.action_counts().to_string(),
        );
        self.progress
            .print(&format!("new plan of {component}: {plan}"));
        self.progress.suspend(|| {
            let question = format!("The plan of {component} has changed. Apply the new plan?");
            self.ui
                .confirm_unless(&|| self.cancellation.is_draining(), &question)
                .unwrap_or(false)
        })
    }
}

impl DeployRunner<'_> {
    /// Applies the plans, verifies the result, rolls back failed components, and writes the finish
    /// entry. Returns the entry and the report of the run.
    ///
    /// # Errors
    ///
    /// Fails without writing anything if another client has taken the run over.
    pub(super) fn execute_run(
        &self,
        preparation: &Preparation<'_>,
        progress: &DeploymentProgress<'_>,
        run: &StartedRun,
        plans: &ComponentPlans,
    ) -> Result<(AppendedEntry, RunReport), CliError> {
        let command_env = self.command_env(preparation, Some(run.run))?;
        let commands = CommandLog::default();
        let step_runner = StepRunner {
            command_env: &command_env,
            cancellation: &self.cancellation,
            observer: progress,
            commands: Some(&commands),
            is_rollback: false,
        };
        let task = DeployTask {
            deployment: &run.deployment,
            runner: &step_runner,
            plans,
            last_good: &preparation.find_rollback_targets(&run.deployment),
            parallel: self.parallel(),
            fail_fast: self.options.fail_fast,
            plans_are_bound: self.binds_plans(),
        };
        let prompt = PlanPrompt {
            ui: self.ui,
            progress,
            cancellation: &self.cancellation,
        };
        let mut ownership = RunOwnership::new(self, run);
        let mut check = || match preparation.find_config_change() {
            Some(what) => Err(StopReason::ConfigChanged(what)),
            None => ownership.check(),
        };
        let work_dirs = &preparation.work_dirs;
        let mut report = execute::apply_deployment(&task, work_dirs, &prompt, &mut check);
        report.config_changed = report
            .config_changed
            .or_else(|| preparation.find_config_change());
        if let Some(why) = &report.taken_over {
            return Err(CliError::new(
                ErrorKind::CannotTell,
                "another process has taken over the run: nothing more is recorded",
            )
            .because(why.clone())
            .hint(format!("git deploy status {}", self.env.name())));
        }
        let appended = self.write_finish(run, &report, commands.into_commands())?;
        self.notify_end(run, &report, &appended);
        Ok((appended, report))
    }

    fn write_finish(
        &self,
        run: &StartedRun,
        report: &RunReport,
        commands: Vec<CommandRecord>,
    ) -> Result<AppendedEntry, CliError> {
        let finish = outcome::build_finish(
            run.sequence,
            run.run,
            &run.deployment,
            report.results.clone(),
        );
        let finish = add_commands(finish, commands);
        let next = format!("git deploy resume {}", self.env.name());
        self.write_end(run.sequence, &Action::Finish(finish), &next)
    }

    /// Writes the entry that ends a run. Retries for about half a minute, so that a short outage of
    /// the remote does not leave the run open. `next` is the command to type if it cannot be written.
    pub fn write_end(
        &self,
        sequence: u64,
        end: &Action,
        next: &str,
    ) -> Result<AppendedEntry, CliError> {
        const RETRIES: u32 = 5;
        let mut retries = 0;
        loop {
            match self.append_with(
                AppendOptions {
                    unanswered_retries: RETRIES,
                    ..AppendOptions::default()
                },
                &|_| Ok(end.clone()),
            ) {
                Err(error)
                    if error.kind() == ErrorKind::CannotTell
                        && retries < RETRIES
                        && !self.cancellation.is_killing() =>
                {
                    // Waits for 1, 2, 4, 8 and 16 seconds.
                    std::thread::sleep(std::time::Duration::from_secs(1 << retries));
                    retries += 1;
                }
                Err(error) => {
                    let name = self.env.name();
                    self.ui.eprint_sentence(format_args!(
                        "Run {sequence} in {name} has ended, but its result is not recorded."
                    ));
                    return Err(error.hint(next));
                }
                Ok(appended) => return Ok(appended),
            }
        }
    }
}

/// The number of bytes of an entry that are reserved for the parts outside the `finish` action, such
/// as the signer, the tips of other ledgers and the subjects of the commits.
const RESERVED_BYTES: usize = MAX_BYTES / 2;

/// Adds the commands that a run executed. Leaves them out if the entry could become too large, because
/// it must be possible to finish every run.
fn add_commands(finish: Finish, commands: Vec<CommandRecord>) -> Finish {
    let with_commands = Finish { commands, ..finish };
    let size = serde_json::to_vec_pretty(&with_commands).map_or(usize::MAX, |bytes| bytes.len());
    if size <= MAX_BYTES - RESERVED_BYTES {
        return with_commands;
    }
    Finish {
        commands: Vec::new(),
        ..with_commands
    }
}
