//! `git deploy notes`: rebuilds the notes that `git log --notes=deploy` shows.

use clap::Subcommand;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::workspace::Workspace;
use crate::cli::{Context, Failure};

/// Make the notes of `git log --notes=deploy` anew
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write all notes anew from the ledgers, whatever they say now
    ///
    /// Where a server holds the ledgers, run it in the server's repository: a clone's notes come from there with the next sync.
    Rebuild,
}

#[derive(JsonSchema, Serialize)]
pub(in crate::cli) struct Body {
    /// How many ledgers the notes now cover.
    ledgers: usize,
}

/// Rebuilds the notes from the ledgers.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let Command::Rebuild = args.command;
    let workspace = Workspace::open(context)?;
    let rebuilt = workspace.repository.rebuild_notes(&workspace.tips);
    rebuilt.map_err(crate::cli::diagnostics::unwritten_notes)?;
    if context.json() {
        return context.report(
            "notes-rebuild",
            &Body {
                ledgers: workspace.tips.len(),
            },
        );
    }
    context.print("The notes tell again what the ledgers say.");
    Ok(())
}
