//! What a search looks for, and how far.

use crate::domain::id::CommitId;

/// The maximum number of commits whose changes are compared with a change. Only commits that change
/// the component count, or for a single change, only those that change the same file.
pub(super) const SEARCH_LIMIT: usize = 2_000;
/// The maximum number of commits in a range whose paths are examined.
pub(super) const RANGE_LIMIT: usize = 100_000;

/// What to look for in a component.
#[derive(Clone, Copy)]
pub(super) enum SearchTarget {
    /// The change that one commit makes.
    Change(CommitId),
    /// Everything in the history of a commit.
    All(CommitId),
}

impl SearchTarget {
    /// Returns the commit to look for.
    pub fn commit(self) -> CommitId {
        match self {
            Self::Change(commit) | Self::All(commit) => commit,
        }
    }
}
