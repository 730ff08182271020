//! `git deploy notes`: rebuilds the notes that `git log --notes=deploy` shows.

use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::diagnostics::explain_notes_error;
use crate::cli::read_context;
use crate::cli::unverified_ledgers::explain_local_error;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::name::LedgerName;
use crate::ledger::sync::SyncError;

/// Rebuild the notes that git log --notes=deploy shows
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy notes rebuild")]
pub struct Args {
    #[command(subcommand)]
    command: NotesCommand,
}

#[derive(Subcommand)]
enum NotesCommand {
    /// Write all notes again from the ledgers
    ///
    /// Exits with 3 if a ledger is not verified or was lost.
    ///
    /// If a server holds the ledgers, run this in the server's repository. Clones fetch the notes
    /// from there at the next sync.
    #[command(after_long_help = "\
Examples:
  git deploy notes rebuild
  git-deploy -C /srv/shop.git notes rebuild")]
    Rebuild,
}

#[derive(JsonSchema, Serialize)]
pub(in crate::cli) struct NotesDocument {
    /// The number of ledgers that the notes were rebuilt from.
    ledgers: usize,
}

/// Rebuilds the notes from the ledgers.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let NotesCommand::Rebuild = args.command;
    let workspace = Workspace::open(ui)?;
    // Without them, the notes would lose what these ledgers say.
    let unverified = workspace.unverified_ledgers();
    if !unverified.is_empty() {
        let error = SyncError::Local(unverified.to_vec());
        return Err(explain_local_error(&workspace.repository, error));
    }
    let doubtful = read_context::report_problems(&workspace, ui)?.ledgers;
    workspace
        .repository
        .rebuild_notes(workspace.tips())
        .map_err(explain_notes_error)?;
    if !doubtful.is_empty() {
        let names: Vec<&str> = doubtful.iter().map(LedgerName::as_str).collect();
        let message = format!(
            "the notes were rebuilt, but they may lack the newest entries of {}",
            names.join(", ")
        );
        return Err(CliError::new(ErrorKind::CannotTell, message).hint("git deploy sync"));
    }
    if ui.json() {
        return ui.print_document(
            "notes-rebuild",
            &NotesDocument {
                ledgers: workspace.tips().len(),
            },
        );
    }
    ui.print("The notes were rebuilt from the ledgers.");
    Ok(())
}
