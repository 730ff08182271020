//! The hook post-receive: writes notes for accepted entries, if proc-receive has not done so, and
//! hands the entries over.
//!
//! A failure here loses no entry: both tasks continue from where they ended last, so the next run
//! catches up.

use super::classify::classify;
use super::handoff::{self, HandoffError};
use super::ref_update::RefUpdate;
use super::{HookError, lock};
use crate::git::{Repository, Result as GitResult};
use crate::ledger::sync::SyncError;

/// The tasks that failed after a push. `None` means that a task is up to date.
#[derive(Debug, Default)]
pub struct Backlog {
    /// Why the notes could not be written.
    pub notes: Option<HookError>,
    /// Why entries could not be handed over.
    pub handoff: Option<HandoffError>,
}

/// Writes notes and hands entries over after a push, in the repository that `open` opens if a
/// ledger has moved.
pub fn run(
    lines: &[u8],
    open: impl FnOnce() -> GitResult<Repository>,
) -> Result<Backlog, HookError> {
    let updates = RefUpdate::parse_all(lines)?;
    if !updates
        .iter()
        .any(|update| classify(&update.name).ledger().is_some())
    {
        return Ok(Backlog::default());
    }
    let repository = open()?;
    Ok(Backlog {
        notes: write_notes(&repository).err(),
        handoff: handoff::hand_over_entries(&repository).err(),
    })
}

/// Writes the missing notes.
fn write_notes(repository: &Repository) -> Result<(), HookError> {
    let _lock = lock::take(repository)?;
    // Git may have moved the refs itself. Their entries are verified and recorded here, so that the
    // next push need not do it.
    let ledgers = repository.local_ledgers().map_err(SyncError::into_git)?;
    repository.update_notes(&ledgers.tips)?;
    Ok(())
}
