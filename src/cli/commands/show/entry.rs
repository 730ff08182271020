//! `git deploy show ENTRY`: shows one entry of a ledger.

use crate::cli::entry_lookup::FoundEntry;
use crate::cli::run_details::mark_wrapped;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, read_context};
use crate::view::log::{self, LogEntry, LogPage};

/// Prints an entry as `log --all` does.
pub(super) fn show_entry(
    workspace: &Workspace,
    found: &FoundEntry,
    ui: &Ui,
) -> Result<(), CliError> {
    let gatherer = workspace.gatherer();
    let read = || {
        let entry = gatherer.history().entry(&found.ledger, found.id)?;
        let start = gatherer.history().start_of(&entry.statement)?;
        let start = start.as_ref().map(|entry| &entry.statement);
        let described = log::describe_entry(found.id, &entry.statement, start);
        let details = mark_wrapped(&gatherer, described.details, &entry.statement, start);
        Ok(LogEntry {
            details,
            ..described
        })
    };
    let described: crate::git::Result<LogEntry> = read();
    let described = described.context(ErrorKind::CannotTell, "cannot read the entry")?;
    let page = LogPage {
        entries: vec![described],
        truncated: false,
    };
    if ui.json() {
        return ui.print_document("log", &page);
    }
    ui.print(log::render_text(&page, ui.width(), &|time| {
        ui.format_time(time)
    }));
    read_context::print_fetch_age(workspace, ui);
    Ok(())
}
