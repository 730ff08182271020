//! Keeps the remote's notes up to date after an entry was accepted.

use super::notes::NOTES_REF;
use super::sync::{NOTES_INCOMING, SyncError, sync_usable};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::git::remote::PushOutcome;
use crate::git::repo::Repository;

/// How many times to retry updating the notes while others update them. After that, the missing
/// lines are left to the next writer.
const NOTES_ATTEMPTS: u32 = 5;

/// Brings the notes up to date after one of our entries was accepted: takes the remote's notes if
/// they cover it, otherwise updates and pushes ours.
///
/// Ledgers and notes are fetched together, so the notes never cover an entry that this clone lacks.
pub fn sync_notes(
    repository: &Repository,
    remote: &str,
    ledger: &LedgerName,
    id: EntryId,
) -> std::result::Result<(), SyncError> {
    for _ in 0..NOTES_ATTEMPTS {
        let tips = sync_usable(repository, remote)?.tips;
        let notes = repository.read_notes_state(repository.read_ref(NOTES_REF)?)?;
        // Notes are not verified, so they may name an id that belongs to no commit.
        if let Some(covered) = notes.covers.get(ledger)
            && repository.read_commit(covered.0).is_ok()
            && repository.is_on_chain(*covered, id, usize::MAX)?
        {
            return Ok(());
        }
        let old = repository.read_ref(NOTES_INCOMING)?;
        if repository.update_notes(&tips)?
            && let Some(new) = repository.read_ref(NOTES_REF)?
            && let PushOutcome::LostRace { .. } =
                repository.push_ref(remote, new, NOTES_REF, old)?
        {
            continue;
        }
        // A remote that refuses the notes maintains its own.
        break;
    }
    Ok(())
}
