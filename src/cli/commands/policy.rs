//! `git deploy policy`: shows, compares, approves and publishes policies.

mod test;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::key_lookup::open_signer;
use crate::cli::policy_file::{POLICY_FILE, ProposedPolicy};
use crate::cli::workspace::{Workspace, format_entry_name};
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, key_lookup};
use crate::domain::entry::{Action, PolicyApprove, PolicyRevoke, StoredEntry};
use crate::domain::id::{Digest, EntryId, PublicKey};
use crate::domain::name::{LedgerName, Person};
use crate::domain::policy::{KeyStatus, MAX_BYTES, Policy};
use crate::domain::text::{Description, Line, sanitize};
use crate::domain::time::Time;
use crate::ledger::LedgerCommit;
use crate::ledger::recovery::RECOVERED_SETTING;
use crate::ledger::writer::{AppendOptions, EntryDraft};
use crate::signing::Signer;
use crate::view::{self, text_diff};

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
    Show(ShowArgs),
    Diff(DiffArgs),
    Test(test::TestArgs),
    Approve(ApproveArgs),
    Revoke(RevokeArgs),
    Publish(PublishArgs),
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
struct ShowArgs {}

/// Check a deploy.toml and compare it with the policy in force
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy policy diff
  git deploy policy diff feature-branch")]
struct DiffArgs {
    /// The deploy.toml: a file, or a commit that contains one. Defaults to the work tree's
    #[arg(value_name = "FILE|REV")]
    source: Option<String>,
}

/// Approve a deploy.toml, byte for byte
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy policy approve
  git deploy policy approve sha256:9f86… -m \"Reviewed with the release team\"")]
struct ApproveArgs {
    /// The deploy.toml: a file, a commit that contains one, or its digest. Defaults to the work
    /// tree's
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
    /// The deploy.toml: a file, a commit that contains one, or its digest. Defaults to the work
    /// tree's
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

/// Put a deploy.toml into force
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy policy publish -m \"Require two approvals for prod\"
  git deploy policy publish --dry-run")]
struct PublishArgs {
    /// The deploy.toml: a file, or a commit that contains one. Defaults to the work tree's
    #[arg(value_name = "FILE|REV")]
    source: Option<String>,
    /// What changes and why
    #[arg(short, long, value_parser = append_report::parse_description)]
    message: Option<Description>,
    /// Publish with a recovery key after all admin keys were lost
    ///
    /// The server's owner must first run `git-deploy server init REPOSITORY --recover KEY`.
    #[arg(hide_short_help = true, long)]
    recover: bool,
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
        PolicyCommand::Show(ShowArgs {}) => show_policy(&Workspace::open(ui)?, ui),
        PolicyCommand::Diff(args) => diff_policy(args, &Workspace::open(ui)?, ui),
        PolicyCommand::Test(args) => test::run(args, &Workspace::open(ui)?, ui),
        PolicyCommand::Approve(args) => approve_policy(args, &Workspace::open_to_write(ui)?, ui),
        PolicyCommand::Revoke(args) => revoke_approval(args, &Workspace::open_to_write(ui)?, ui),
        PolicyCommand::Publish(args) => publish_policy(args, &Workspace::open_to_write(ui)?, ui),
        PolicyCommand::Schema(SchemaArgs {}) => print_schema(ui),
    }
}

/// The JSON Schema of deploy.toml.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct PolicySchemaDocument {
    /// The JSON Schema, draft-07; without `--json` it is printed alone.
    json_schema: serde_json::Map<String, serde_json::Value>,
}

fn print_schema(ui: &Ui) -> Result<(), CliError> {
    let json_schema = view::policy::schema();
    if ui.json() {
        return ui.print_document("policy-schema", &PolicySchemaDocument { json_schema });
    }
    let text = serde_json::to_string_pretty(&json_schema)
        .context(ErrorKind::CannotTell, "cannot print the schema")?;
    ui.print(text);
    Ok(())
}

/// Reads the text of the policy in force.
fn read_policy_text(workspace: &Workspace) -> Result<String, CliError> {
    let cannot = "cannot read the policy in force";
    let read = || -> crate::git::Result<Option<Vec<u8>>> {
        let Some(tip) = workspace.tips.get(&LedgerName::policy()) else {
            return Ok(None);
        };
        let tree = workspace.repository.read_commit(tip.0)?.tree;
        workspace
            .repository
            .read_file_at(tree, POLICY_FILE, MAX_BYTES)
    };
    let bytes = read()
        .context(ErrorKind::CannotTell, cannot)?
        .ok_or_else(|| CliError::new(ErrorKind::CannotTell, cannot))?;
    String::from_utf8(bytes).context(ErrorKind::CannotTell, cannot)
}

/// Finds the entry that published the policy in force.
fn find_publish_entry(
    workspace: &Workspace,
) -> Result<(EntryId, std::sync::Arc<StoredEntry>), CliError> {
    let cannot = "cannot read the policy's ledger";
    let ledger = LedgerName::policy();
    let mut next = workspace.tips.get(&ledger).copied();
    while let Some(id) = next {
        let link = workspace
            .repository
            .read_ledger_commit(&ledger, id)
            .context(ErrorKind::CannotTell, cannot)?;
        let LedgerCommit::Entry {
            previous, entry, ..
        } = link
        else {
            break;
        };
        if matches!(entry.statement().action, Action::Publish(_)) {
            return Ok((id, std::sync::Arc::clone(entry.stored())));
        }
        next = Some(previous);
    }
    Err(CliError::new(ErrorKind::CannotTell, cannot))
}

/// The policy in force.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct PolicyDocument<'a> {
    /// The entry that published it.
    entry: EntryId,
    /// That entry's number in the ledger `policy`, counted from 1.
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
    let (id, kept) = find_publish_entry(workspace)?;
    let statement = &kept.statement;
    if ui.json() {
        let digest = Digest::sha256(text.as_bytes());
        let (at, by) = (statement.at, &statement.by);
        return ui.print_document(
            "policy",
            &PolicyDocument {
                entry: id,
                sequence: statement.sequence,
                at,
                by,
                digest,
                text: &text,
            },
        );
    }
    let (by, when) = (&statement.by, ui.format_time(statement.at));
    ui.eprint_sentence(format_args!(
        "published by {by}, {when}   entry {}",
        format_entry_name(&LedgerName::policy(), id)
    ));
    // Comments may contain terminal control characters. The exact bytes are in the JSON document.
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
    let old = read_policy_text(workspace)?;
    if ui.json() {
        return report_difference(&old, &proposal, ui);
    }
    print_difference(&old, &proposal, ui);
    Ok(())
}

/// How a proposed policy differs from the policy in force.
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

fn report_difference(old: &str, proposal: &ProposedPolicy, ui: &Ui) -> Result<(), CliError> {
    let in_force = Digest::sha256(old.as_bytes());
    let (proposed, differs) = (proposal.digest(), old != proposal.text);
    ui.print_document(
        "policy-diff",
        &PolicyDiffDocument {
            in_force,
            proposed,
            differs,
            text: &proposal.text,
        },
    )
}

fn print_difference(old: &str, proposal: &ProposedPolicy, ui: &Ui) {
    let lines = text_diff::render_diff(("in force", old), (&proposal.name, &proposal.text));
    if lines.is_empty() {
        ui.eprint(format_args!("{} is already in force.", proposal.name));
    }
    for line in lines {
        ui.print(line);
    }
}

fn approve_policy(args: &ApproveArgs, workspace: &Workspace, ui: &Ui) -> Result<(), CliError> {
    let digest = if let Some(Ok(digest)) = args.source.as_deref().map(str::parse::<Digest>) {
        digest
    } else {
        let proposal = ProposedPolicy::open(&workspace.repository, args.source.as_deref(), ui)?;
        print_difference(&read_policy_text(workspace)?, &proposal, ui);
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
        None => key_lookup::identify_signer(workspace)?,
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
    let by = &appended.statement.by;
    let whose = if *by == approver {
        "their approval".to_owned()
    } else {
        format!("the approval of {approver}")
    };
    let sentence = format!(
        "{by} withdraws {whose} of the deploy.toml {}.",
        digest.short()
    );
    append_report::report_entry(ui, &sentence, &appended)
}

fn publish_policy(args: &PublishArgs, workspace: &Workspace, ui: &Ui) -> Result<(), CliError> {
    let proposal = ProposedPolicy::open(&workspace.repository, args.source.as_deref(), ui)?;
    let old = read_policy_text(workspace)?;
    print_difference(&old, &proposal, ui);
    if old == proposal.text {
        return if ui.json() {
            report_difference(&old, &proposal, ui)
        } else {
            Ok(())
        };
    }
    for warning in find_warnings(&proposal.policy) {
        ui.eprint_sentence(warning);
    }
    if !args.write.dry_run && !ui.confirm("Publish this policy?")? {
        return Err(CliError::new(ErrorKind::Denied, "nothing was published"));
    }
    let shown = Digest::sha256(old.as_bytes());
    let (person, signer) = if args.recover {
        find_recoverer(workspace, &proposal)?
    } else {
        workspace.find_current_signer()?
    };
    let manner = AppendOptions {
        assume_recovery: args.recover,
        ..args.write.append_options()
    };
    let appended = workspace.append_as(
        ui,
        (&person, &signer),
        &LedgerName::policy(),
        manner,
        &|view| {
            // The user confirmed the difference to exactly this policy.
            let tree = view.tip.tree;
            let now = view
                .repository
                .read_file_at(tree, POLICY_FILE, MAX_BYTES)
                .context(ErrorKind::CannotTell, "cannot read the policy in force")?;
            if now.map(|bytes| Digest::sha256(&bytes)) != Some(shown.clone()) {
                return Err(CliError::new(
                    ErrorKind::Denied,
                    "another policy came into force in the meantime: nothing was published",
                )
                .hint("git deploy policy diff"));
            }
            Ok(proposal.draft_publish(args.message.clone(), args.recover))
        },
    )?;
    if args.recover && !appended.dry_run {
        remember_recovery(workspace, signer.public_key())?;
    }
    let sentence = format!("The policy {} is in force.", proposal.digest().short());
    append_report::report_entry(ui, &sentence, &appended)
}

/// Finds the person and signer of a recovery: the proposed policy must list the key that signs
/// here. The policy in force need not.
fn find_recoverer(
    workspace: &Workspace,
    proposal: &ProposedPolicy,
) -> Result<(Person, Signer), CliError> {
    let signer = open_signer(&workspace.repository)?;
    let key = signer.public_key();
    match proposal.policy.person_of_key(&key) {
        Some((person, KeyStatus::Current)) => Ok((person.clone(), signer)),
        _ => Err(CliError::new(
            ErrorKind::Denied,
            format!("{} does not list the key {key}", proposal.name),
        )
        .hint(format!("add add a line under [people]: you = \"{key}\""))
        .hint("git deploy policy publish --recover")),
    }
}

/// Stores in git's configuration that this key recovered the policy, as every other clone is asked
/// to.
///
/// The person who recovers acts on the server owner's word, so this clone need not ask.
fn remember_recovery(workspace: &Workspace, key: PublicKey) -> Result<(), CliError> {
    let cannot = "cannot record in git's configuration that the policy was recovered";
    let known = workspace
        .repository
        .config_strings(RECOVERED_SETTING)
        .context(ErrorKind::CannotTell, cannot)?;
    if known.iter().any(|text| text.parse() == Ok(key)) {
        return Ok(());
    }
    workspace
        .repository
        .add_config(RECOVERED_SETTING, &key.to_string())
        .context(ErrorKind::CannotTell, cannot)
}

/// Returns warnings for the person who publishes a policy.
fn find_warnings(policy: &Policy) -> Vec<String> {
    let one = policy.all_environments().filter(|environment| {
        let required: u32 = environment.approvals.iter().map(|seat| seat.required).sum();
        required == 1 && environment.approvals.iter().any(|seat| seat.prevent_self)
    });
    let names: Vec<String> = one
        .map(|environment| environment.name.to_string())
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    let verb = if names.len() == 1 { "asks" } else { "ask" };
    vec![format!(
        "{} {verb} for one approval. Git authorship can be forged, so only two approvals guarantee a second person.",
        names.join(", ")
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(rules: &str) -> Vec<String> {
        let key = |byte| crate::domain::id::PublicKey::new([byte; 8], [byte; 32]);
        let text = format!(
            "schema = 1\nproject = \"p\"\n[people]\nalice = \"{}\"\nbob = \"{}\"\ncarol = \"{}\"\n[environments]\ndev = {{}}\nprod = {rules}\n",
            key(1),
            key(2),
            key(3)
        );
        find_warnings(&Policy::parse(&text).unwrap())
    }

    /// Checks that a policy that requires a single approval gives a warning: one approval does not
    /// guarantee a second person.
    #[test]
    fn one_approval() {
        let [warning] = &warned("{ approvals = 1 }")[..] else {
            panic!()
        };
        assert!(
            warning.starts_with("prod asks for one approval. Git authorship can be forged"),
            "{warning}"
        );
        assert!(warned("{ approvals = 2 }").is_empty() && warned("{}").is_empty());
    }
}
