//! Collects what the ledgers contain about one commit.

use super::inclusion::InclusionFinder;
use crate::cli::workspace::Workspace;
use crate::domain::id::CommitId;
use crate::domain::time::Time;
use crate::ledger::facts::{FactGatherer, PathCommits};

/// Collects what the ledgers contain about one commit.
pub(super) struct CommitReader<'a> {
    pub workspace: &'a Workspace,
    pub gatherer: &'a FactGatherer<'a>,
    pub commit: CommitId,
    /// When the commit was made. Entries before this time, less the tolerance for clocks, cannot be
    /// about the commit and are not read.
    pub commit_time: Time,
    pub is_merge: bool,
    pub path_commits: PathCommits<'a>,
    pub inclusion_finder: InclusionFinder<'a>,
}
