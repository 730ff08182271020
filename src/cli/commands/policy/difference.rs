//! Reads the policy in force and compares it with a proposed one.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::policy_file::{POLICY_FILE, ProposedPolicy};
use crate::cli::policy_warnings::{PolicyWarning, find_policy_warnings};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::command_line::quote_word;
use crate::domain::id::Digest;
use crate::domain::name::LedgerName;
use crate::domain::policy::{MAX_BYTES, compare_policies};
use crate::view::policy_changes::{self, PolicyChange};
use crate::view::text_diff::{self, NamedText};
use crate::view::wrap;

/// Reads the text of the policy in force.
pub(in crate::cli) fn read_policy_text(workspace: &Workspace) -> Result<String, CliError> {
    let cannot_read = "cannot read the policy in force";
    let read = || -> crate::git::Result<Option<Vec<u8>>> {
        let Some(tip) = workspace.tip(&LedgerName::policy())? else {
            return Ok(None);
        };
        let tree = workspace.repository.read_commit(tip.0)?.tree;
        workspace
            .repository
            .read_file_at(tree, POLICY_FILE, MAX_BYTES)
    };
    let bytes = read()
        .context(ErrorKind::CannotTell, cannot_read)?
        .ok_or_else(|| CliError::new(ErrorKind::CannotTell, cannot_read))?;
    String::from_utf8(bytes).context(ErrorKind::CannotTell, cannot_read)
}

/// A proposed policy, and how it differs from the policy in force.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct PolicyDiffDocument<'a> {
    /// The digest of the policy in force.
    in_force: Digest,
    /// The digest of the proposed policy.
    proposed: Digest,
    /// Whether the two differ in any byte.
    differs: bool,
    /// Whether the two differ in more than comments and the layout.
    changes_rules: bool,
    /// What changes for whom. A change that cannot be described is left out.
    changes: Vec<PolicyChange>,
    /// What the proposal does that may not be intended.
    warnings: Vec<PolicyWarning>,
    /// The proposed `deploy.toml`, byte for byte.
    text: &'a str,
}

/// Prints what a proposal changes for whom, with warnings, as text or as a JSON document.
pub(super) fn print_comparison(
    workspace: &Workspace,
    source: Option<&str>,
    proposal: &ProposedPolicy,
    with_lines: bool,
    ui: &Ui,
) -> Result<(), CliError> {
    let old = read_policy_text(workspace)?;
    let warnings = find_policy_warnings(workspace, &old, source, proposal)?;
    let root_keys = &workspace.project.root_keys;
    let changes = compare_policies(&workspace.policy, &proposal.policy, root_keys);
    if ui.json() {
        return ui.print_document(
            "policy-diff",
            &PolicyDiffDocument {
                in_force: Digest::sha256(old.as_bytes()),
                proposed: proposal.digest(),
                differs: old != proposal.text,
                changes_rules: *workspace.policy != proposal.policy,
                changes: policy_changes::to_documents(&changes),
                warnings,
                text: &proposal.text,
            },
        );
    }
    if old == proposal.text {
        ui.eprint(format_args!("{} is already in force.", proposal.name));
    } else if *workspace.policy == proposal.policy {
        ui.print_sentence(format_args!(
            "{} changes no rule: only its comments or its layout differ.",
            proposal.name
        ));
    }
    for line in policy_changes::render_text(&changes, ui.width()) {
        ui.print(line);
    }
    let is_described = policy_changes::is_described(&changes);
    if *workspace.policy != proposal.policy && !is_described && !with_lines {
        ui.print_sentence(format_args!(
            "{} also changes something that is not described here. To see the changed lines:",
            proposal.name
        ));
        let source = source.map_or_else(String::new, |it| format!(" {}", quote_word(it)));
        let command = format!("git deploy policy diff --patch{source}");
        ui.print(wrap::render_command(2, &command, ui.width()));
    }
    if with_lines && old != proposal.text {
        print_changed_lines(&old, proposal, ui);
    }
    for warning in warnings {
        warning.print(ui);
    }
    Ok(())
}

/// Prints the changed lines or, if there are none, that the proposed policy is already in force.
pub(super) fn print_changed_lines(old: &str, proposal: &ProposedPolicy, ui: &Ui) {
    let lines = text_diff::render_diff(
        NamedText {
            name: "in force",
            text: old,
        },
        NamedText {
            name: &proposal.name,
            text: &proposal.text,
        },
    );
    if lines.is_empty() {
        ui.eprint(format_args!("{} is already in force.", proposal.name));
    }
    for line in lines {
        ui.print(line);
    }
}
