//! Explains why a change was not found.

use super::search_target::{SEARCH_LIMIT, SearchTarget};
use crate::domain::id::{CommitId, Oid};
use crate::view::contains::ComponentAnswer;

/// Returns the answer if changes were not found among the deployed commits. `missing` lists the
/// commits that make these changes, newest first, and is not empty. With `is_truncated`, only the
/// first `SEARCH_LIMIT` deployed commits were examined.
pub(super) fn answer_for_missing(
    target: SearchTarget,
    running: CommitId,
    missing: &[Oid],
    is_truncated: bool,
) -> ComponentAnswer {
    let running = running.0.prefix(7);
    if is_truncated {
        let reason =
            format!("more than {SEARCH_LIMIT} commits of {running} may hold the same change");
        return ComponentAnswer::CannotTell { reason };
    }
    let newest = missing.first().map(|id| id.prefix(7)).unwrap_or_default();
    let reason = match (target, missing.len()) {
        (SearchTarget::Change(_), _) => {
            format!("{running} has neither the commit nor one that makes the same change")
        }
        (SearchTarget::All(_), 1) => format!("{running} lacks {newest}"),
        (SearchTarget::All(_), count) => {
            format!("{running} lacks {count} commits, the newest {newest}")
        }
    };
    ComponentAnswer::no(reason)
}
