//! Shared by `run`, `promote` and `rollback`: reports the components that a run leaves out.

use std::cell::OnceCell;

use super::deployment_request::explain_selection_error;
use super::{CliError, ErrorKind, Ui};
use crate::domain::count::choose;
use crate::domain::deploy_command::list_deploy_commands;
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::Policy;
use crate::ledger::writer::LedgerSnapshot;
use crate::run::build_deployment::{
    BlockReason, DeploymentSpec, LeftOut, Selection, list_left_out, list_removed_components,
};
use crate::view::check::LeftOutComponent;
use crate::view::grouping::list_or_count;

/// The components that a run leaves out.
#[derive(Default)]
pub struct LeftOutReport {
    /// Set when the components are printed. A deployment can be computed several times, but they are
    /// printed only once.
    components: OnceCell<Vec<LeftOut>>,
    /// The commands that deploy those of them that git-deploy cannot deploy itself.
    commands: OnceCell<Vec<String>>,
}

impl LeftOutReport {
    /// Prints the components that a run leaves out, with the reason, and those that are no longer in
    /// the code. Does nothing if it has printed before, or if the user named the components to deploy.
    pub fn print(
        &self,
        ui: &Ui,
        snapshot: &LedgerSnapshot<'_>,
        policy: &Policy,
        spec: &DeploymentSpec<'_>,
    ) -> Result<(), CliError> {
        let is_of_unblocked = spec.selection == Selection::UnblockedWithDependents;
        if !is_of_unblocked && !spec.leaves_out_manual || self.components.get().is_some() {
            return Ok(());
        }
        if is_of_unblocked {
            print_removed(ui, snapshot, policy, spec)?;
        }
        let left_out = list_left_out(snapshot, policy, spec)
            .map_err(|error| explain_selection_error(policy, error))?;
        let commands = record_commands(policy, spec, &left_out);
        for component in self.components.get_or_init(|| left_out) {
            ui.eprint_sentence(format_args!("{component}."));
        }
        for command in self.commands.get_or_init(|| commands) {
            ui.eprint(format!("  → {command}"));
        }
        Ok(())
    }

    /// Returns the components in the form of a document.
    pub fn to_documents(&self) -> Vec<LeftOutComponent> {
        let components = self.components.get();
        components.into_iter().flatten().map(Into::into).collect()
    }

    /// Checks, after a successful deployment, that it left no component out.
    ///
    /// # Errors
    ///
    /// Fails if a component was left out, because the deployment is then only partial.
    pub fn require_none(&self, name: &EnvName) -> Result<(), CliError> {
        let names: Vec<&str> = self
            .components
            .get()
            .into_iter()
            .flatten()
            .map(|it| it.component.as_str())
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        let verb = choose(names.len(), "was", "were");
        let message = format!(
            "the deployment to {name} is partial: {} {verb} not deployed",
            list_or_count(&names)
        );
        let commands = self.commands.get().into_iter().flatten().cloned();
        let error = commands.fold(CliError::new(ErrorKind::Partly, message), CliError::hint);
        Err(error.hint(format!("git deploy status {name}")))
    }
}

/// Prints the components that run, but that the commit no longer has.
fn print_removed(
    ui: &Ui,
    snapshot: &LedgerSnapshot<'_>,
    policy: &Policy,
    spec: &DeploymentSpec<'_>,
) -> Result<(), CliError> {
    let removed = list_removed_components(snapshot, policy, spec)
        .map_err(|error| explain_selection_error(policy, error))?;
    if !removed.is_empty() {
        let names: Vec<&str> = removed.iter().map(ComponentName::as_str).collect();
        let pronoun = choose(names.len(), "it", "them");
        ui.eprint_sentence(format_args!(
            "No longer in the code, but not removed: {}. Use --destroy to remove {pronoun}.",
            names.join(", ")
        ));
    }
    Ok(())
}

/// Returns the commands that deploy the components that git-deploy cannot deploy itself, one for each
/// commit.
fn record_commands(
    policy: &Policy,
    spec: &DeploymentSpec<'_>,
    left_out: &[LeftOut],
) -> Vec<String> {
    let manual = left_out.iter().filter(|it| {
        matches!(it.reason, BlockReason::NoCommand(_)) && it.blocked_dependency.is_none()
    });
    let components = manual.map(|it| (it.commit, it.is_removal, &it.component));
    let options = "-- COMMAND";
    list_deploy_commands(policy, spec.env.name(), spec.kind, options, components)
}
