//! The newest commits of a branch, and which of them are missing from a commit's history: one walk
//! along the branch serves many commits.
//!
//! If the commit is older than the whole window, all commits of the window are missing. So no walk
//! is needed for a running version that is years behind.

use std::collections::{BinaryHeap, HashMap, HashSet};

use super::ancestry::{CommitWalk, WalkOrder};
use super::error::{Error, Result};
use super::repo::Repository;
use crate::domain::id::Oid;

/// How many times the window's limit of commits may be read from another commit's history.
const HISTORY_FACTOR: usize = 10;

/// The newest commits of a branch.
pub struct BranchWindow<'a> {
    repository: &'a Repository,
    /// The commits, in the order of the walk.
    commits: Vec<WindowCommit>,
    /// The index of each commit in `commits`.
    indexes: HashMap<Oid, usize>,
    /// The position of the first branch commit outside the window; `None` if the window contains
    /// the whole branch.
    floor: Option<WalkOrder>,
    limit: usize,
}

/// A commit of the branch.
struct WindowCommit {
    id: Oid,
    parents: Vec<Oid>,
    /// Whether some of its parents are not in this clone.
    is_shallow: bool,
}

/// The commits of a branch window that are missing from the history of another commit.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct MissingInWindow {
    /// The indexes of the missing commits in the window.
    pub indexes: Vec<usize>,
    /// Whether commits older than the window may be missing, too.
    pub may_miss_older: bool,
}

impl Repository {
    /// Loads the newest commits in a commit's history, including itself, up to `limit`.
    pub fn load_branch_window(&self, tip: Oid, limit: usize) -> Result<BranchWindow<'_>> {
        let mut walk = CommitWalk::new(self)?;
        let (mut commits, mut indexes, mut floor) = (Vec::new(), HashMap::new(), None);
        let (mut queue, mut seen) = (
            BinaryHeap::from([(walk.read_step(tip)?, tip)]),
            HashSet::from([tip]),
        );
        while let Some((step, id)) = queue.pop() {
            if commits.len() >= limit {
                floor = Some(step.walk_order());
                break;
            }
            let mut is_shallow = walk.is_boundary(id);
            for parent in &step.parents {
                if seen.insert(*parent) {
                    match walk.read_step(*parent) {
                        Ok(step) => queue.push((step, *parent)),
                        Err(_) => is_shallow = true,
                    }
                }
            }
            indexes.insert(id, commits.len());
            commits.push(WindowCommit {
                id,
                parents: step.parents,
                is_shallow,
            });
        }
        Ok(BranchWindow {
            repository: self,
            commits,
            indexes,
            floor,
            limit,
        })
    }
}

impl BranchWindow<'_> {
    /// Returns the commit at an index.
    pub fn commit(&self, index: usize) -> Option<Oid> {
        self.commits.get(index).map(|commit| commit.id)
    }

    /// Returns the number of commits.
    pub fn count(&self) -> usize {
        self.commits.len()
    }

    /// Returns the window's commits that are not in the history of `commit`. As with
    /// `git rev-list`, wrong dates without a commit-graph can add commits that are in it.
    ///
    /// # Errors
    /// [`Error::Shallow`] if this clone does not hold enough history to answer.
    pub fn find_missing(&self, commit: Oid) -> Result<MissingInWindow> {
        let mut walk = CommitWalk::new(self.repository)?;
        let first = walk.read_step(commit)?;
        let is_below = |order: WalkOrder| self.floor.is_some_and(|floor| order < floor);
        if is_below(first.walk_order()) && !self.indexes.contains_key(&commit) {
            return Ok(MissingInWindow {
                indexes: (0..self.commits.len()).collect(),
                may_miss_older: true,
            });
        }
        let (mut history, mut queue) = (HashSet::from([commit]), vec![first]);
        while let Some(step) = queue.pop() {
            for parent in step.parents {
                if !history.insert(parent) {
                    continue;
                }
                if history.len() > self.limit.saturating_mul(HISTORY_FACTOR) {
                    return Err(Error::limit_exceeded(
                        "the number of commits beside the branch",
                        self.limit,
                    ));
                }
                // An unreadable commit is skipped: its ancestors count as missing unless another
                // path leads to them.
                let Ok(step) = walk.read_step(parent) else {
                    continue;
                };
                if !is_below(step.walk_order()) || self.indexes.contains_key(&parent) {
                    queue.push(step);
                }
            }
        }
        let mut missing = MissingInWindow::default();
        for (index, commit) in self
            .commits
            .iter()
            .enumerate()
            .filter(|(_, commit)| !history.contains(&commit.id))
        {
            if commit.is_shallow {
                return Err(Error::Shallow);
            }
            missing.indexes.push(index);
            missing.may_miss_older |= commit
                .parents
                .iter()
                .any(|parent| !history.contains(parent) && !self.indexes.contains_key(parent));
        }
        Ok(missing)
    }
}
