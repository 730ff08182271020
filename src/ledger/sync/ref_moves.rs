//! Moves the refs of our ledgers, and those that say where the remote is.

use super::problem::LedgerFault;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;
use crate::ledger::INCOMING;

/// Moves our ledger. If another process of ours moved it meanwhile, the next sync sees that. Returns
/// the fault of the ledger if something is in the place of its ref: the other ledgers can be used.
pub(super) fn move_ledger(
    repository: &Repository,
    ledger: &LedgerName,
    old: Option<EntryId>,
    new: EntryId,
) -> Result<Option<LedgerFault>> {
    match repository.move_verified_ledger(ledger, old, new, "git-deploy: sync") {
        Ok(()) | Err(Error::LostRace { .. }) => Ok(None),
        Err(error @ (Error::BrokenRef { .. } | Error::InvalidRef { .. })) => {
            let folder = repository.find_folder_in_place_of(&ledger.ref_name());
            let cause = folder.unwrap_or(error);
            Ok(Some(LedgerFault::Broken {
                why: cause.to_string(),
                removal: cause.removal(),
            }))
        }
        Err(error) => Err(error),
    }
}

/// Records that the remote's ledger is at the entry we pushed.
pub(in crate::ledger) fn record_push(
    repository: &Repository,
    ledger: &LedgerName,
    new: EntryId,
) -> Result<()> {
    let name = format!("{INCOMING}{ledger}");
    let old = repository.read_ref(&name)?;
    match repository.compare_and_swap(&name, old, new.0, "git-deploy: push") {
        Ok(()) | Err(Error::LostRace { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
