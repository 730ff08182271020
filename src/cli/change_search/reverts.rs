//! Finds the commit in a history that reverts a change.
//!
//! A revert names the commit in its message, as `git revert` writes it, and makes the inverse change.
//! Neither alone is enough: anyone can write the sentence, and the inverse of a small change can
//! occur by chance. A revert that is itself reverted, or followed by the same change again, does not
//! count.

use std::collections::BTreeSet;

use crate::domain::id::Oid;
use crate::git::Result;
use crate::git::repo::Repository;

/// The maximum depth of reverts of reverts that are followed.
const MAX_DEPTH: usize = 50;

/// A search for reverts in the history of a running commit.
pub(super) struct RevertSearch<'a> {
    pub repository: &'a Repository,
    /// The running commit.
    pub running: Oid,
    /// Returns the commits of the running history that touch the component and are not in the history
    /// of the given commit.
    pub later: &'a dyn Fn(Oid) -> Result<Vec<Oid>>,
}

impl RevertSearch<'_> {
    /// Finds a revert, still in effect, of any of the commits that make a change. Returns `None` if there
    /// is none.
    pub fn find(&self, commits: &[Oid]) -> Result<Option<Oid>> {
        self.find_to_depth(commits, MAX_DEPTH)
    }

    fn find_to_depth(&self, commits: &[Oid], depth: usize) -> Result<Option<Oid>> {
        let Some(depth) = depth.checked_sub(1) else {
            return Ok(None);
        };
        let commits: BTreeSet<Oid> = commits.iter().copied().collect();
        for commit in commits {
            for revert in self
                .repository
                .list_declared_reverts(self.running, commit)?
            {
                if !self.is_inverse(commit, revert)?
                    || self.find_to_depth(&[revert], depth)?.is_some()
                {
                    continue;
                }
                // The revert has no effect if the change was made again afterwards, unless each repetition
                // was reverted, too.
                let mut effective_revert = Some(revert);
                for repeated in self.find_repeated(commit, revert)? {
                    effective_revert = self.find_to_depth(&[repeated], depth)?;
                    if effective_revert.is_none() {
                        break;
                    }
                }
                if effective_revert.is_some() {
                    return Ok(effective_revert);
                }
            }
        }
        Ok(None)
    }

    /// Returns whether a commit makes the inverse change of another one.
    fn is_inverse(&self, commit: Oid, revert: Oid) -> Result<bool> {
        let inverse = self.repository.inverse_patch_id(commit)?;
        Ok(inverse.is_some() && inverse == self.patch_id(revert)?)
    }

    /// Returns the commits after a revert that make the reverted change again.
    fn find_repeated(&self, commit: Oid, revert: Oid) -> Result<Vec<Oid>> {
        let Some(reverted_change) = self.patch_id(commit)? else {
            return Ok(Vec::new());
        };
        let mut later = Vec::new();
        for id in (self.later)(revert)? {
            let other = self.repository.read_commit(id)?;
            // The commits that a merge brought in are in the list themselves.
            if id != commit && other.parents.len() <= 1 {
                later.push(other);
            }
        }
        let patch_ids = self.repository.patch_ids(&later)?;
        let has_change = |id: &Oid| patch_ids.get(id) == Some(&reverted_change);
        Ok(later
            .into_iter()
            .map(|it| it.id)
            .filter(has_change)
            .collect())
    }

    fn patch_id(&self, commit: Oid) -> Result<Option<String>> {
        let commit = self.repository.read_commit(commit)?;
        let id = commit.id;
        Ok(self.repository.patch_ids(&[commit])?.remove(&id))
    }
}
