//! `git deploy unlock`: removes a lock, or lifts the holds on a commit.

use crate::cli::append_report::{self, WriteArgs};
use crate::cli::deployment_request::Place;
use crate::cli::env_args::OnlyEnv;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::{Action, Hold, Unlock};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
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
    at: OnlyEnv,
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
    let place = Place::find(&workspace, args.at.find(&workspace, ui)?.as_str())?;
    let commit = args
        .commit
        .as_ref()
        .map(|revision| workspace.resolve_commit(revision))
        .transpose()?;
    let appended = workspace.append(ui, &place.ledger, args.write.append_options(), &|view| {
        let holds = commit.map_or(Ok(Vec::new()), |commit| find_holds(&place, view, commit))?;
        let unlock = Unlock {
            component: args.component.clone(),
            commit,
            holds,
            comment: args.message.clone(),
        };
        Ok(EntryDraft {
            environment: place.named.clone(),
            ..Action::Unlock(unlock).into()
        })
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
            format!(
                "{} ({}) is no longer on hold in {}.",
                names.join(", "),
                commit.0.prefix(7),
                place.name
            )
        }
        (_, Some(component)) => format!("{component} in {} is unlocked.", place.name),
        _ => format!("{} is unlocked.", place.name),
    };
    append_report::report_entry(ui, &sentence, &appended)
}

/// Returns the holds on the contents of a commit.
///
/// # Errors
///
/// Fails if there are none.
fn find_holds(
    place: &Place,
    view: &LedgerSnapshot<'_>,
    commit: CommitId,
) -> Result<Vec<Hold>, CliError> {
    let (policy, _) = place.rules(view)?;
    let cannot = "cannot tell what is on hold";
    let state = view
        .load_state(&place.ledger, &Scope::All)
        .context(ErrorKind::CannotTell, cannot)?;
    let mut holds = Vec::new();
    for (component, content, _) in state.environment(place.named.as_ref()).holds() {
        if view
            .gatherer
            .content(policy, commit, component)
            .context(ErrorKind::CannotTell, cannot)?
            == Some(content)
        {
            holds.push(Hold {
                component: component.clone(),
                content,
            });
        }
    }
    if holds.is_empty() {
        let words = format!("{} is not on hold in {}", commit.short(), place.name);
        return Err(CliError::new(ErrorKind::Usage, words)
            .hint(format!("git deploy status {}", place.name)));
    }
    holds.sort();
    Ok(holds)
}
