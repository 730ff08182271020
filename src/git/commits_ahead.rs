//! The commits that are in one history and not in others.
//!
//! The walk goes through all histories at once, newest commits first. If a commit that was counted
//! as new turns out to be in an old history, it is visited again to mark its ancestors as old, too.

use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};

use super::ancestry::{CommitStep, CommitWalk};
use super::error::{Error, Result};
use super::repo::Repository;
use crate::domain::id::Oid;

/// The commits that are in one history and not in others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitsAhead {
    /// The commits, descendants before ancestors if dates are right or there is a commit-graph.
    pub commits: Vec<Oid>,
    /// Whether there are more than the limit.
    pub is_truncated: bool,
}

/// What a walk found out about a commit.
struct VisitState {
    /// Whether it is in the old history.
    is_old: bool,
    /// Whether it is queued.
    is_queued: bool,
}

/// A commit that the walk visits.
struct VisitedCommit {
    step: CommitStep,
    id: Oid,
    /// Whether it is in an old history.
    is_old: bool,
}

/// A walk through the new history and the old ones.
struct AheadWalk<'a> {
    commit_walk: CommitWalk<'a>,
    states: HashMap<Oid, VisitState>,
    queue: BinaryHeap<(CommitStep, Oid)>,
    /// The number of queued commits that are not known to be old.
    pending_new: usize,
}

impl<'a> AheadWalk<'a> {
    /// Starts a walk at the tip of the new history and at those of the old ones.
    fn start(
        repository: &Repository,
        commit_walk: CommitWalk<'a>,
        new: Oid,
        old: &[Oid],
    ) -> Result<Self> {
        let mut walk = Self {
            commit_walk,
            states: HashMap::new(),
            queue: BinaryHeap::new(),
            pending_new: 0,
        };
        for (id, is_old) in old.iter().map(|id| (*id, true)).chain([(new, false)]) {
            if !repository.exists(id) {
                return Err(repository.missing_error(id));
            }
            walk.reach(id, is_old)?;
        }
        Ok(walk)
    }

    /// Reaches a commit from a child, or as the start of a history: queues it if it was not reached
    /// before, or if it is now known to be old.
    fn reach(&mut self, id: Oid, is_old: bool) -> Result<()> {
        match self.states.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(VisitState {
                    is_old,
                    is_queued: true,
                });
                self.pending_new += usize::from(!is_old);
            }
            Entry::Occupied(mut entry) if is_old && !entry.get().is_old => {
                let state = entry.get_mut();
                state.is_old = true;
                // A commit that was visited already is visited again, to mark its parents as old,
                // too.
                if std::mem::replace(&mut state.is_queued, true) {
                    self.pending_new -= 1;
                    return Ok(());
                }
            }
            Entry::Occupied(_) => return Ok(()),
        }
        self.queue.push((self.commit_walk.read_step(id)?, id));
        Ok(())
    }

    /// Returns the next commit to visit.
    fn next(&mut self) -> Option<VisitedCommit> {
        let (step, id) = self.queue.pop()?;
        let state = self.states.get_mut(&id)?;
        state.is_queued = false;
        self.pending_new -= usize::from(!state.is_old);
        Some(VisitedCommit {
            step,
            id,
            is_old: state.is_old,
        })
    }

    /// Removes the commits that turned out to be old after they were visited.
    fn retain_new(&self, mut commits: Vec<Oid>) -> Vec<Oid> {
        commits.retain(|id| self.states.get(id).is_some_and(|state| !state.is_old));
        commits
    }

    /// Walks, and returns up to `limit` commits that are only in the new history. Each visit of a
    /// commit, of either history, takes one from `visits`; the walk also stops when none is left.
    fn collect(&mut self, limit: usize, visits: &mut usize) -> Result<CommitsAhead> {
        let mut commits = Vec::new();
        while self.pending_new > 0 {
            let visits_left = visits.checked_sub(1);
            let Some(VisitedCommit { step, id, is_old }) = self.next() else {
                break;
            };
            if visits_left.is_none() || !is_old && commits.len() >= limit {
                return Ok(CommitsAhead {
                    commits: self.retain_new(commits),
                    is_truncated: true,
                });
            }
            *visits = visits_left.unwrap_or_default();
            if !is_old {
                if self.commit_walk.is_boundary(id) {
                    return Err(Error::Shallow);
                }
                commits.push(id);
            }
            for parent in step.parents {
                self.reach(parent, is_old)?;
            }
        }
        Ok(CommitsAhead {
            commits: self.retain_new(commits),
            is_truncated: false,
        })
    }
}

impl Repository {
    /// Returns the commits in the history of `new`, including itself, that are not in the history
    /// of any of `old`.
    ///
    /// As with `git rev-list`, wrong dates without a commit-graph can add commits that are in the
    /// old history; none is ever left out.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for more than `limit` commits.
    pub fn commits_between(&self, new: Oid, old: &[Oid], limit: usize) -> Result<Vec<Oid>> {
        match self.commits_ahead(new, old, limit)? {
            CommitsAhead {
                commits,
                is_truncated: false,
            } => Ok(commits),
            _ => Err(Error::too_many_commits(limit)),
        }
    }

    /// Does the same as [`Repository::commits_between`], but for more than `limit` commits returns
    /// only the first ones met: the newest, if dates are right.
    pub fn commits_ahead(&self, new: Oid, old: &[Oid], limit: usize) -> Result<CommitsAhead> {
        let mut walk = AheadWalk::start(self, CommitWalk::new(self)?, new, old)?;
        let mut visits = usize::MAX;
        walk.collect(limit, &mut visits)
    }

    /// Does the same as [`Repository::commits_ahead`], but limits the visited commits of both
    /// histories: each takes one from `visits`.
    ///
    /// It ignores the commit-graph. So even with wrong dates, every repository that has the commits
    /// gets the same answer.
    ///
    /// # Errors
    /// [`Error::Shallow`] if the walk met a shallow boundary on either side: the old history may
    /// contain more than this clone shows.
    pub fn commits_ahead_by_date(
        &self,
        new: Oid,
        old: &[Oid],
        visits: &mut usize,
    ) -> Result<CommitsAhead> {
        let mut walk = AheadWalk::start(self, CommitWalk::without_graph(self)?, new, old)?;
        let ahead = walk.collect(usize::MAX, visits)?;
        if walk.commit_walk.met_boundary() && !ahead.is_truncated {
            return Err(Error::Shallow);
        }
        Ok(ahead)
    }
}
