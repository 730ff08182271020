//! Finds out whether a change in a history is in effect, or whether a later commit reverts it.
//!
//! A revert names the commit in its message, as `git revert` writes it, and makes the inverse change;
//! the lines around it may have changed in between. Anyone can write the sentence, and the inverse of
//! a small change can occur by chance, so with the sentence alone, the answer is unclear, and the
//! inverse alone is no revert. The revert of a merge reverts the commits that the merge brought, and
//! a merge is reverted if all the commits that it brought are. A revert that is itself reverted, or
//! followed by the same change again, does not count.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use super::code_history::CodeHistory;
use super::search_target::SEARCH_LIMIT;
use crate::domain::id::Oid;
use crate::domain::name::ComponentName;
use crate::git::Result;
use crate::git::declared_reverts::DeclaredRevert;
use crate::git::patch_id::Change;

/// The maximum number of commits that are examined for one answer.
const MAX_EXAMINED: usize = 1_000;

/// Whether a change in a history is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// No commit reverts it.
    Kept,
    /// A commit may revert it: its message says so, but it does not make exactly the inverse change.
    PossiblyReverted(Oid),
    /// It is unknown, for this reason.
    Unknown(String),
    /// A commit reverts it.
    Reverted(Oid),
}

/// A search for reverts in the history of a running commit.
pub(super) struct RevertSearch<'s, 'a> {
    history: &'s CodeHistory<'a>,
    component: &'s ComponentName,
    running: Oid,
    /// The declared reverts since the commit, newest first.
    declared: Rc<[DeclaredRevert]>,
    /// How many more commits are examined.
    examinations_left: Cell<usize>,
    /// The commits that are being examined.
    examining: RefCell<BTreeSet<Oid>>,
}

impl Effect {
    /// Returns how much the effect says against the change.
    fn rank(&self) -> u8 {
        match self {
            Self::Kept => 0,
            Self::PossiblyReverted(_) => 1,
            Self::Unknown(_) => 2,
            Self::Reverted(_) => 3,
        }
    }
}

/// Finds out whether the change of a commit in the history of a running commit is in effect in a
/// component. `searched` is the commit that the user named, if it is another one with the same change.
pub(super) fn find_effect(
    history: &CodeHistory<'_>,
    component: &ComponentName,
    running: Oid,
    commit: Oid,
    searched: Option<Oid>,
) -> Result<Effect> {
    let mut declared = history.list_declared_reverts(running, commit)?;
    if declared.is_empty() {
        return Ok(Effect::Kept);
    }
    let parents = history.repository.read_commit(commit)?.parents;
    if let [first, _, ..] = parents.as_slice() {
        // The reverts of the commits that a merge brought can be older than the merge.
        declared = history.list_declared_reverts(running, *first)?;
    }
    let search = RevertSearch {
        history,
        component,
        running,
        declared,
        examinations_left: Cell::new(MAX_EXAMINED),
        examining: RefCell::default(),
    };
    search.find(commit, searched)
}

impl RevertSearch<'_, '_> {
    fn find(&self, commit: Oid, searched: Option<Oid>) -> Result<Effect> {
        let Some(left) = self.examinations_left.get().checked_sub(1) else {
            let reason = format!("more than {MAX_EXAMINED} commits may revert each other");
            return Ok(Effect::Unknown(reason));
        };
        self.examinations_left.set(left);
        if !self.examining.borrow_mut().insert(commit) {
            // Two commits with the same change on different branches, each reverted on its own
            // branch: neither makes the change of the other again.
            return Ok(Effect::Reverted(commit));
        }
        let mut effect = self.find_by_declared(commit, searched)?;
        if effect == Effect::Kept {
            effect = self.find_by_brought_commits(commit)?;
        }
        self.examining.borrow_mut().remove(&commit);
        Ok(effect)
    }

    /// Examines the declared reverts of a commit.
    fn find_by_declared(&self, commit: Oid, searched: Option<Oid>) -> Result<Effect> {
        let named = self.declared.iter().map(|it| &it.reverted.commit);
        self.history.compute_patch_ids(named.chain([&commit]))?;
        let mut effect = Effect::Kept;
        for revert in &*self.declared {
            if effect.rank() == Effect::Reverted(commit).rank() {
                break;
            }
            if self.is_about(revert, commit, searched)? {
                effect = worse(effect, self.examine(revert, commit)?);
            }
        }
        Ok(effect)
    }

    /// Returns whether a later commit says that it reverts a commit, another one with the same change,
    /// or a merge that brought it.
    fn is_about(
        &self,
        revert: &DeclaredRevert,
        commit: Oid,
        searched: Option<Oid>,
    ) -> Result<bool> {
        let repository = self.history.repository;
        let reverted = revert.reverted.commit;
        let mut is_named = self.history.have_same_patch(reverted, commit);
        for id in [Some(commit), searched].into_iter().flatten() {
            is_named |= reverted == id;
            is_named = is_named
                || revert.is_of_merge
                    && repository.is_ancestor(id, reverted)?
                    && !match revert.reverted.base {
                        Some(base) => repository.is_ancestor(id, base)?,
                        None => false,
                    };
        }
        Ok(is_named && revert.commit != commit && repository.is_ancestor(commit, revert.commit)?)
    }

    /// Finds out what a declared revert of a commit does to the commit's change in the component.
    fn examine(&self, revert: &DeclaredRevert, commit: Oid) -> Result<Effect> {
        let (history, id) = (self.history, revert.commit);
        let is_changed = history.changes(commit, self.component)?;
        // A commit that changes no component is asked for in all of them.
        let component = is_changed.then_some(self.component);
        let files = history.list_files_of(revert.reverted, component)?;
        if files.is_empty() {
            return Ok(Effect::Kept);
        }
        let change = Change::of(&history.repository.read_commit(id)?);
        let is_inverse = history
            .repository
            .is_inverse(revert.reverted, change, &files)?;
        if !is_inverse && is_changed && !history.changes(id, self.component)? {
            return Ok(Effect::Kept);
        }
        let effect = match self.find(id, None)? {
            Effect::Kept if is_inverse => Effect::Reverted(id),
            Effect::Kept => Effect::PossiblyReverted(id),
            Effect::PossiblyReverted(other) => Effect::Unknown(format!(
                "{} reverts it, and {} may revert that",
                id.prefix(7),
                other.prefix(7)
            )),
            Effect::Unknown(reason) => Effect::Unknown(reason),
            Effect::Reverted(_) => return Ok(Effect::Kept),
        };
        self.examine_repetitions(revert, commit, effect)
    }

    /// Returns the effect of a revert, given that the change may have been made again afterwards.
    fn examine_repetitions(
        &self,
        revert: &DeclaredRevert,
        commit: Oid,
        mut effect: Effect,
    ) -> Result<Effect> {
        let (history, id) = (self.history, revert.commit);
        for same in BTreeSet::from([commit, revert.reverted.commit]) {
            let repetitions = history.find_same_change(same, self.component, self.running, id)?;
            for repetition in repetitions.commits {
                if repetition == commit || self.is_brought_by(commit, repetition)? {
                    continue;
                }
                effect = match self.find(repetition, None)? {
                    Effect::Kept => return Ok(Effect::Kept),
                    Effect::Reverted(_) => effect,
                    Effect::PossiblyReverted(other) => Effect::Unknown(format!(
                        "{} makes it again after its revert, and {} may revert that",
                        repetition.prefix(7),
                        other.prefix(7)
                    )),
                    Effect::Unknown(reason) => Effect::Unknown(reason),
                };
            }
            if repetitions.is_truncated {
                effect = Effect::Unknown(format!(
                    "{} reverts it, and more than {SEARCH_LIMIT} later commits may make it again",
                    id.prefix(7)
                ));
            }
        }
        Ok(effect)
    }

    /// Returns whether a commit is a merge that brought another commit: it does not make the change of
    /// that commit again.
    fn is_brought_by(&self, commit: Oid, merge: Oid) -> Result<bool> {
        let repository = self.history.repository;
        let parents = repository.read_commit(merge)?.parents;
        Ok(match parents.as_slice() {
            [first, _, ..] => {
                repository.is_ancestor(commit, merge)? && !repository.is_ancestor(commit, *first)?
            }
            _ => false,
        })
    }

    /// Examines the commits that a merge brought and that change the component, if it is one.
    fn find_by_brought_commits(&self, merge: Oid) -> Result<Effect> {
        let (history, repository) = (self.history, self.history.repository);
        let parents = repository.read_commit(merge)?.parents;
        let [first, _, ..] = parents.as_slice() else {
            return Ok(Effect::Kept);
        };
        let is_changed = history.changes(merge, self.component)?;
        let brought = repository.commits_ahead(merge, &[*first], SEARCH_LIMIT)?;
        let mut found: Option<Effect> = None;
        for id in brought.commits {
            let is_merge = repository.read_commit(id)?.parents.len() > 1;
            if is_merge || is_changed && !history.changes(id, self.component)? {
                continue;
            }
            let effect = self.find(id, None)?;
            // The merge is as much in effect as the commit that is most in effect.
            found = Some(match found {
                Some(found) if found.rank() <= effect.rank() => found,
                _ => effect,
            });
            if found == Some(Effect::Kept) {
                break;
            }
        }
        Ok(match found {
            Some(Effect::Reverted(_)) if brought.is_truncated => Effect::Unknown(format!(
                "the merge brought more than {SEARCH_LIMIT} commits"
            )),
            found => found.unwrap_or(Effect::Kept),
        })
    }
}

/// Returns the effect that says more against the change.
fn worse(first: Effect, second: Effect) -> Effect {
    if second.rank() > first.rank() {
        second
    } else {
        first
    }
}
