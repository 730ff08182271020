//! `git deploy revoke`: withdraws an approval of a deployment.

use std::collections::BTreeSet;

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::args::environment::EnvRevArgs;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::{Action, Revoke};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::CommitId;
use crate::domain::name::Person;
use crate::domain::state::Scope;
use crate::domain::text::Line;
use crate::ledger::writer::{EntryDraft, LedgerSnapshot};

/// Withdraw an approval
///
/// Withdraws all approvals of the commit by this person, for every component. Running deployments
/// are not affected.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Withdraw your approval of HEAD:
    git deploy revoke prod

  Withdraw another person's approval of a commit, as an admin:
    git deploy revoke prod v1.5.0 --of bob -m \"Found a regression\"")]
pub struct Args {
    #[command(flatten)]
    env_rev: EnvRevArgs,
    /// Withdraw this person's approval (admins only). Defaults to your own
    #[arg(long, value_name = "PERSON")]
    of: Option<Person>,
    /// A comment for the entry
    #[arg(short, long, value_parser = append_report::parse_line)]
    message: Option<Line>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Writes the revocation of an approval.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let (name, rev) = args.env_rev.find(&workspace, ui)?;
    let (env, _) = workspace.find_environment(name.as_str())?;
    let commit = workspace.resolve_commit(rev.unwrap_or("HEAD"))?;
    let approver = match &args.of {
        Some(person) => person.clone(),
        None => workspace.identify_signer()?,
    };
    let appended =
        workspace.append(ui, env.ledger(), args.write.append_options(), &|snapshot| {
            require_approval(&env, snapshot, commit, &approver)?;
            let revoke = Revoke {
                commit,
                approver: approver.clone(),
                comment: args.message.clone(),
            };
            Ok(EntryDraft::in_environment(&env, Action::Revoke(revoke)))
        })?;
    let subject = format!("{} for {}", commit.0.prefix(7), env.name());
    let sentence = append_report::describe_revocation(&appended.statement.by, &approver, &subject);
    append_report::report_entry(ui, &sentence, &appended)
}

/// Checks that the person has an open approval of the commit.
///
/// # Errors
///
/// Fails if there is none, and suggests the approvals that can be revoked.
fn require_approval(
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    commit: CommitId,
    approver: &Person,
) -> Result<(), CliError> {
    let cannot_tell = "cannot tell what is approved";
    let state = snapshot
        .load_state(env.ledger(), &Scope::All)
        .context(ErrorKind::CannotTell, cannot_tell)?;
    let open_approvals: BTreeSet<(CommitId, Person)> = env
        .state_in(&state)
        .approvals()
        .map(|(commit, _, entry)| (commit, entry.statement.by.clone()))
        .collect();
    if open_approvals.contains(&(commit, approver.clone())) {
        return Ok(());
    }
    let (name, short) = (env.name(), commit.0.prefix(7));
    let message = format!("{approver} has no open approval of {short} for {name}");
    let mut error = CliError::new(ErrorKind::Usage, message);
    if open_approvals.is_empty() {
        error = error.because(format!(
            "no approved commit is waiting to be deployed to {name}"
        ));
    }
    for (commit, by) in &open_approvals {
        let commit = commit.0.prefix(7);
        let option = if by == approver {
            String::new()
        } else {
            format!(" --of {by}")
        };
        error = error.hint(format!("git deploy revoke {name} {commit}{option}"));
    }
    Err(error)
}
