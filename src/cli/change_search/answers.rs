//! Explains why a change was not found, or is not in effect.

use super::reverts::Effect;
use super::search_target::{SEARCH_LIMIT, SearchTarget};
use crate::domain::id::{CommitId, Oid};
use crate::git::Repository;
use crate::run::new_commits::read_subject;
use crate::view::contains::{ComponentAnswer, MatchKind};

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
        return ComponentAnswer::cannot_tell(reason);
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

/// Returns the answer for a change that is in the running history: as `kind`, and if it was
/// cherry-picked, as these commits.
pub(super) fn answer_for_effect(
    repository: &Repository,
    effect: Effect,
    kind: MatchKind,
    cherry_picks: Vec<CommitId>,
) -> crate::git::Result<ComponentAnswer> {
    let describe = |id: Oid| {
        let subject = read_subject(&repository.read_commit(id)?);
        let subject = subject.map_or_else(String::new, |it| format!(" \"{it}\""));
        crate::git::Result::Ok(format!("{}{subject}", id.prefix(7)))
    };
    Ok(match effect {
        Effect::Kept => ComponentAnswer::Yes { kind, cherry_picks },
        Effect::Unknown(reason) => ComponentAnswer::cannot_tell(reason),
        Effect::Reverted(id) => ComponentAnswer::No {
            reason: format!("reverted by {}", describe(id)?),
            reverted_by: Some(CommitId(id)),
        },
        Effect::PossiblyReverted(id) => ComponentAnswer::CannotTell {
            reason: format!(
                "{} says that it reverts it, but does not make exactly the inverse change",
                describe(id)?
            ),
            possibly_reverted_by: Some(CommitId(id)),
        },
    })
}
