//! `git deploy notes`: rebuilds the notes that `git log --notes=deploy` shows.

use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::diagnostics::explain_notes_error;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Ui};

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
    workspace
        .repository
        .rebuild_notes(workspace.tips())
        .map_err(explain_notes_error)?;
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
