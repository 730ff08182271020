//! `git deploy policy`: shows, compares, approves and publishes policies.

mod test;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::append_report::{self, How};
use crate::cli::key_lookup::find_signer;
use crate::cli::policy_file::{FILE, Proposal};
use crate::cli::workspace::{Workspace, entry_name};
use crate::cli::{Context, Failure, Kind, OrFail as _, key_lookup};
use crate::domain::entry::{Action, PolicyApprove, PolicyRevoke, StoredEntry};
use crate::domain::id::{Digest, EntryId, PublicKey};
use crate::domain::name::{LedgerName, Person};
use crate::domain::policy::{MAX_BYTES, Policy, Standing};
use crate::domain::text::{Description, Line, harmless};
use crate::domain::time::Time;
use crate::ledger::Link;
use crate::ledger::recovery::RECOVERED;
use crate::ledger::writer::{Draft, Manner};
use crate::signing::Signer;
use crate::view::{self, text_diff};

/// Show, compare, test, approve and publish the rules; describe their file to editors
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Show(Show),
    Diff(Diff),
    Test(test::Test),
    Approve(Approve),
    Revoke(Revoke),
    Publish(Publish),
    Schema(Schema),
}

/// Print the policy in force; who published it, and when, goes to standard error
#[derive(clap::Args)]
struct Show {}

/// Check a deploy.toml and show how it differs from the policy in force
#[derive(clap::Args)]
struct Diff {
    /// A file, or a commit whose deploy.toml is meant; without it the work tree's
    #[arg(value_name = "FILE|REV")]
    source: Option<String>,
}

/// Sign an approval of a deploy.toml, byte for byte
#[derive(clap::Args)]
struct Approve {
    /// A file, a commit whose deploy.toml is meant, or the sha256:… of one; without it the work tree's
    #[arg(value_name = "FILE|REV|DIGEST")]
    source: Option<String>,
    /// A remark
    #[arg(short, long, value_parser = append_report::line)]
    message: Option<Line>,
    #[command(flatten)]
    how: How,
}

/// Withdraw the approval of a deploy.toml that is not in force yet
#[derive(clap::Args)]
struct Revoke {
    /// A file, a commit whose deploy.toml is meant, or the sha256:… of one; without it the work tree's
    #[arg(value_name = "FILE|REV|DIGEST")]
    source: Option<String>,
    /// Whose approval; without it your own
    #[arg(long, value_name = "PERSON")]
    of: Option<Person>,
    /// A remark
    #[arg(short, long, value_parser = append_report::line)]
    message: Option<Line>,
    #[command(flatten)]
    how: How,
}

/// Bring a deploy.toml into force
#[derive(clap::Args)]
struct Publish {
    /// A file, or a commit whose deploy.toml is meant; without it the work tree's
    #[arg(value_name = "FILE|REV")]
    source: Option<String>,
    /// What changes and why
    #[arg(short, long, value_parser = append_report::description)]
    message: Option<Description>,
    /// All admin keys are lost, and the server's owner has let this key recover the policy: git-deploy server init --recover KEY
    #[arg(long)]
    recover: bool,
    #[command(flatten)]
    how: How,
}

/// Print the JSON Schema of deploy.toml, by which editors complete and check it
///
/// Write it beside deploy.toml and begin that with the line `#:schema ./deploy.schema.json`: editors with a TOML server such as taplo
/// (Even Better TOML) or tombi then know every key, its meaning and its default. It needs no repository.
#[derive(clap::Args)]
struct Schema {}

/// Runs the chosen subcommand.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.verb {
        Verb::Show(Show {}) => show(&Workspace::open(context)?, context),
        Verb::Diff(args) => diff(args, &Workspace::open(context)?, context),
        Verb::Test(args) => test::run(args, &Workspace::open(context)?, context),
        Verb::Approve(args) => approve(args, &Workspace::open_to_write(context)?, context),
        Verb::Revoke(args) => revoke(args, &Workspace::open_to_write(context)?, context),
        Verb::Publish(args) => publish(args, &Workspace::open_to_write(context)?, context),
        Verb::Schema(Schema {}) => schema(context),
    }
}

/// The JSON Schema of deploy.toml.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct FileSchema {
    /// The JSON Schema, draft-07; without `--json` it is printed alone.
    json_schema: serde_json::Map<String, serde_json::Value>,
}

fn schema(context: &Context) -> Result<(), Failure> {
    let json_schema = view::policy::schema();
    if context.json() {
        return context.report("policy-schema", &FileSchema { json_schema });
    }
    let text = serde_json::to_string_pretty(&json_schema)
        .or_fail(Kind::CannotTell, "cannot print the schema")?;
    context.print(text);
    Ok(())
}

/// Reads the text of the policy in force.
fn in_force(workspace: &Workspace) -> Result<String, Failure> {
    let cannot = "cannot read the policy in force";
    let read = || -> crate::git::Result<Option<Vec<u8>>> {
        let Some(tip) = workspace.tips.get(&LedgerName::policy()) else {
            return Ok(None);
        };
        let tree = workspace.repository.read_commit(tip.0)?.tree;
        workspace.repository.file_at(tree, FILE, MAX_BYTES)
    };
    let bytes = read()
        .or_fail(Kind::CannotTell, cannot)?
        .ok_or_else(|| Failure::new(Kind::CannotTell, cannot))?;
    String::from_utf8(bytes).or_fail(Kind::CannotTell, cannot)
}

/// Finds the entry that published the policy in force.
fn published(workspace: &Workspace) -> Result<(EntryId, std::sync::Arc<StoredEntry>), Failure> {
    let cannot = "cannot read the policy's ledger";
    let ledger = LedgerName::policy();
    let mut next = workspace.tips.get(&ledger).copied();
    while let Some(id) = next {
        let link = workspace
            .repository
            .read_link(&ledger, id)
            .or_fail(Kind::CannotTell, cannot)?;
        let Link::Entry {
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
    Err(Failure::new(Kind::CannotTell, cannot))
}

/// The policy in force.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct InForce<'a> {
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

fn show(workspace: &Workspace, context: &Context) -> Result<(), Failure> {
    let text = in_force(workspace)?;
    let (id, kept) = published(workspace)?;
    let statement = &kept.statement;
    if context.json() {
        let digest = Digest::sha256(text.as_bytes());
        let (at, by) = (statement.at, &statement.by);
        return context.report(
            "policy",
            &InForce {
                entry: id,
                sequence: statement.sequence,
                at,
                by,
                digest,
                text: &text,
            },
        );
    }
    let (by, when) = (&statement.by, context.when(statement.at));
    context.mention(format_args!(
        "published by {by}, {when}   entry {}",
        entry_name(&LedgerName::policy(), id)
    ));
    // Comments may contain terminal control characters. The exact bytes are in the JSON document.
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            line.split('\t')
                .map(harmless)
                .collect::<Vec<_>>()
                .join("\t")
        })
        .collect();
    context.print(lines.join("\n"));
    Ok(())
}

fn diff(args: &Diff, workspace: &Workspace, context: &Context) -> Result<(), Failure> {
    let proposal = Proposal::open(&workspace.repository, args.source.as_deref(), context)?;
    let old = in_force(workspace)?;
    if context.json() {
        return report_difference(&old, &proposal, context);
    }
    show_difference(&old, &proposal, context);
    Ok(())
}

/// How a proposed policy differs from the policy in force.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Difference<'a> {
    /// The digest of the policy in force.
    in_force: Digest,
    /// The digest of the proposed policy.
    proposed: Digest,
    /// Whether the two differ in any byte.
    differs: bool,
    /// The proposed `deploy.toml`, byte for byte.
    text: &'a str,
}

fn report_difference(old: &str, proposal: &Proposal, context: &Context) -> Result<(), Failure> {
    let in_force = Digest::sha256(old.as_bytes());
    let (proposed, differs) = (proposal.digest(), old != proposal.text);
    context.report(
        "policy-diff",
        &Difference {
            in_force,
            proposed,
            differs,
            text: &proposal.text,
        },
    )
}

fn show_difference(old: &str, proposal: &Proposal, context: &Context) {
    let lines = text_diff::lines(("in force", old), (&proposal.name, &proposal.text));
    if lines.is_empty() {
        context.note(format_args!("{} is what is in force.", proposal.name));
    }
    for line in lines {
        context.print(line);
    }
}

fn approve(args: &Approve, workspace: &Workspace, context: &Context) -> Result<(), Failure> {
    let digest = if let Some(Ok(digest)) = args.source.as_deref().map(str::parse::<Digest>) {
        digest
    } else {
        let proposal = Proposal::open(&workspace.repository, args.source.as_deref(), context)?;
        show_difference(&in_force(workspace)?, &proposal, context);
        proposal.digest()
    };
    let action = PolicyApprove {
        digest: digest.clone(),
        comment: args.message.clone(),
    };
    let draft = || Draft::from(Action::PolicyApprove(action.clone()));
    let appended = workspace.append(context, &LedgerName::policy(), args.how.manner(), &|_| {
        Ok(draft())
    })?;
    let sentence = format!(
        "{} approves the deploy.toml {}.",
        appended.statement.by,
        digest.short()
    );
    append_report::tell(context, &sentence, &appended)
}

fn revoke(args: &Revoke, workspace: &Workspace, context: &Context) -> Result<(), Failure> {
    let digest = match args.source.as_deref().map(str::parse::<Digest>) {
        Some(Ok(digest)) => digest,
        _ => Proposal::open(&workspace.repository, args.source.as_deref(), context)?.digest(),
    };
    let approver = match &args.of {
        Some(person) => person.clone(),
        None => key_lookup::person(workspace)?,
    };
    let action = PolicyRevoke {
        digest: digest.clone(),
        approver: approver.clone(),
        comment: args.message.clone(),
    };
    let draft = || Draft::from(Action::PolicyRevoke(action.clone()));
    let appended = workspace.append(context, &LedgerName::policy(), args.how.manner(), &|_| {
        Ok(draft())
    })?;
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
    append_report::tell(context, &sentence, &appended)
}

fn publish(args: &Publish, workspace: &Workspace, context: &Context) -> Result<(), Failure> {
    let proposal = Proposal::open(&workspace.repository, args.source.as_deref(), context)?;
    let old = in_force(workspace)?;
    show_difference(&old, &proposal, context);
    if old == proposal.text {
        return if context.json() {
            report_difference(&old, &proposal, context)
        } else {
            Ok(())
        };
    }
    for warning in warnings(&proposal.policy) {
        context.mention(warning);
    }
    if !args.how.dry_run && !context.confirm("Bring this into force?")? {
        return Err(Failure::new(Kind::Denied, "nothing was published"));
    }
    let shown = Digest::sha256(old.as_bytes());
    let (person, signer) = if args.recover {
        recoverer(workspace, &proposal)?
    } else {
        workspace.signer()?
    };
    let manner = Manner {
        recover: args.recover,
        ..args.how.manner()
    };
    let appended = workspace.append_as(
        context,
        (&person, &signer),
        &LedgerName::policy(),
        manner,
        &|view| {
            // The user confirmed the difference to exactly this policy.
            let tree = view.head.tree;
            let now = view
                .repository
                .file_at(tree, FILE, MAX_BYTES)
                .or_fail(Kind::CannotTell, "cannot read the policy in force")?;
            if now.map(|bytes| Digest::sha256(&bytes)) != Some(shown.clone()) {
                return Err(Failure::new(
                    Kind::Denied,
                    "another policy came into force meanwhile: nothing was published",
                )
                .hint("git deploy policy diff"));
            }
            Ok(proposal.draft(args.message.clone(), args.recover))
        },
    )?;
    if args.recover && !appended.dry_run {
        vouch(workspace, signer.public_key())?;
    }
    let sentence = format!("The policy {} is in force.", proposal.digest().short());
    append_report::tell(context, &sentence, &appended)
}

/// Finds the person and signer of a recovery: the proposed policy must list the key that signs
/// here. The policy in force need not.
fn recoverer(workspace: &Workspace, proposal: &Proposal) -> Result<(Person, Signer), Failure> {
    let signer = find_signer(&workspace.repository)?;
    let key = signer.public_key();
    match proposal.policy.person_of_key(&key) {
        Some((person, Standing::Current)) => Ok((person.clone(), signer)),
        _ => Err(Failure::new(
            Kind::Denied,
            format!("{} lists nobody with the key {key}", proposal.name),
        )
        .hint(format!("a line under [people]: you = \"{key}\""))
        .hint("git deploy policy publish --recover")),
    }
}

/// Stores in git's configuration that this key recovered the policy, as every other clone is asked
/// to.
///
/// The person who recovers acts on the server owner's word, so this clone need not ask.
fn vouch(workspace: &Workspace, key: PublicKey) -> Result<(), Failure> {
    let cannot = "cannot remember in git's configuration that the policy was recovered";
    let known = workspace
        .repository
        .config_strings(RECOVERED)
        .or_fail(Kind::CannotTell, cannot)?;
    if known.iter().any(|text| text.parse() == Ok(key)) {
        return Ok(());
    }
    workspace
        .repository
        .add_config(RECOVERED, &key.to_string())
        .or_fail(Kind::CannotTell, cannot)
}

/// Returns warnings for the person who publishes a policy.
fn warnings(policy: &Policy) -> Vec<String> {
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
        warnings(&Policy::parse(&text).unwrap())
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
