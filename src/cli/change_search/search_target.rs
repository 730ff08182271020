//! What a search looks for, and how far.

use crate::domain::id::CommitId;

/// The maximum number of commits to search for the same change.
pub(super) const SEARCH_LIMIT: usize = 2_000;

/// What to look for in a component.
#[derive(Clone, Copy)]
pub(super) enum SearchTarget {
    /// The change that one commit makes.
    Change(CommitId),
    /// Everything in the history of a commit.
    All(CommitId),
}
