//! What a sync has done.

use super::problem::LedgerProblem;
use super::verify::MovedLedger;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::ledger::Tips;

/// The result of a sync.
#[derive(Debug, Clone, Default)]
pub struct SyncResult {
    /// The accepted tips.
    pub tips: Tips,
    /// The ledgers that moved.
    pub moved: Vec<MovedLedger>,
    /// The ledgers whose refs something else had moved, and that are verified again.
    pub restored: Vec<LedgerName>,
    /// The ledgers of which no entry verifies, with the refs that now hold what was there.
    pub set_aside: Vec<(LedgerName, String)>,
    /// The problems found.
    pub problems: Vec<LedgerProblem>,
    /// Why the fetched notes were not accepted.
    pub notes_error: Option<String>,
    /// The project, if it was pinned by this sync.
    pub pinned: Option<EntryId>,
}

impl SyncResult {
    /// Returns the problem of a ledger, if it has one.
    pub fn problem_of(&self, ledger: &LedgerName) -> Option<&LedgerProblem> {
        self.problems.iter().find(|it| it.ledger == *ledger)
    }
}
