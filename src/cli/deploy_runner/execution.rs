//! Applies the plans of a run whose start is written, and writes its finish.

use super::preparation::Preparation;
use super::run_ownership::RunOwnership;
use super::runner::{ComponentPlans, DeployRunner, StartedRun};
use crate::cli::progress::DeploymentProgress;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::entry::Action;
use crate::domain::name::ComponentName;
use crate::domain::plan::PlanOutput;
use crate::ledger::writer::{AppendOptions, AppendedEntry};
use crate::run::cancellation::Cancellation;
use crate::run::component_steps::StepRunner;
use crate::run::execute::{self, DeployTask, RunCallbacks, RunReport};
use crate::run::outcome;

/// Asks the user whether to apply a plan that differs from the one shown before.
struct PlanPrompt<'a> {
    ui: &'a Ui,
    progress: &'a DeploymentProgress<'a>,
    stop: &'a Cancellation,
}

impl RunCallbacks for PlanPrompt<'_> {
    fn accepts_plan(&self, component: &ComponentName, made: &PlanOutput) -> bool {
        let plan = made.as_terraform().map_or_else(
            || made.text.clone(),
            |plan| plan.action_counts().to_string(),
        );
        self.progress
            .print(&format!("new plan of {component}: {plan}"));
        self.progress.suspend(|| {
            let question = format!("The plan of {component} has changed. Apply the new plan?");
            self.ui
                .confirm_unless(&|| self.stop.is_draining(), &question)
                .unwrap_or(false)
        })
    }
}

impl DeployRunner<'_> {
    /// Applies the plans, verifies the result, rolls back failed components, and writes the finish.
    ///
    /// # Errors
    ///
    /// Fails without writing anything if another client has taken the run over.
    pub(super) fn execute_run(
        &self,
        stage: &Preparation<'_>,
        progress: &DeploymentProgress<'_>,
        begun: &StartedRun,
        plans: &ComponentPlans,
    ) -> Result<(AppendedEntry, RunReport), CliError> {
        let surroundings = self.command_env(stage, Some(begun.run))?;
        let crew = StepRunner {
            command_env: &surroundings,
            cancellation: &self.stop,
            observer: progress,
        };
        let task = DeployTask {
            deployment: &begun.deployment,
            runner: &crew,
            plans,
            last_good: &stage.find_rollback_targets(&begun.deployment),
            parallel: self.parallel(),
            fail_fast: self.options.fail_fast,
            plans_are_bound: self.binds_plans(),
        };
        let foresight = PlanPrompt {
            ui: self.ui,
            progress,
            stop: &self.stop,
        };
        let mut ours = RunOwnership::new(self, begun);
        let report =
            execute::apply_deployment(&task, &stage.work_dirs, &foresight, &mut || ours.check());
        if let Some(why) = &report.taken_over {
            return Err(CliError::new(
                ErrorKind::CannotTell,
                "another process has taken over the run: nothing more is recorded",
            )
            .because(why.clone())
            .hint(format!("git deploy status {}", self.env.name())));
        }
        let appended = self.write_finish(begun, &report)?;
        self.notify_end(begun, &report, &appended);
        Ok((appended, report))
    }

    fn write_finish(
        &self,
        begun: &StartedRun,
        report: &RunReport,
    ) -> Result<AppendedEntry, CliError> {
        let finish = outcome::build_finish(
            begun.sequence,
            begun.run,
            &begun.deployment,
            report.results.clone(),
        );
        self.write_end(begun.sequence, &Action::Finish(finish))
    }

    /// Writes the end of a run. Retries for a while, so that a short outage of the remote does not
    /// leave the run open.
    pub fn write_end(&self, sequence: u64, end: &Action) -> Result<AppendedEntry, CliError> {
        const TRIES: u32 = 5;
        let mut tries = 0;
        loop {
            match self.append_with(
                AppendOptions {
                    unanswered_retries: TRIES,
                    ..AppendOptions::default()
                },
                &|_| Ok(end.clone()),
            ) {
                Err(failure)
                    if failure.kind() == ErrorKind::CannotTell
                        && tries < TRIES
                        && !self.stop.is_killing() =>
                {
                    std::thread::sleep(std::time::Duration::from_secs(1 << tries));
                    tries += 1;
                }
                Err(failure) => {
                    let name = self.env.name();
                    self.ui.eprint_sentence(format_args!(
                        "Run {sequence} in {name} has ended, but its result is not recorded."
                    ));
                    return Err(failure.hint(format!("git deploy resume {name}")));
                }
                Ok(appended) => return Ok(appended),
            }
        }
    }
}
