//! Collects what the ledgers contain about one commit.

use std::collections::BTreeSet;

use super::inclusion::InclusionFinder;
use crate::cli::change_search::CodeHistory;
use crate::cli::workspace::Workspace;
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::time::Time;
use crate::ledger::facts::FactGatherer;

/// Collects what the ledgers contain about one commit.
pub(super) struct CommitReader<'a> {
    pub workspace: &'a Workspace,
    pub gatherer: &'a FactGatherer<'a>,
    pub commit: CommitId,
    /// When the commit was made. Entries before this time, less the tolerance for clocks, cannot be
    /// about the commit and are not read.
    pub commit_time: Time,
    /// The components that the commit changes.
    pub changed_components: BTreeSet<ComponentName>,
    pub history: &'a CodeHistory<'a>,
    pub inclusion_finder: InclusionFinder<'a>,
}

impl CommitReader<'_> {
    /// Returns whether the commit is searched in a component: in those that it changes, or if it
    /// changes none, in all.
    pub fn is_searched(&self, component: &ComponentName) -> bool {
        self.changed_components.is_empty() || self.changed_components.contains(component)
    }
}
