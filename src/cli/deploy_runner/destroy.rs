//! Destroys a whole ephemeral environment. Shared by `destroy`, `reap`, and deployments that fail
//! to create an environment.

use super::completion::describe_deployment;
use super::preparation::Preparation;
use super::runner::{BuildDeployment, ComponentPlans, DeployRunner, StartedRun};
use crate::cli::progress::DeploymentProgress;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::entry::{self, ComponentChange, Deployment, Target};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, Person};
use crate::domain::policy::Rollback;
use crate::domain::state::{EnvState, Scope};
use crate::ledger::writer::{AppendedEntry, LedgerSnapshot};
use crate::run::execute::RunReport;
use crate::view::grouping::list_or_count;
use crate::view::result_text;

/// Computes the deployment that destroys every component of an environment. Returns `None` if the
/// environment does not exist.
///
/// `check` receives the environment's present state and may refuse to destroy it.
pub fn build_destruction(
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    check: &dyn Fn(EnvState<'_>) -> Result<(), CliError>,
) -> Result<Option<Deployment>, CliError> {
    let state = snapshot
        .load_state(env.ledger(), &Scope::All)
        .context(ErrorKind::CannotTell, "cannot read the ledger")?;
    let env_state = env.state_in(&state);
    if !env_state.exists() {
        return Ok(None);
    }
    check(env_state)?;
    let removal = |(component, commit): (&ComponentName, CommitId)| {
        let target = Target::new(component.clone(), commit, None);
        ComponentChange::new(target, env_state.commit(component))
    };
    let components = env_state
        .present_commits()
        .into_iter()
        .map(removal)
        .collect();
    Ok(Some(Deployment::new(
        entry::DeploymentKind::Destroy,
        components,
    )))
}

/// A destruction that was carried out and recorded.
pub struct Destruction {
    /// The finish entry.
    pub finish: AppendedEntry,
    /// An error if not every component was destroyed.
    pub result: Result<(), CliError>,
}

/// Creates the error for an environment that another process destroyed after this command found it.
/// The kind is "cannot tell": nothing refuses the request, but this command cannot report whether
/// the other process destroyed every component.
pub fn make_gone_error(env: &EnvRef) -> CliError {
    CliError::new(
        ErrorKind::CannotTell,
        format!("{} is already destroyed", env.name()),
    )
}

impl DeployRunner<'_> {
    /// Checks the rules, calls `confirm`, and destroys the environment unless `confirm` fails.
    pub fn destroy(
        &self,
        person: &Person,
        build: &BuildDeployment<'_>,
        confirm: &dyn Fn() -> Result<(), CliError>,
    ) -> Result<Destruction, CliError> {
        let deployment = self.check_rules(person, build)?;
        self.check_approvals(person, build, &deployment, &ComponentPlans::new())?;
        self.report_without_destroy(&deployment);
        confirm()?;
        let preparation = Preparation::new(self, &deployment)?;
        let progress = DeploymentProgress::new(self.ui, preparation.name_width);
        let run = self.write_start(build, &deployment, &ComponentPlans::new())?;
        let (finish, report) =
            self.execute_run(&preparation, &progress, &run, &ComponentPlans::new())?;
        Ok(Destruction {
            finish,
            result: self.report_outcome(entry::DeploymentKind::Destroy, &report, false),
        })
    }

    /// Prints the components that have no destroy command in the policy. Files that belong to no
    /// component never need one.
    fn report_without_destroy(&self, deployment: &Deployment) {
        let policy = &self.workspace.policy;
        let lacks_command =
            |name: &&ComponentName| policy.component(name).is_none_or(|it| it.destroy.is_none());
        let names = deployment
            .components
            .iter()
            .map(|change| &change.target.component);
        let names = names
            .filter(lacks_command)
            .filter(|name| **name != ComponentName::rest());
        let names: Vec<&str> = names.map(ComponentName::as_str).collect();
        if !names.is_empty() {
            self.ui.print_sentence(format_args!(
                "The policy has no destroy command for {}: nothing is executed, and only the ledger is updated.",
                list_or_count(&names)
            ));
        }
    }

    /// Returns whether this run failed to create an ephemeral environment. Such an environment is
    /// destroyed.
    pub(super) fn is_failed_creation(&self, run: &StartedRun, report: &RunReport) -> bool {
        let deployment = &run.deployment;
        let is_creation = matches!(
            deployment.kind,
            entry::DeploymentKind::Deploy | entry::DeploymentKind::Hotfix
        ) && deployment
            .components
            .iter()
            .all(|change| change.from.is_none());
        if self.env.member().is_none()
            || !is_creation
            || report.errors.is_empty()
            || report.owner_unknown.is_some()
            || report.config_changed.is_some()
        {
            return false;
        }
        let has_only_this_deployment = || -> Result<bool, CliError> {
            let state = Workspace::open(self.ui)?.read_state(self.env.ledger(), &Scope::All)?;
            let env_state = self.env.state_in(&state);
            let is_deployed_here = |name: &ComponentName| {
                deployment
                    .components
                    .iter()
                    .any(|it| it.target.component == *name)
            };
            Ok(env_state.runs().is_empty()
                && env_state.components().into_keys().all(is_deployed_here))
        };
        // If the state cannot be read, the environment is left for a person to destroy.
        has_only_this_deployment().unwrap_or(false)
    }

    /// Destroys the environment that a run failed to create. Only prints the command if the policy
    /// has `rollback = "manual"` or the run was interrupted.
    pub(super) fn undo_creation(&self, failed: &AppendedEntry) {
        let (ui, name) = (self.ui, self.env.name());
        let rules = self.workspace.policy.environment(name);
        let is_manual = rules.is_some_and(|rules| rules.rollback == Rollback::Manual);
        let print_command = |sentence: &str| {
            ui.eprint(ui.format_with_command(sentence, &format!("git deploy destroy {name}")));
        };
        if is_manual || self.cancellation.is_draining() {
            return print_command(&format!("{name} is left as it is. To destroy it"));
        }
        ui.print_sentence(format_args!(
            "{name} did not exist before, so it is destroyed."
        ));
        match self.destroy_created(&failed.statement.by) {
            Ok(Destruction { finish, result }) => {
                ui.print_sentence(result_text::summarize_deployment(
                    name.as_str(),
                    entry::DeploymentKind::Destroy,
                    &finish.statement.component_results(),
                ));
                if result.is_err() {
                    print_command("To continue");
                }
            }
            Err(failure) => {
                ui.eprint_sentence(format_args!(
                    "{} failed.",
                    describe_deployment(entry::DeploymentKind::Destroy, name)
                ));
                failure
                    .render(ui.width())
                    .into_iter()
                    .for_each(|text| ui.eprint(text));
                print_command("To destroy it");
            }
        }
    }

    fn destroy_created(&self, person: &Person) -> Result<Destruction, CliError> {
        // Opens the ledgers again: `self.workspace` was opened before the finish entry was written.
        let workspace = Workspace::open(self.ui)?;
        let runner = DeployRunner::with_cancellation(
            self.ui,
            &workspace,
            self.env,
            self.options,
            std::sync::Arc::clone(&self.cancellation),
        )
        .with_inputs(self.inputs.clone());
        let build = |snapshot: &LedgerSnapshot<'_>| {
            build_destruction(self.env, snapshot, &|_| Ok(()))?
                .ok_or_else(|| make_gone_error(self.env))
        };
        runner.destroy(person, &build, &|| Ok(()))
    }
}
