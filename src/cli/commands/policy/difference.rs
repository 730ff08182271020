//! Reads the policy in force and compares it with a proposed one.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::policy_file::{POLICY_FILE, ProposedPolicy};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::id::Digest;
use crate::domain::name::LedgerName;
use crate::domain::policy::MAX_BYTES;
use crate::view::text_diff::{self, NamedText};

/// Reads the text of the policy in force.
pub(super) fn read_policy_text(workspace: &Workspace) -> Result<String, CliError> {
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

/// A proposed policy, and whether it differs from the policy in force.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct PolicyDiffDocument<'a> {
    /// The digest of the policy in force.
    in_force: Digest,
    /// The digest of the proposed policy.
    proposed: Digest,
    /// Whether the two differ in any byte.
    differs: bool,
    /// The proposed `deploy.toml`, byte for byte.
    text: &'a str,
}

/// Prints a JSON document with the proposed policy and whether it differs.
pub(super) fn print_comparison_document(
    old: &str,
    proposal: &ProposedPolicy,
    ui: &Ui,
) -> Result<(), CliError> {
    ui.print_document(
        "policy-diff",
        &PolicyDiffDocument {
            in_force: Digest::sha256(old.as_bytes()),
            proposed: proposal.digest(),
            differs: old != proposal.text,
            text: &proposal.text,
        },
    )
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
