//! `git deploy policy publish`: puts a deploy.toml into force.

use super::difference::{print_changed_lines, print_comparison, read_policy_text};
use crate::cli::append_report::{self, WriteArgs};
use crate::cli::key_lookup::open_signer;
use crate::cli::policy_file::{POLICY_FILE, ProposedPolicy};
use crate::cli::policy_warnings::find_policy_warnings;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::count::choose;
use crate::domain::id::{Digest, PublicKey};
use crate::domain::name::{LedgerName, Person};
use crate::domain::policy::{KeyStatus, MAX_BYTES, Policy};
use crate::domain::text::Description;
use crate::ledger::recovery::RECOVERED_SETTING;
use crate::ledger::writer::{AppendOptions, LedgerSnapshot};
use crate::signing::Signer;

/// Put a deploy.toml into force
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy policy publish -m \"Require two approvals for prod\"
  git deploy policy publish --dry-run")]
pub(in crate::cli) struct PublishArgs {
    /// The deploy.toml: a file, or a commit that contains one. Defaults to that in the work tree
    #[arg(value_name = "FILE|REV")]
    source: Option<String>,
    /// What changes and why
    #[arg(short, long, value_parser = append_report::parse_description)]
    message: Option<Description>,
    /// Publish with a recovery key after all admin keys were lost
    ///
    /// The server's owner must first run `git-deploy server init REPOSITORY --recover KEY`.
    #[arg(long)]
    recover: bool,
    #[command(flatten)]
    write: WriteArgs,
}

/// Shows what changes, asks the user, and publishes the policy.
pub(super) fn run(args: &PublishArgs, workspace: &Workspace, ui: &Ui) -> Result<(), CliError> {
    let proposal = ProposedPolicy::open(&workspace.repository, args.source.as_deref(), ui)?;
    let old = read_policy_text(workspace)?;
    let source = args.source.as_deref();
    if old == proposal.text {
        return print_comparison(workspace, source, &proposal, false, ui);
    }
    print_changed_lines(&old, &proposal, ui);
    for warning in find_warnings(&proposal.policy) {
        ui.eprint_sentence(warning);
    }
    for warning in find_policy_warnings(workspace, &old, source, &proposal)? {
        warning.print(ui);
    }
    if !args.write.dry_run && !ui.confirm("Publish this policy?")? {
        return Err(CliError::new(ErrorKind::Denied, "nothing was published"));
    }
    let confirmed = Digest::sha256(old.as_bytes());
    let (person, signer) = if args.recover {
        find_recoverer(workspace, &proposal)?
    } else {
        workspace.find_current_signer()?
    };
    let options = AppendOptions {
        assume_recovery: args.recover,
        ..args.write.append_options()
    };
    let appended = workspace.append_as(
        ui,
        &person,
        &signer,
        &LedgerName::policy(),
        options,
        &|snapshot| {
            require_in_force(snapshot, &confirmed)?;
            Ok(proposal.draft_publish(
                &snapshot.tip.chain.root_keys,
                args.message.clone(),
                args.recover,
            ))
        },
    )?;
    if args.recover && !appended.dry_run {
        remember_recovery(workspace, signer.public_key())?;
    }
    let sentence = format!("The policy {} is in force.", proposal.digest().short());
    append_report::report_entry(ui, &sentence, &appended)
}

/// Fails if the policy in force is no longer the one with this digest. The user confirmed the
/// difference to that policy.
fn require_in_force(snapshot: &LedgerSnapshot<'_>, confirmed: &Digest) -> Result<(), CliError> {
    let tree = snapshot.tip.tree;
    let current = snapshot
        .repository
        .read_file_at(tree, POLICY_FILE, MAX_BYTES)
        .context(ErrorKind::CannotTell, "cannot read the policy in force")?;
    if current.map(|bytes| Digest::sha256(&bytes)).as_ref() == Some(confirmed) {
        return Ok(());
    }
    Err(CliError::new(
        ErrorKind::Denied,
        "another policy came into force in the meantime: nothing was published",
    )
    .hint("git deploy policy diff"))
}

/// Finds the person and signer of a recovery: the person whom the proposed policy lists with the
/// key that signs here. The policy in force need not list it.
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
        .hint(format!("add a line under [people]: you = \"{key}\""))
        .hint("git deploy policy publish --recover")),
    }
}

/// Records in git's configuration that this clone accepts the key's recovery of the policy. In
/// every other clone, the user must do this by hand.
fn remember_recovery(workspace: &Workspace, key: PublicKey) -> Result<(), CliError> {
    let cannot_record = "cannot record in git's configuration that the policy was recovered";
    let recovered = workspace
        .repository
        .config_strings(RECOVERED_SETTING)
        .context(ErrorKind::CannotTell, cannot_record)?;
    if recovered.iter().any(|text| text.parse() == Ok(key)) {
        return Ok(());
    }
    workspace
        .repository
        .add_config(RECOVERED_SETTING, &key.to_string())
        .context(ErrorKind::CannotTell, cannot_record)
}

/// Returns warnings for the person who publishes a policy: environments whose rules look stricter
/// than they are.
fn find_warnings(policy: &Policy) -> Vec<String> {
    let names: Vec<String> = policy
        .all_environments()
        .filter(|environment| {
            let approvals = &environment.approvals;
            let total: u32 = approvals.iter().map(|it| it.required).sum();
            total == 1
                && approvals
                    .iter()
                    .any(|it| it.prevent_self.excludes_authors())
        })
        .map(|environment| environment.name.to_string())
        .collect();
    if names.is_empty() {
        return Vec::new();
    }
    let verb = choose(names.len(), "requires", "require");
    vec![format!(
        "{} {verb} one approval. Git authorship can be forged, so only two approvals guarantee a second person.",
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
            warning.starts_with("prod requires one approval. Git authorship can be forged"),
            "{warning}"
        );
        assert!(warned("{ approvals = 2 }").is_empty() && warned("{}").is_empty());
    }
}
