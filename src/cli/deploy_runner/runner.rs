//! The context of a deployment, shared by all its steps: the environment, the options, and the
//! writing of entries.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::notifications::Notifications;
use crate::cli::args::run::RunOptions;
use crate::cli::deployed_branch::state_branch;
use crate::cli::read_context::{self, EnvironmentSnapshot};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::{Action, Deployment};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::RunId;
use crate::domain::name::{ComponentName, Person};
use crate::domain::plan::PlanResult;
use crate::domain::policy::{Environment, NotifyChannel};
use crate::ledger::writer::{AppendOptions, AppendedEntry, EntryDraft, LedgerSnapshot};
use crate::run::cancellation::Cancellation;
use crate::run::deployment_inputs::DeploymentInputs;

/// Runs a deployment to one environment.
pub struct DeployRunner<'a> {
    /// Output, options and prompts.
    pub ui: &'a Ui,
    /// The repository and its project.
    pub workspace: &'a Workspace,
    /// The environment to deploy to.
    pub env: &'a EnvRef,
    /// Who asked for the deployment, if it was another person than the signer.
    pub requested_by: Option<&'a Person>,
    /// The inputs of the deployment, which its start records.
    pub inputs: DeploymentInputs,
    /// The components that the user named. Suggestions name them too.
    pub named: &'a [ComponentName],
    /// The options of the run.
    pub options: &'a RunOptions,
    /// Set when the user asks to stop.
    pub cancellation: Arc<Cancellation>,
    /// The recipients that get no notification, because they have been notified already.
    pub(super) not_notified: Vec<NotifyChannel>,
    /// Whether to stop before anything is changed.
    pub is_dry_run: bool,
    pub(super) notifications: Notifications<'a>,
}

/// Computes the deployment from the present state of the ledger.
pub type BuildDeployment<'a> = dyn Fn(&LedgerSnapshot<'_>) -> Result<Deployment, CliError> + 'a;

/// The plan of each component that was planned.
pub type ComponentPlans = BTreeMap<ComponentName, PlanResult>;

/// A run whose start entry is written.
pub struct StartedRun {
    /// The sequence number of its start.
    pub sequence: u64,
    /// The id that the run's entries carry.
    pub run: RunId,
    /// The deployment in its start entry.
    pub deployment: Deployment,
}

/// Installs the handler of Ctrl-C and returns the flag that it sets.
pub fn handle_interrupts() -> Result<Arc<Cancellation>, CliError> {
    let cancellation = Arc::new(Cancellation::default());
    let announce = |cancellation: &Cancellation| {
        let message = if cancellation.is_killing() {
            "interrupted: cancelling the running steps"
        } else {
            "interrupted: running steps finish and no new ones start; press Ctrl-C again to cancel them"
        };
        // If standard error is closed, the message is lost.
        let _ =
            std::io::Write::write_all(&mut std::io::stderr(), format!("{message}\n").as_bytes());
    };
    cancellation
        .listen_for_signals(announce)
        .context(ErrorKind::CannotTell, "cannot install the signal handler")?;
    Ok(cancellation)
}

impl<'a> DeployRunner<'a> {
    /// Returns a runner for a deployment to `env`. Ctrl-C stops it from now on.
    ///
    /// # Errors
    ///
    /// Fails if the signal handler cannot be installed.
    pub fn new(
        ui: &'a Ui,
        workspace: &'a Workspace,
        env: &'a EnvRef,
        options: &'a RunOptions,
    ) -> Result<Self, CliError> {
        Ok(Self::with_cancellation(
            ui,
            workspace,
            env,
            options,
            handle_interrupts()?,
        ))
    }

    /// Returns a runner that is part of a larger operation and shares its cancellation flag.
    pub fn with_cancellation(
        ui: &'a Ui,
        workspace: &'a Workspace,
        env: &'a EnvRef,
        options: &'a RunOptions,
        cancellation: Arc<Cancellation>,
    ) -> Self {
        Self {
            ui,
            workspace,
            env,
            requested_by: None,
            inputs: DeploymentInputs::default(),
            named: &[],
            options,
            cancellation,
            not_notified: Vec::new(),
            is_dry_run: false,
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

impl<'a> DeployRunner<'a> {
    /// Sets the components that the user named.
    #[must_use]
    pub fn with_named(self, named: &'a [ComponentName]) -> Self {
        Self { named, ..self }
    }
}

impl DeployRunner<'_> {
    /// Sets the inputs of the deployment.
    #[must_use]
    pub fn with_inputs(self, inputs: DeploymentInputs) -> Self {
        Self { inputs, ..self }
    }

    /// Sets whether to stop before anything is changed. A dry run sends no notifications.
    #[must_use]
    pub fn with_dry_run(self, is_dry_run: bool) -> Self {
        Self { is_dry_run, ..self }
    }

    /// Asks the user a question. Ctrl-C at the prompt fails with "nothing was deployed".
    pub fn confirm(&self, question: &str) -> Result<bool, CliError> {
        let answer = self
            .ui
            .confirm_unless(&|| self.cancellation.is_draining(), question)?;
        if self.cancellation.is_draining() {
            return Err(self.explain_interruption());
        }
        Ok(answer)
    }

    /// Fails if the user has asked to stop before anything was started.
    pub fn require_uninterrupted(&self) -> Result<(), CliError> {
        if self.cancellation.is_draining() {
            return Err(self.explain_interruption());
        }
        Ok(())
    }

    pub(super) fn explain_interruption(&self) -> CliError {
        CliError::new(
            ErrorKind::Command,
            format!("interrupted: nothing was deployed to {}", self.env.name()),
        )
    }

    /// Writes one entry.
    pub fn append(
        &self,
        action: &dyn Fn(&LedgerSnapshot<'_>) -> Result<Action, CliError>,
    ) -> Result<AppendedEntry, CliError> {
        self.append_with(AppendOptions::default(), action)
    }

    pub(super) fn append_with(
        &self,
        options: AppendOptions,
        action: &dyn Fn(&LedgerSnapshot<'_>) -> Result<Action, CliError>,
    ) -> Result<AppendedEntry, CliError> {
        self.workspace
            .append(self.ui, self.env.ledger(), options, &|snapshot| {
                Ok(self.build_draft(action(snapshot)?))
            })
    }

    /// Builds the draft of an entry. Adds the inputs to a start.
    pub(super) fn build_draft(&self, mut action: Action) -> EntryDraft {
        if let Some(deployment) = action.deployment_mut() {
            self.inputs.apply_to(deployment);
            state_branch(self.workspace, self.env, deployment);
        }
        let requested_by = self.requested_by.cloned();
        EntryDraft {
            requested_by,
            ..EntryDraft::in_environment(self.env, action).naming(self.named)
        }
    }

    /// Returns the maximum number of components to process at once: from `--parallel`, else from the
    /// policy.
    pub fn parallel(&self) -> usize {
        let rules = self.workspace.policy.environment(self.env.name());
        let parallel = self
            .options
            .parallel
            .or(rules.map(|rules| rules.parallel))
            .unwrap_or(1);
        parallel as usize
    }

    /// Returns whether at least one approval requirement accepts only approvals that name the plans.
    pub fn binds_plans(&self) -> bool {
        let rules = self.workspace.policy.environment(self.env.name());
        rules.is_some_and(Environment::binds_approvals_to_plans)
    }

    /// Reads the environment's state as of the last sync.
    pub fn read_environment(&self) -> Result<EnvironmentSnapshot<'_>, CliError> {
        read_context::read_environment(self.workspace, self.env.name().as_str())
    }
}

/// Returns the error for a state that has changed since the plans were made. `change` states what
/// has changed.
pub(super) fn explain_outdated_plan(change: &str) -> CliError {
    CliError::new(
        ErrorKind::CannotTell,
        format!("{change} since the plan was made: nothing was started"),
    )
    .hint("repeat the command")
}
