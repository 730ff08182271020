//! `git deploy sync`: fetches the ledgers, verifies new entries and shows them.

use crate::cli::diagnostics::explain_notes_error;
use crate::cli::expected_project::report_missing_pin;
use crate::cli::ledger_problems::report_misnamed;
use crate::cli::repository::{REMOTE_SETTING, find_remote, open_repository};
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, append_error, sync_report};
use crate::git::Repository;
use crate::ledger::ledger_refs::JunkRef;
use crate::ledger::sync::{LedgerProblem, SyncError, SyncResult};

/// Fetch the ledgers, verify new entries and show them
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy sync
  git deploy sync --remote upstream")]
pub struct Args {}

/// Syncs the ledgers with the remote. Without a remote, only updates the notes.
pub fn run(_: &Args, ui: &Ui) -> Result<(), CliError> {
    let repository = open_repository()?;
    let remote = find_remote(&repository, ui)?;
    let synced = if let Some(remote) = &remote {
        append_error::sync_ledgers(&repository, remote, ui)?
    } else {
        // Otherwise a failed update of the notes would stay: there is no server to repair them.
        let ledgers = repository
            .local_ledgers()
            .map_err(|error| append_error::explain_sync_error(ui, error))?;
        repository
            .update_notes(&ledgers.tips)
            .map_err(explain_notes_error)?;
        if !ledgers.problems.is_empty() {
            let error = SyncError::Local(ledgers.problems);
            return Err(append_error::explain_sync_error(ui, error));
        }
        report_missing_pin(&repository, ui)?;
        SyncResult::default()
    };
    report_misnamed(ui, &repository.find_misnamed_refs());
    if ui.json() {
        sync_report::print_sync_document(&repository, remote.as_deref(), &synced, ui)?;
        return require_usable_refs(&repository, ui);
    }
    if let Some(remote) = &remote {
        sync_report::print_sync_table(&repository, remote, &synced, ui)?;
        return require_usable_refs(&repository, ui);
    }
    // `init` also sets it, to an empty value, if the repository has no remote.
    let is_configured = repository
        .config_string(REMOTE_SETTING)
        .context(ErrorKind::CannotTell, "cannot read git's configuration")?
        .is_some();
    let remotes = repository
        .git("remote")
        .run()
        .context(ErrorKind::CannotTell, "cannot list the remotes")?;
    let reason = if is_configured && !remotes.stdout.is_empty() {
        "deploy.remote is empty"
    } else {
        "There is no remote"
    };
    ui.print(format_args!(
        "{reason}: the ledgers exist only in this repository."
    ));
    Ok(())
}

/// Fails if the ref of a ledger here is broken, so that it could not be updated, or if the remote has
/// refs that are no ledgers.
fn require_usable_refs(repository: &Repository, ui: &Ui) -> Result<(), CliError> {
    let ledgers = repository
        .local_ledgers()
        .map_err(|error| append_error::explain_sync_error(ui, error))?;
    let mut broken = ledgers.problems;
    broken.retain(LedgerProblem::is_broken);
    if !broken.is_empty() {
        let error = SyncError::Local(broken);
        return Err(append_error::explain_sync_error(ui, error));
    }
    refuse_junk(repository)
}

/// Fails if the remote has refs that are no ledgers, which were reported with the commands that
/// remove them.
fn refuse_junk(repository: &Repository) -> Result<(), CliError> {
    let junk = repository
        .find_remote_junk()
        .context(ErrorKind::CannotTell, "cannot list the remote's refs")?;
    if junk.is_empty() {
        return Ok(());
    }
    let message = "the remote has refs that are no ledgers; the ledgers are up to date";
    Err(CliError::new(ErrorKind::Denied, message).with_details(junk.iter().map(JunkRef::describe)))
}
