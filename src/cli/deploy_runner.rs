//! Runs deployments from the first check of the rules to the finish entry. Shared by `run`,
//! `promote`, `rollback` and, in part, `resume`.
//!
//! The start entry is the lock. A run that has a start always writes a finish, unless another
//! client has taken the run over.

mod checks;
mod completion;
mod destroy;
mod notifications;
mod preparation;
mod run_ownership;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::append_report;
use super::deployment_request::Place;
use super::progress::DeploymentProgress;
use super::read_context;
use super::workspace::Workspace;
use super::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::clock;
use crate::domain::entry::{Action, Deployment, Record, Start};
use crate::domain::id::RunId;
use crate::domain::name::{ComponentName, Person};
use crate::domain::plan::PlanResult;
use crate::domain::policy::{Bind, NotifyEvent};
use crate::ledger::writer::{AppendOptions, AppendedEntry, EntryDraft, LedgerSnapshot};
use crate::run::cancellation::Cancellation;
use crate::run::command_env::CommandEnv;
use crate::run::component_steps::StepRunner;
use crate::run::execute::{self, DeployTask, RunReport};
use crate::run::notify::Notice;
use crate::run::outcome;
use crate::view::result_text;

pub use destroy::compose_destruction;
use notifications::Notifications;
pub use preparation::Preparation;

/// How a deployment is carried out: the options of every command that does.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RunOptions {
    /// Start no further steps after the first failure
    #[arg(hide_short_help = true, long)]
    pub fail_fast: bool,
    /// Process up to N components at once. Defaults to the policy's `parallel`
    #[arg(hide_short_help = true, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub parallel: Option<u32>,
}

/// Runs a deployment to one environment.
pub struct DeployRunner<'a> {
    /// Output, options and prompts.
    pub ui: &'a Ui,
    /// The repository and its project.
    pub workspace: &'a Workspace,
    /// The environment to deploy to.
    pub place: &'a Place,
    /// Who asked for the deployment, if it was another person than the signer.
    pub requested_by: Option<&'a Person>,
    /// The options of the run.
    pub options: &'a RunOptions,
    /// Whether the user has asked to stop.
    pub stop: Arc<Cancellation>,
    notifications: Notifications<'a>,
}

/// Computes the deployment from the present state of the ledger.
pub type ComposeDeployment<'a> = dyn Fn(&LedgerSnapshot<'_>) -> Result<Deployment, CliError> + 'a;

/// The plan of each component that was planned.
pub type ComponentPlans = BTreeMap<ComponentName, PlanResult>;

/// A run whose start is written.
pub struct StartedRun {
    /// The sequence number of its start.
    pub sequence: u64,
    /// The id that the run's entries carry.
    pub run: RunId,
    /// The deployment that its start asks for.
    pub deployment: Deployment,
}

/// Installs the handler of Ctrl-C and returns the flag that it sets.
pub fn handle_interrupts() -> Result<Arc<Cancellation>, CliError> {
    let stop = Arc::new(Cancellation::default());
    let told = |stop: &Cancellation| {
        let words = if stop.is_killing() {
            "interrupted: cancelling the running steps"
        } else {
            "interrupted: running steps finish and no new ones start; press Ctrl-C again to cancel them"
        };
        // If standard error is closed, the message is lost.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{words}\n").as_bytes());
    };
    stop.listen_for_signals(told)
        .context(ErrorKind::CannotTell, "cannot listen to signals")?;
    Ok(stop)
}

impl<'a> DeployRunner<'a> {
    /// Returns a runner for a deployment to `place`. Ctrl-C stops it from now on.
    ///
    /// # Errors
    ///
    /// Fails if the signal handler cannot be installed.
    pub fn new(
        ui: &'a Ui,
        workspace: &'a Workspace,
        place: &'a Place,
        carrying: &'a RunOptions,
    ) -> Result<Self, CliError> {
        Ok(Self::with_stop(
            ui,
            workspace,
            place,
            carrying,
            handle_interrupts()?,
        ))
    }

    /// Returns a runner that is part of a larger operation and shares its stop flag.
    pub fn with_stop(
        ui: &'a Ui,
        workspace: &'a Workspace,
        place: &'a Place,
        carrying: &'a RunOptions,
        stop: Arc<Cancellation>,
    ) -> Self {
        Self {
            ui,
            workspace,
            place,
            requested_by: None,
            options: carrying,
            stop,
            notifications: Notifications::new(ui),
        }
    }

    /// Sets the person who asked for the deployment.
    #[must_use]
    pub fn with_requester(self, person: Option<&'a Person>) -> Self {
        Self {
            requested_by: person,
            ..self
        }
    }
}

impl DeployRunner<'_> {
    /// Checks the rules, plans, asks the user, and runs the deployment to its finish.
    pub fn deploy(&self, person: &Person, compose: &ComposeDeployment<'_>) -> Result<(), CliError> {
        let deployment = self.check_rules(person, compose)?;
        if deployment.changed().next().is_none() {
            return self.record_unchanged(compose);
        }
        self.check_commands(&deployment)?;
        if !self.ui.can_ask() {
            // Fails now rather than after all the plans have been made.
            return self.ui.confirm("Continue?").map(drop);
        }
        let stage = Preparation::new(self, &deployment)?;
        let planning = DeploymentProgress::for_planning(self.ui, stage.name_width);
        let surroundings = self.command_env(&stage, None)?;
        let crew = StepRunner {
            command_env: &surroundings,
            cancellation: &self.stop,
            observer: &planning,
        };
        let plans = execute::make_plans(&deployment, (&stage.work_dirs, &crew), self.parallel());
        self.print_plans(&deployment, &plans)?;
        self.check_plans(&deployment, &plans)?;
        self.notify(
            NotifyEvent::PlanReady,
            person,
            &add_plans(deployment.clone(), &plans),
            |notice| notice,
        );
        self.check_approvals(person, compose, &deployment, &plans)?;
        if !self.confirm("Continue?")? {
            return Err(CliError::new(ErrorKind::Denied, "nothing was deployed"));
        }
        let begun = self.write_start(compose, &deployment, &plans)?;
        self.run_to_finish(
            &stage,
            &DeploymentProgress::new(self.ui, stage.name_width),
            &begun,
            &plans,
        )
    }

    /// Asks the user a question. Ctrl-C at the prompt fails with "nothing was deployed".
    pub fn confirm(&self, question: &str) -> Result<bool, CliError> {
        let agreed = self
            .ui
            .confirm_unless(&|| self.stop.is_draining(), question)?;
        if self.stop.is_draining() {
            return Err(self.explain_interruption());
        }
        Ok(agreed)
    }

    fn explain_interruption(&self) -> CliError {
        CliError::new(
            ErrorKind::Command,
            format!("interrupted: nothing was deployed to {}", self.place.name),
        )
    }

    /// Plans a deployment and does no more. With `quiet`, prints no progress.
    pub fn plan(&self, deployment: &Deployment, quiet: bool) -> Result<ComponentPlans, CliError> {
        let stage = Preparation::new(self, deployment)?;
        let progress = if quiet {
            DeploymentProgress::hidden(self.ui)
        } else {
            DeploymentProgress::for_planning(self.ui, stage.name_width)
        };
        let surroundings = self.command_env(&stage, None)?;
        let crew = StepRunner {
            command_env: &surroundings,
            cancellation: &self.stop,
            observer: &progress,
        };
        Ok(execute::make_plans(
            deployment,
            (&stage.work_dirs, &crew),
            self.parallel(),
        ))
    }

    /// Records a deployment in which nothing changes: the commit already has the content that runs.
    fn record_unchanged(&self, compose: &ComposeDeployment<'_>) -> Result<(), CliError> {
        let appended = self.append(&|view| {
            let deployment = compose(view)?;
            if deployment.changed().next().is_some() {
                return Err(explain_outdated_plan("the running version has changed"));
            }
            let said = outcome::OutcomeReport {
                outcome: outcome::OutcomeArg::Succeeded,
                outcomes: BTreeMap::new(),
                verification: crate::domain::entry::VerificationResult::None,
                verifications: BTreeMap::new(),
            };
            let results = outcome::resolve_results(&deployment.components, &said)
                .context(ErrorKind::CannotTell, "cannot record it")?;
            Ok(Action::Record(Record {
                deployment,
                results,
                logs: Vec::new(),
            }))
        })?;
        append_report::report_entry(
            self.ui,
            &result_text::summarize_outcomes(
                self.place.name.as_str(),
                &appended.statement.component_results(),
            ),
            &appended,
        )
    }

    /// Writes the start entry of the deployment that was planned. The start is the lock.
    ///
    /// # Errors
    ///
    /// Fails if the policy or the running components changed since the plans were made.
    pub fn write_start(
        &self,
        compose: &ComposeDeployment<'_>,
        shown: &Deployment,
        plans: &ComponentPlans,
    ) -> Result<StartedRun, CliError> {
        let run = RunId(clock::random().context(ErrorKind::CannotTell, "cannot begin a run")?);
        let appended = self.append(&|view| {
            let deployment = add_plans(compose(view)?, plans);
            self.check_unchanged(view, shown, &deployment)?;
            Ok(Action::Start(Start { run, deployment }))
        })?;
        let Action::Start(start) = &appended.statement.action else {
            return Err(CliError::reported(ErrorKind::CannotTell));
        };
        let sequence = appended.statement.sequence;
        self.notify(
            NotifyEvent::Started,
            &appended.statement.by,
            &start.deployment,
            |notice| Notice {
                run: Some(run),
                entry: Some(appended.id),
                ..notice
            },
        );
        Ok(StartedRun {
            sequence,
            run,
            deployment: start.deployment.clone(),
        })
    }

    /// Plans the changes of a run that was taken over.
    ///
    /// If approvals bind plans, drops each plan that neither matches the approved one nor is empty.
    pub fn replan(
        &self,
        stage: &Preparation<'_>,
        progress: &DeploymentProgress<'_>,
        begun: &StartedRun,
    ) -> Result<ComponentPlans, CliError> {
        let surroundings = self.command_env(stage, Some(begun.run))?;
        let crew = StepRunner {
            command_env: &surroundings,
            cancellation: &self.stop,
            observer: progress,
        };
        let mut plans = execute::make_plans(
            &begun.deployment,
            (&stage.work_dirs, &crew),
            self.parallel(),
        );
        if self.binds_plans() {
            let bound = |component: &ComponentName| {
                let change = begun
                    .deployment
                    .components
                    .iter()
                    .find(|change| change.target.component == *component);
                change.and_then(|change| change.plan.as_ref())
            };
            // Without a plan the component counts as changed, and is not applied.
            plans.retain(|component, planned| match planned {
                PlanResult::Planned(made) => {
                    made.is_empty() || Some(&made.digest) == bound(component)
                }
                _ => true,
            });
        }
        Ok(plans)
    }

    /// Applies the plans, verifies the result, rolls back failed components, writes the finish, and
    /// reports the outcome.
    pub fn run_to_finish(
        &self,
        stage: &Preparation<'_>,
        progress: &DeploymentProgress<'_>,
        begun: &StartedRun,
        plans: &ComponentPlans,
    ) -> Result<(), CliError> {
        let (appended, mut report) = self.execute_run(stage, progress, begun, plans)?;
        let (name, kind) = (self.place.name.as_str(), begun.deployment.kind);
        append_report::report_entry(
            self.ui,
            &result_text::summarize_deployment(name, kind, &appended.statement.component_results()),
            &appended,
        )?;
        if self.is_failed_creation(begun, &report) {
            // There was no earlier release to roll back to.
            report.not_rolled_back.clear();
            self.undo_creation(&appended);
        } else {
            append_report::report_holds(self.ui, &self.place.name, &appended);
        }
        if report.is_success() {
            self.advance_branch(&begun.deployment);
        }
        self.report_outcome(kind, &report)
    }

    /// Applies the plans, verifies the result, rolls back failed components, and writes the finish.
    ///
    /// # Errors
    ///
    /// Fails without writing anything if another client has taken the run over.
    fn execute_run(
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
        let foresight = checks::PlanPrompt {
            ui: self.ui,
            progress,
            stop: &self.stop,
        };
        let mut ours = run_ownership::RunOwnership::new(self, begun);
        let report =
            execute::apply_deployment(&task, &stage.work_dirs, &foresight, &mut || ours.check());
        if let Some(why) = &report.taken_over {
            return Err(CliError::new(
                ErrorKind::CannotTell,
                "another process has taken over the run: nothing more is recorded",
            )
            .because(why.clone())
            .hint(format!("git deploy status {}", self.place.name)));
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
                    let name = &self.place.name;
                    self.ui.eprint_sentence(format_args!(
                        "Run {sequence} in {name} has ended, but its result is not recorded."
                    ));
                    return Err(failure.hint(format!("git deploy resume {name}")));
                }
                Ok(appended) => return Ok(appended),
            }
        }
    }

    /// Writes one entry.
    pub fn append(
        &self,
        action: &dyn Fn(&LedgerSnapshot<'_>) -> Result<Action, CliError>,
    ) -> Result<AppendedEntry, CliError> {
        self.append_with(AppendOptions::default(), action)
    }

    fn append_with(
        &self,
        manner: AppendOptions,
        action: &dyn Fn(&LedgerSnapshot<'_>) -> Result<Action, CliError>,
    ) -> Result<AppendedEntry, CliError> {
        self.workspace
            .append(self.ui, &self.place.ledger, manner, &|view| {
                Ok(self.build_draft(action(view)?))
            })
    }

    fn build_draft(&self, action: Action) -> EntryDraft {
        let requested_by = self.requested_by.cloned();
        EntryDraft {
            environment: self.place.named.clone(),
            requested_by,
            ..action.into()
        }
    }

    /// Returns the environment variables and secrets that the policy's commands get.
    pub fn command_env<'s>(
        &'s self,
        stage: &Preparation<'s>,
        run: Option<RunId>,
    ) -> Result<CommandEnv<'s>, CliError> {
        let (name, rules) = self.workspace.find_environment(self.place.name.as_str())?;
        let good = stage
            .last_good
            .iter()
            .map(|(name, release)| (name.clone(), release.target.commit))
            .collect();
        // The workspace found the name under this environment.
        debug_assert_eq!(name, self.place.name);
        Ok(CommandEnv {
            policy: &self.workspace.policy,
            name: &self.place.name,
            rules,
            run,
            last_good: good,
        })
    }

    /// Returns how many components are processed at once: from `--parallel`, else from the policy.
    pub fn parallel(&self) -> usize {
        let rules = self.workspace.policy.environment(&self.place.name);
        let parallel = self
            .options
            .parallel
            .or(rules.map(|rules| rules.parallel))
            .unwrap_or(1);
        parallel as usize
    }

    /// Returns whether some approval requirement accepts only approvals of a plan.
    pub fn binds_plans(&self) -> bool {
        let rules = self.workspace.policy.environment(&self.place.name);
        rules.is_some_and(|rules| rules.approvals.iter().any(|seat| seat.bind == Bind::Plan))
    }

    /// Reads the environment's present state, as the reading commands do.
    pub fn read_environment(&self) -> Result<read_context::Place<'_>, CliError> {
        let mut places =
            read_context::read_environments(self.workspace, Some(self.place.name.as_str()))?;
        places
            .pop()
            .ok_or_else(|| CliError::reported(ErrorKind::CannotTell))
    }
}

/// Returns the deployment with the digest of its plan in each change.
pub fn add_plans(mut deployment: Deployment, plans: &ComponentPlans) -> Deployment {
    for change in &mut deployment.components {
        if let Some(PlanResult::Planned(made)) = plans.get(&change.target.component) {
            change.plan = Some(made.digest.clone());
        }
    }
    deployment
}

/// Returns the error for a state that has changed since the plans were made.
fn explain_outdated_plan(what: &str) -> CliError {
    CliError::new(
        ErrorKind::CannotTell,
        format!("{what} since the plan was made: nothing was started"),
    )
    .hint("repeat the command")
}
