//! `git deploy status --exit-code`: compares environments with their branches.

use std::collections::BTreeSet;

use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, read_context};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::view::status::StatusReport;

/// Returns the components whose content in the environment differs from its branch, or is unknown.
///
/// # Errors
///
/// Fails if this clone does not have the branch.
pub(super) fn find_differing(
    workspace: &Workspace,
    snapshot: &read_context::EnvironmentSnapshot<'_>,
    branch: Option<(&str, CommitId)>,
    only: Option<&ComponentName>,
) -> Result<Vec<ComponentName>, CliError> {
    let name = snapshot.name();
    let (branch, tip) = branch.ok_or_else(|| {
        CliError::new(
            ErrorKind::CannotTell,
            format!("this clone has no branch to compare {name} with"),
        )
        .hint("git fetch")
    })?;
    let (state, gatherer) = (snapshot.state(), workspace.gatherer());
    let mut components: BTreeSet<ComponentName> = state.components().into_keys().cloned().collect();
    components.extend(workspace.policy.component_names());
    let mut differing = Vec::new();
    for component in components
        .into_iter()
        .filter(|it| only.is_none_or(|only| it == only))
    {
        let content = gatherer.content(&workspace.policy, tip, &component);
        let content = content.context(
            ErrorKind::CannotTell,
            format!("cannot tell the content of {component} in {branch}"),
        )?;
        if content != state.content(&component) || state.unknown_since(&component).is_some() {
            differing.push(component);
        }
    }
    Ok(differing)
}

/// Prints the environments that differ from their branches, and fails if there are any.
pub(super) fn report_differences(report: &StatusReport, ui: &Ui) -> Result<(), CliError> {
    let mut has_difference = false;
    for environment in &report.environments {
        let Some(differing) = environment
            .differing_components
            .as_ref()
            .filter(|components| !components.is_empty())
        else {
            continue;
        };
        has_difference = true;
        let branch = environment
            .branch
            .as_ref()
            .or(report.branch.as_ref())
            .map_or("its branch", String::as_str);
        let names: Vec<&str> = differing.iter().map(ComponentName::as_str).collect();
        ui.eprint_sentence(format_args!(
            "{} differs from {branch}: {}",
            environment.name,
            names.join(", ")
        ));
    }
    if has_difference {
        Err(CliError::reported(ErrorKind::Denied))
    } else {
        Ok(())
    }
}
