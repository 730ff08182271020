//! `git deploy unlock`: removes a lock, or lifts the holds on a commit.

use std::cell::RefCell;
use std::sync::Arc;

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::args::environment::EnvArg;
use crate::cli::deployment_request::find_environment_policy;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::clock;
use crate::domain::count::choose;
use crate::domain::entry::{Action, Hold, StoredEntry, Unlock};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, Person};
use crate::domain::state::Scope;
use crate::domain::text::Line;
use crate::ledger::writer::{EntryDraft, LedgerSnapshot};

/// Remove a lock, or lift the hold on a commit
///
/// A component is put on hold when a deployment of it fails or is rolled back. `--commit` allows
/// deploying that commit's contents again.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Unlock production:
    git deploy unlock prod

  Allow a commit again that failed before:
    git deploy unlock prod --commit 3f2a9c1 -m \"The cause was a full disk\"")]
pub struct Args {
    #[command(flatten)]
    environment: EnvArg,
    /// Remove the lock of this component
    #[arg(short, long, value_name = "NAME", conflicts_with = "commit")]
    component: Option<ComponentName>,
    /// Lift the holds on this commit's contents
    #[arg(long, value_name = "REV")]
    commit: Option<String>,
    /// A comment for the entry
    #[arg(short, long, value_parser = append_report::parse_line)]
    message: Option<Line>,
    #[command(flatten)]
    write: WriteArgs,
}

/// Writes the unlock.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let (env, _) = workspace.find_environment(args.environment.find(&workspace, ui)?.as_str())?;
    let commit = args
        .commit
        .as_ref()
        .map(|revision| workspace.resolve_commit(revision))
        .transpose()?;
    let lock: RefCell<Option<Arc<StoredEntry>>> = RefCell::default();
    let appended =
        workspace.append(ui, env.ledger(), args.write.append_options(), &|snapshot| {
            lock.replace(find_lock(&env, snapshot, args.component.as_ref()));
            let holds =
                commit.map_or(Ok(Vec::new()), |commit| find_holds(&env, snapshot, commit))?;
            let unlock = Unlock {
                component: args.component.clone(),
                commit,
                holds,
                comment: args.message.clone(),
            };
            Ok(EntryDraft::in_environment(&env, Action::Unlock(unlock)))
        })?;
    let sentence = match (&appended.statement.action, &args.component) {
        (
            Action::Unlock(Unlock {
                commit: Some(commit),
                holds,
                ..
            }),
            _,
        ) => {
            let names: Vec<&str> = holds.iter().map(|hold| hold.component.as_str()).collect();
            let verb = choose(names.len(), "is", "are");
            format!(
                "{} ({}) {verb} no longer on hold in {}.",
                names.join(", "),
                commit.0.prefix(7),
                env.name()
            )
        }
        (_, Some(component)) => format!("{component} in {} is unlocked.", env.name()),
        _ => format!("{} is unlocked.", env.name()),
    };
    append_report::report_entry(ui, &sentence, &appended)?;
    if commit.is_none() {
        report_foreign_lock(ui, lock.take().as_deref(), &appended.statement.by);
    }
    Ok(())
}

/// Returns the entry of the lock that is lifted.
fn find_lock(
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    component: Option<&ComponentName>,
) -> Option<Arc<StoredEntry>> {
    let state = snapshot.load_state(env.ledger(), &Scope::All).ok()?;
    let env_state = env.state_in(&state);
    let now = clock::now().max(snapshot.tip.chain.at);
    env_state.lock(component, now).cloned()
}

/// Prints who had made a lock, and why, if another person has lifted it.
fn report_foreign_lock(ui: &Ui, lock: Option<&StoredEntry>, by: &Person) {
    let Some(statement) = lock.map(|lock| &lock.statement) else {
        return;
    };
    if let Action::Lock(lock) = &statement.action
        && statement.by != *by
    {
        ui.print_sentence(format_args!(
            "It was locked by {}: \"{}\".",
            statement.by, lock.reason
        ));
    }
}

/// Returns the holds on the contents that the components have at a commit.
///
/// # Errors
///
/// Fails if none of these contents is on hold.
fn find_holds(
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    commit: CommitId,
) -> Result<Vec<Hold>, CliError> {
    let (policy, _) = find_environment_policy(env, snapshot)?;
    let cannot_tell = "cannot tell what is on hold";
    let state = snapshot
        .load_state(env.ledger(), &Scope::All)
        .context(ErrorKind::CannotTell, cannot_tell)?;
    let mut holds = Vec::new();
    for (component, content, _) in env.state_in(&state).holds() {
        if snapshot
            .gatherer
            .content(policy, commit, policy.current_name(component))
            .context(ErrorKind::CannotTell, cannot_tell)?
            == Some(content)
        {
            holds.push(Hold {
                component: component.clone(),
                content,
            });
        }
    }
    if holds.is_empty() {
        let message = format!("{} is not on hold in {}", commit.short(), env.name());
        return Err(CliError::new(ErrorKind::Usage, message)
            .hint(format!("git deploy status {}", env.name())));
    }
    holds.sort();
    Ok(holds)
}
