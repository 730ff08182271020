//! Restores the refs of ledgers that git itself has moved to entries that do not verify.
//!
//! Afterwards such a clone has the refs of a clone that fetched with this program only. Otherwise a
//! ref that stays could name entries of another ledger that was moved back.

use super::problem::{LedgerFault, LedgerProblem};
use super::ref_moves::move_ledger;
use super::result::SyncResult;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;
use crate::ledger::Tips;
use crate::ledger::local_ledgers::LocalLedgers;

/// Moves the refs that are not verified back to the last verified tips, and sets aside those of
/// ledgers without a verified entry. A ledger that `tips` moves forward is there already.
pub(super) fn restore_unverified(
    repository: &Repository,
    local: &LocalLedgers,
    tips: &Tips,
    synced: &mut SyncResult,
) -> Result<()> {
    let has_undecided = local.problems.iter().any(LedgerProblem::is_undecided);
    for problem in &local.problems {
        let ledger = &problem.ledger;
        // It is unknown what a broken ref is, so only the user removes it.
        if problem.is_broken() {
            continue;
        }
        // An undecided ref may be right, and so may one that depends on it.
        let is_dependent = matches!(problem.fault, LedgerFault::Dependent { .. });
        let is_undecided = problem.is_undecided() || (has_undecided && is_dependent);
        match (tips.get(ledger).copied(), problem.remote_tip) {
            (Some(tip), at) if Some(tip) == problem.kept_tip => {
                // A commit that is missing cannot be restored.
                if is_undecided || at == Some(tip) || repository.read_commit(tip.0).is_err() {
                    continue;
                }
                match move_ledger(repository, ledger, at, tip)? {
                    None => synced.restored.push(ledger.clone()),
                    Some(fault) => synced.problems.push(LedgerProblem {
                        fault,
                        ..problem.clone()
                    }),
                }
            }
            (Some(_), _) => synced.restored.push(ledger.clone()),
            (None, Some(at)) if !is_undecided => {
                let aside = repository.set_ledger_aside(ledger, at)?;
                synced.set_aside.push((ledger.clone(), aside));
            }
            (None, _) => {}
        }
    }
    Ok(())
}

impl Repository {
    /// Keeps a tip below `refs/deploy-set-aside/`, so that no signed entry is lost. Returns the ref.
    pub fn keep_aside(&self, ledger: &LedgerName, tip: EntryId, log: &str) -> Result<String> {
        let name = format!("refs/deploy-set-aside/{ledger}/{}", tip.0.prefix(10));
        match self.compare_and_swap(&name, None, tip.0, log) {
            // A lost race means that the ref already exists. Its name contains its commit, so it is
            // the right one.
            Ok(()) | Err(Error::LostRace { .. }) => Ok(name),
            Err(error) => Err(error),
        }
    }

    /// Moves a ledger's ref below `refs/deploy-set-aside/`.
    fn set_ledger_aside(&self, ledger: &LedgerName, tip: EntryId) -> Result<String> {
        let aside = self.keep_aside(ledger, tip, "git-deploy: sync")?;
        self.remove_unverified_ledger(ledger, tip)?;
        Ok(aside)
    }
}
