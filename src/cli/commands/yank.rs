//! `git deploy yank`: blocks a commit or an artifact from all further deployments.

use crate::cli::read_context::places;
use crate::cli::workspace::Workspace;
use crate::cli::yank_args::{Subject, What};
use crate::cli::{Context, Failure, append_report};
use crate::domain::entry::Action;
use crate::domain::id::CommitId;
use crate::view::grouping::counted;

/// Take a commit or an artifact out of circulation: it goes to no environment any more, forward or back
///
/// Where it runs it stays until something else is deployed.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    what: What,
}

/// Writes a yank, and prints where the commit still runs.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open_to_write(context)?;
    let subject = args.what.subject(&workspace)?;
    let appended = args
        .what
        .append(context, &workspace, &subject, Action::Yank)?;
    let sentence = format!(
        "{subject} is yanked by {}: nothing deploys it any more.",
        appended.statement.by
    );
    append_report::tell(context, &sentence, &appended)?;
    if let Subject::Commit(commit) = subject {
        still_there(&workspace, context, commit)?;
    }
    Ok(())
}

/// Prints the environments that still run the commit: a yank does not remove it from them.
fn still_there(workspace: &Workspace, context: &Context, commit: CommitId) -> Result<(), Failure> {
    for place in places(workspace, None)? {
        let running = place.here().components();
        let names: Vec<&str> = running
            .iter()
            .filter(|(_, runs)| **runs == commit)
            .map(|(name, _)| name.as_str())
            .collect();
        if !names.is_empty() {
            let name = &place.name;
            let sentence = format!("{name} still runs {} of it; to go back", counted(&names));
            context.note(context.with_command(
                &sentence,
                &format!("git deploy record {name} REV --rollback"),
            ));
        }
    }
    Ok(())
}
