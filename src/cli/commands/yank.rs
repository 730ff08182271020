//! `git deploy yank`: blocks a commit or an artifact from all further deployments.

use crate::cli::args::yank::{YankArgs, YankSubject};
use crate::cli::read_context::read_environments;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Ui, append_report};
use crate::domain::entry::Action;
use crate::domain::id::CommitId;
use crate::view::grouping::list_or_count;

/// Block a commit or artifact from all further deployments
///
/// A yanked commit can neither be deployed nor rolled back to. Environments that already run it
/// keep it until something else is deployed.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Yank a release:
    git deploy yank v1.5.0 -m \"Loses orders under load\"

  Yank a compromised artifact:
    git deploy yank ghcr.io/acme/api@sha256:9f86… -m \"Built with a compromised dependency\"")]
pub struct Args {
    #[command(flatten)]
    yank: YankArgs,
}

/// Writes a yank, and prints where the commit still runs.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let subject = args.yank.parse_subject(&workspace)?;
    let appended = args
        .yank
        .append_yank(ui, &workspace, &subject, Action::Yank)?;
    let sentence = format!(
        "{subject} is yanked by {} and can no longer be deployed.",
        appended.statement.by
    );
    append_report::report_entry(ui, &sentence, &appended)?;
    if let YankSubject::Commit(commit) = subject {
        report_still_running(&workspace, ui, commit)?;
    }
    Ok(())
}

/// Prints the environments that still run the commit: a yank does not remove it from them.
fn report_still_running(workspace: &Workspace, ui: &Ui, commit: CommitId) -> Result<(), CliError> {
    for snapshot in read_environments(workspace)? {
        let running = snapshot.state().components();
        let names: Vec<&str> = running
            .iter()
            .filter(|(_, running)| **running == commit)
            .map(|(name, _)| name.as_str())
            .collect();
        if !names.is_empty() {
            let name = snapshot.name();
            let sentence = format!(
                "{name} still runs this commit ({}). To roll back",
                list_or_count(&names)
            );
            ui.eprint(ui.format_with_command(
                &sentence,
                &format!("git deploy record {name} REV --rollback"),
            ));
        }
    }
    Ok(())
}
