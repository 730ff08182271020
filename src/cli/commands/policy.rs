//! `git deploy policy`: shows, compares, approves and publishes policies.

mod difference;
mod publish;
mod test;

#[cfg(any(test, feature = "testing"))]
pub(in crate::cli) use difference::PolicyDiffDocument;
use difference::print_changed_lines;
pub(in crate::cli) use difference::read_policy_text;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::entry_name::format_entry_name;
use crate::cli::policy_file::ProposedPolicy;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::{Action, PolicyApprove, PolicyRevoke, StoredEntry};
use crate::domain::id::{Digest, EntryId};
use crate::domain::name::{LedgerName, Person};
use crate::domain::text::{Line, sanitize};
use crate::domain::time::Time;
use crate::ledger::LedgerCommit;
use crate::ledger::writer::EntryDraft;
use crate::view;

/// Show, compare, test, approve and publish policies
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy policy show
  git deploy policy publish -m \"Require two approvals for prod\"")]
pub struct Args {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(clap::Subcommand)]
enum PolicyCommand {
    Show(ShowPolicyArgs),
    Diff(DiffArgs),
    Test(test::TestArgs),
    Approve(ApproveArgs),
    Revoke(RevokeArgs),
    Publish(publish::PublishArgs),
    Schema(SchemaArgs),
}

/// Print the policy in force
///
/// Prints who published it, and when, on standard error.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy policy show
  git deploy policy show > deploy.toml")]
struct ShowPolicyArgs {}

/// Check a deploy.toml, and show what it changes for whom
///
/// Lists the people, groups, environments, components and rules that differ from the policy in force,
/// with defaults filled in and groups expanded. Warns about components that still run and are no longer
/// declared, about files that now need approval because no component covers them, and about paths that
/// match no file.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy policy diff
  git deploy policy diff feature-branch
  git deploy policy diff --patch")]
struct DiffArgs {
    /// The deploy.toml: a file, or a commit that contains one. Defaults to that in the work tree
    #[arg(value_name = "FILE|REV")]
    source: Option<String>,
    /// Also show the changed lines
    #[arg(short, long)]
    patch: bool,
}

/// Approve a deploy.toml, byte for byte
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy policy approve
  git deploy policy approve sha256:9f86… -m \"Reviewed with the release team\"")]
struct ApproveArgs {
    /// The deploy.toml: a file, a commit that contains one, or its digest. Defaults to that in the
    /// work tree
    #[arg(value_name = "FILE|REV|DIGEST")]
    source: Option<String>,
    /// A comment for the entry
    #[arg(short, long, value_parser = append_report::parse_line)]
    message: Option<Line>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Withdraw the approval of a deploy.toml that is not in force
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy policy revoke
  git deploy policy revoke sha256:9f86… --of bob")]
struct RevokeArgs {
    /// The deploy.toml: a file, a commit that contains one, or its digest. Defaults to that in the
    /// work tree
    #[arg(value_name = "FILE|REV|DIGEST")]
    source: Option<String>,
    /// Withdraw this person's approval. Defaults to your own
    #[arg(long, value_name = "PERSON")]
    of: Option<Person>,
    /// A comment for the entry
    #[arg(short, long, value_parser = append_report::parse_line)]
    message: Option<Line>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Print the JSON Schema of deploy.toml for editors
///
/// Write it to deploy.schema.json beside deploy.toml, and begin deploy.toml with the line `#:schema
/// ./deploy.schema.json`. Editors with a TOML language server such as taplo (Even Better TOML) or
/// tombi then complete and check every key. Needs no repository.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy policy schema > deploy.schema.json")]
struct SchemaArgs {}

/// Runs the chosen subcommand.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    match &args.command {
        PolicyCommand::Show(ShowPolicyArgs {}) => show_policy(&Workspace::open(ui)?, ui),
        PolicyCommand::Diff(args) => diff_policy(args, &Workspace::open(ui)?, ui),
        PolicyCommand::Test(args) => test::run(args, &Workspace::open(ui)?, ui),
        PolicyCommand::Approve(args) => approve_policy(args, &Workspace::open_to_write(ui)?, ui),
        PolicyCommand::Revoke(args) => revoke_approval(args, &Workspace::open_to_write(ui)?, ui),
        PolicyCommand::Publish(args) => publish::run(args, &Workspace::open_to_write(ui)?, ui),
        PolicyCommand::Schema(SchemaArgs {}) => print_schema(ui),
    }
}

/// The JSON Schema of deploy.toml.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct PolicySchemaDocument {
    /// The JSON Schema, draft-07. Without `--json`, this value alone is printed.
    json_schema: serde_json::Map<String, serde_json::Value>,
}

fn print_schema(ui: &Ui) -> Result<(), CliError> {
    let json_schema = view::policy::build_schema();
    if ui.json() {
        return ui.print_document("policy-schema", &PolicySchemaDocument { json_schema });
    }
    let text = serde_json::to_string_pretty(&json_schema)
        .context(ErrorKind::CannotTell, "cannot print the schema")?;
    ui.print(text);
    Ok(())
}

/// Finds the entry that published the policy in force: the newest publication in the ledger
/// `policy`, which also contains approvals of proposed policies.
fn find_publish_entry(
    workspace: &Workspace,
) -> Result<(EntryId, std::sync::Arc<StoredEntry>), CliError> {
    let cannot_read = "cannot read the policy's ledger";
    let ledger = LedgerName::policy();
    let mut next = workspace.tips().get(&ledger).copied();
    while let Some(id) = next {
        let commit = workspace
            .repository
            .read_ledger_commit(&ledger, id)
            .context(ErrorKind::CannotTell, cannot_read)?;
        let LedgerCommit::Entry {
            previous, entry, ..
        } = commit
        else {
            break;
        };
        if matches!(entry.statement().action, Action::Publish(_)) {
            return Ok((id, std::sync::Arc::clone(entry.stored())));
        }
        next = Some(previous);
    }
    Err(CliError::new(ErrorKind::CannotTell, cannot_read))
}

/// The policy in force.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct PolicyDocument<'a> {
    /// The entry that published it.
    entry: EntryId,
    /// The entry's number in the ledger `policy`, counted from 1.
    sequence: u64,
    /// When it was published.
    at: Time,
    /// Who published it.
    by: &'a Person,
    /// The digest of the text.
    digest: Digest,
    /// The `deploy.toml`, byte for byte.
    text: &'a str,
}

fn show_policy(workspace: &Workspace, ui: &Ui) -> Result<(), CliError> {
    let text = read_policy_text(workspace)?;
    let (id, entry) = find_publish_entry(workspace)?;
    let statement = &entry.statement;
    if ui.json() {
        return ui.print_document(
            "policy",
            &PolicyDocument {
                entry: id,
                sequence: statement.sequence,
                at: statement.at,
                by: &statement.by,
                digest: Digest::sha256(text.as_bytes()),
                text: &text,
            },
        );
    }
    let (by, when) = (&statement.by, ui.format_time(statement.at));
    ui.eprint_sentence(format_args!(
        "published by {by}, {when}   entry {}",
        format_entry_name(&LedgerName::policy(), id)
    ));
    // Comments may contain terminal control characters, so the text is sanitized, except for tabs.
    // The exact bytes are in the JSON document.
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            line.split('\t')
                .map(sanitize)
                .collect::<Vec<_>>()
                .join("\t")
        })
        .collect();
    ui.print(lines.join("\n"));
    Ok(())
}

fn diff_policy(args: &DiffArgs, workspace: &Workspace, ui: &Ui) -> Result<(), CliError> {
    let proposal = ProposedPolicy::open(&workspace.repository, args.source.as_deref(), ui)?;
    difference::print_comparison(workspace, args.source.as_deref(), &proposal, args.patch, ui)
}

fn approve_policy(args: &ApproveArgs, workspace: &Workspace, ui: &Ui) -> Result<(), CliError> {
    let digest = if let Some(Ok(digest)) = args.source.as_deref().map(str::parse::<Digest>) {
        digest
    } else {
        let proposal = ProposedPolicy::open(&workspace.repository, args.source.as_deref(), ui)?;
        print_changed_lines(&read_policy_text(workspace)?, &proposal, ui);
        proposal.digest()
    };
    let action = PolicyApprove {
        digest: digest.clone(),
        comment: args.message.clone(),
    };
    let draft = || EntryDraft::from(Action::PolicyApprove(action.clone()));
    let appended = workspace.append(
        ui,
        &LedgerName::policy(),
        args.write.append_options(),
        &|_| Ok(draft()),
    )?;
    let sentence = format!(
        "{} approves the deploy.toml {}.",
        appended.statement.by,
        digest.short()
    );
    append_report::report_entry(ui, &sentence, &appended)
}

fn revoke_approval(args: &RevokeArgs, workspace: &Workspace, ui: &Ui) -> Result<(), CliError> {
    let digest = match args.source.as_deref().map(str::parse::<Digest>) {
        Some(Ok(digest)) => digest,
        _ => ProposedPolicy::open(&workspace.repository, args.source.as_deref(), ui)?.digest(),
    };
    let approver = match &args.of {
        Some(person) => person.clone(),
        None => workspace.identify_signer()?,
    };
    let action = PolicyRevoke {
        digest: digest.clone(),
        approver: approver.clone(),
        comment: args.message.clone(),
    };
    let draft = || EntryDraft::from(Action::PolicyRevoke(action.clone()));
    let appended = workspace.append(
        ui,
        &LedgerName::policy(),
        args.write.append_options(),
        &|_| Ok(draft()),
    )?;
    let subject = format!("the deploy.toml {}", digest.short());
    let sentence = append_report::describe_revocation(&appended.statement.by, &approver, &subject);
    append_report::report_entry(ui, &sentence, &appended)
}
