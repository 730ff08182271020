//! What a proposed policy does that its author may not intend: components that still run and are no
//! longer declared, files that now need approval, paths that match no file, former names that are
//! lost.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::dropped_names::find_dropped_names;
use super::missing_emails::describe_missing_emails;
use super::policy_file::ProposedPolicy;
use super::read_context::read_environments;
use super::unmatched_paths::{find_policy_commit, find_unmatched};
use super::workspace::Workspace;
use super::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::count::{choose, count};
use crate::domain::deploy_command::{DeployCommand, carries_out};
use crate::domain::entry::DeploymentKind;
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::{FileOwnership, Policy};
use crate::domain::text::sanitize;
use crate::ledger::facts::PolicyComponent;
use crate::view::wrap;

/// The number of files that a warning names.
const NAMED_FILES: usize = 3;

/// A warning about a proposed policy.
#[derive(Debug, JsonSchema, Serialize)]
pub struct PolicyWarning {
    /// What it is about.
    pub kind: WarningKind,
    /// The warning: one or more sentences.
    pub message: String,
    /// Commands that resolve it, after the policy is published.
    #[serde(rename = "try", skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
}

impl PolicyWarning {
    fn new(kind: WarningKind, message: String) -> Self {
        Self {
            kind,
            message,
            commands: Vec::new(),
        }
    }

    /// Prints the warning and its commands on standard error.
    pub fn print(&self, ui: &Ui) {
        ui.eprint_warning(&self.message);
        for command in &self.commands {
            ui.eprint(wrap::render_command(2, command, ui.width()));
        }
    }
}

/// What a warning about a proposed policy is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum WarningKind {
    /// A component still runs somewhere, but the proposal does not declare it.
    OrphanedComponent,
    /// Components still run in an environment that the proposal does not declare.
    OrphanedEnvironment,
    /// Files that no component covers now need approval, as the component `rest`.
    NewlyGated,
    /// A pattern matches no file.
    UnmatchedPath,
    /// A component loses a former name.
    DroppedName,
    /// Approvers have no `emails`, so they could approve their own commits.
    MissingEmails,
}

/// Finds all warnings about a proposal that replaces the policy `old`, with the files at the commit
/// from which it was read, or at HEAD.
pub fn find_policy_warnings(
    workspace: &Workspace,
    old: &str,
    source: Option<&str>,
    proposal: &ProposedPolicy,
) -> Result<Vec<PolicyWarning>, CliError> {
    let new = &proposal.policy;
    let mut warnings = find_orphans(workspace, new)?;
    if let Ok(old) = Policy::parse(old) {
        warnings.extend(find_newly_gated(workspace, &old, source, new)?);
    }
    let as_warning = |kind| move |message| PolicyWarning::new(kind, message);
    let unmatched = find_unmatched(&workspace.repository, source, proposal)?;
    warnings.extend(
        unmatched
            .into_iter()
            .map(as_warning(WarningKind::UnmatchedPath)),
    );
    let dropped = find_dropped_names(old, new);
    warnings.extend(
        dropped
            .into_iter()
            .map(as_warning(WarningKind::DroppedName)),
    );
    let unrecognized = describe_missing_emails(new, new.all_environments());
    warnings.extend(
        unrecognized
            .into_iter()
            .map(as_warning(WarningKind::MissingEmails)),
    );
    Ok(warnings)
}

/// Finds what runs now and is not declared by the proposal, although the policy in force declares it.
fn find_orphans(workspace: &Workspace, new: &Policy) -> Result<Vec<PolicyWarning>, CliError> {
    let in_force = &workspace.policy;
    let is_known = |policy: &Policy, name: &ComponentName| {
        policy.has_component(name) || policy.renamed_to(name).is_some()
    };
    let mut components: BTreeMap<ComponentName, Vec<EnvName>> = BTreeMap::new();
    let mut environments = Vec::new();
    for snapshot in read_environments(workspace)? {
        let running: Vec<&ComponentName> = snapshot.state().present_commits().into_keys().collect();
        if new.environment(snapshot.name()).is_none() {
            if !running.is_empty() {
                environments.push(describe_orphaned_environment(snapshot.name(), &running));
            }
            continue;
        }
        for name in running {
            if is_known(in_force, name) && !is_known(new, name) {
                let places = components.entry(name.clone()).or_default();
                places.push(snapshot.name().clone());
            }
        }
    }
    let describe_command = |name: &ComponentName| {
        if carries_out(in_force, name, true) {
            " Its destroy command no longer runs then: that needs a deployment with --destroy of a commit without its files, before the publication."
        } else {
            ""
        }
    };
    let components = components.iter().map(|(name, places)| PolicyWarning {
        commands: places
            .iter()
            .map(|place| {
                // The policy that is in force when the commands are typed.
                DeployCommand::new(new, place)
                    .kind(DeploymentKind::Destroy)
                    .only([name])
                    .to_string()
            })
            .collect(),
        ..PolicyWarning::new(
            WarningKind::OrphanedComponent,
            format!(
                "{name} still runs in {}, but is no longer declared. If another component continues it, add renamed_from = \"{name}\" to that one. If it is given up, remove it from there after this policy is published.{}",
                join(places),
                describe_command(name)
            ),
        )
    });
    Ok(components.chain(environments).collect())
}

fn describe_orphaned_environment(name: &EnvName, running: &[&ComponentName]) -> PolicyWarning {
    let (verb, names) = match running {
        [one] => ("runs", one.to_string()),
        many => ("run", join(many)),
    };
    PolicyWarning::new(
        WarningKind::OrphanedEnvironment,
        format!(
            "{names} still {verb} in {name}, which is no longer declared, so nothing can be deployed to it or removed from it."
        ),
    )
}

/// Finds the files that no component covers and that need approval as the component `rest`, but did
/// not before: they belonged to another component, or needed none.
fn find_newly_gated(
    workspace: &Workspace,
    old: &Policy,
    source: Option<&str>,
    new: &Policy,
) -> Result<Option<PolicyWarning>, CliError> {
    let cannot_read = "cannot read the files that no component covers";
    if !new.has_rest() {
        return Ok(None);
    }
    let Some(commit) = find_policy_commit(&workspace.repository, source)? else {
        return Ok(None);
    };
    let rest = ComponentName::rest();
    let list = || {
        let tree = workspace.repository.read_commit(commit.0)?.tree;
        let paths = PolicyComponent::new(new, &rest);
        workspace.repository.list_component_files(tree, &paths)
    };
    let files = list().context(ErrorKind::CannotTell, cannot_read)?;
    let belongs = |policy: &Policy, path: &[u8], is_link| {
        policy.has_rest() && policy.file_ownership(&rest, path, is_link) == FileOwnership::Owned
    };
    let paths: BTreeSet<String> = files
        .iter()
        .filter(|file| {
            let is_link = !file.is_regular();
            belongs(new, &file.path, is_link) && !belongs(old, &file.path, is_link)
        })
        .map(|file| sanitize(&String::from_utf8_lossy(&file.path)))
        .collect();
    if paths.is_empty() {
        return Ok(None);
    }
    let named: Vec<&str> = paths.iter().take(NAMED_FILES).map(String::as_str).collect();
    let more = match paths.len().saturating_sub(NAMED_FILES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let number = paths.len();
    let (files, verb) = (count(number, "file"), choose(number, "belongs", "belong"));
    let object = choose(number, "it", "them");
    Ok(Some(PolicyWarning::new(
        WarningKind::NewlyGated,
        format!(
            "{files} ({}{more}) {verb} to no component, so a deployment now includes {object} as the component \"rest\", under the same rules. To leave {object} out, write unowned = \"free\" at the top of the file.",
            named.join(", ")
        ),
    )))
}

fn join(names: &[impl ToString]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}
