//! Reports the result of a sync as text or JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::entry_name::format_entry_name;
use super::expected_project::require_project;
use super::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry::Statement;
use crate::domain::id::EntryId;
use crate::domain::name::{LedgerName, Person};
use crate::domain::time::Time;
use crate::git::Repository;
use crate::ledger::sync::{MovedLedger, SyncResult};
use crate::ledger::{LedgerCommit, Project};
use crate::view::table::Table;

/// The result of a sync: the document `git-deploy/sync/v1`.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SyncDocument {
    /// The remote that holds the ledgers.
    #[serde(skip_serializing_if = "Option::is_none")]
    remote: Option<String>,
    /// The project that was trusted for the first time just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<EntryId>,
    /// The ledgers that have new entries.
    moved: Vec<LedgerUpdate>,
    /// The ledgers that something else had moved, and that are verified again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    restored: Vec<LedgerName>,
    /// The refs that hold what git had brought to ledgers of which no entry verifies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    set_aside: Vec<String>,
}

/// The new entries of one ledger.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct LedgerUpdate {
    /// The ledger.
    ledger: LedgerName,
    /// Its tip before; absent if the ledger is new here.
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<EntryId>,
    /// Its tip now.
    new: EntryId,
    /// The number of new entries.
    entries: usize,
    /// The subject of the newest entry.
    subject: String,
    /// When the newest entry was made.
    at: Time,
    /// Who signed it.
    by: Person,
}

/// Prints the JSON document of a sync. `remote` is `None` if no remote holds the ledgers.
pub fn print_sync_document(
    repository: &Repository,
    remote: Option<&str>,
    synced: &SyncResult,
    ui: &Ui,
) -> Result<(), CliError> {
    let moved = synced
        .moved
        .iter()
        .map(|moved| describe_update(repository, moved))
        .collect::<Result<_, _>>()?;
    ui.print_document(
        "sync",
        &SyncDocument {
            remote: remote.map(str::to_owned),
            pinned: synced.pinned,
            moved,
            restored: synced.restored.clone(),
            set_aside: synced
                .set_aside
                .iter()
                .map(|(_, aside)| aside.clone())
                .collect(),
        },
    )
}

/// Prints which project is trusted from now on, if this is the first contact with it.
///
/// # Errors
///
/// Fails if it is not the project of `--project`.
pub fn report_trust(repository: &Repository, synced: &SyncResult, ui: &Ui) -> Result<(), CliError> {
    if let Some(id) = synced.pinned {
        let project = Project::read(repository, id)
            .context(ErrorKind::CannotTell, "cannot read the project")?;
        ui.eprint_sentence(format_args!(
            "{}: trusted on first use. Compare with a colleague: git config deploy.root\n  {id}",
            project.name
        ));
        ui.project()
            .map_or(Ok(()), |expected| require_project(expected, &project))?;
    }
    Ok(())
}

/// Prints which ledgers here were not verified, and what happened to them.
pub fn report_restored(synced: &SyncResult, ui: &Ui) {
    for ledger in &synced.restored {
        ui.eprint_warning(format_args!(
            "the ledger {ledger} here had been moved by something else than git-deploy; it is verified again"
        ));
    }
    for (ledger, aside) in &synced.set_aside {
        ui.eprint_warning(format_args!(
            "no entry of the ledger {ledger} here is verified: it is now {aside}"
        ));
    }
}

/// Prints the new entries of a sync as a table.
pub fn print_sync_table(
    repository: &Repository,
    remote: &str,
    synced: &SyncResult,
    ui: &Ui,
) -> Result<(), CliError> {
    report_trust(repository, synced, ui)?;
    report_restored(synced, ui);
    if synced.moved.is_empty() {
        let message = if synced.tips.is_empty() {
            "has no ledgers yet"
        } else {
            "has nothing new"
        };
        ui.print(format_args!("{remote} {message}."));
        return Ok(());
    }
    let mut table =
        Table::new(&["Ledger", "New", "Newest entry", "By", "When", ""]).shorten_columns(&[2]);
    for moved in &synced.moved {
        let statement = read_newest(repository, moved)?;
        let cells = [
            moved.ledger.to_string(),
            moved.entries.to_string(),
            format_subject(&statement),
            statement.by.to_string(),
            ui.format_time(statement.at),
            format_entry_name(&moved.ledger, moved.new),
        ];
        table.add_row(cells);
    }
    ui.print(table.render(ui.width()));
    Ok(())
}

fn describe_update(repository: &Repository, moved: &MovedLedger) -> Result<LedgerUpdate, CliError> {
    let statement = read_newest(repository, moved)?;
    Ok(LedgerUpdate {
        ledger: moved.ledger.clone(),
        old: moved.old,
        new: moved.new,
        entries: moved.entries,
        subject: format_subject(&statement),
        at: statement.at,
        by: statement.by.clone(),
    })
}

fn read_newest(repository: &Repository, moved: &MovedLedger) -> Result<Statement, CliError> {
    let message = format!("cannot read the ledger {}", moved.ledger);
    match repository
        .read_ledger_commit(&moved.ledger, moved.new)
        .context(ErrorKind::CannotTell, message.as_str())?
    {
        LedgerCommit::Entry { entry, .. } => Ok(entry.statement().clone()),
        LedgerCommit::Genesis => Err(CliError::new(ErrorKind::CannotTell, message)),
    }
}

fn format_subject(statement: &Statement) -> String {
    statement
        .message()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
