//! Questions about history: which commit descends from which, and which commits lie between.
//!
//! The answer is "no" only if all history that could say otherwise was read. A missing commit or a
//! shallow boundary in the way is an error. Committer dates can be wrong: they may speed up an
//! answer, but never change it.

use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap, HashSet};

use gix::commitgraph::Graph;

use super::error::{Error, Result};
use super::object::{Commit, ObjectKind};
use super::repo::{Repository, from_gix, to_gix};
use crate::domain::id::Oid;

/// The first-parent chain of a commit, newest first: see [`Repository::first_parent_walk`].
pub struct FirstParents<'a> {
    repository: &'a Repository,
    next: Option<Oid>,
}

impl Iterator for FirstParents<'_> {
    type Item = Result<Commit>;

    fn next(&mut self) -> Option<Self::Item> {
        let commit = self.repository.read_commit(self.next.take()?);
        self.next = commit
            .as_ref()
            .ok()
            .and_then(|commit| commit.parents.first().copied());
        Some(commit)
    }
}

/// A commit on the way from a descendant to its ancestors. Steps sort by promise: the highest
/// generation, then the newest committer time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CommitStep {
    generation: u32,
    time: u64,
    pub(super) parents: Vec<Oid>,
}

/// The position of a commit in the order of a walk: above all its ancestors, by generation, or by
/// date if the dates are right.
pub(super) type WalkOrder = (u32, u64);

impl CommitStep {
    /// Returns the position in the order of a walk.
    pub(super) fn walk_order(&self) -> WalkOrder {
        (self.generation, self.time)
    }
}

/// The commits that one history has and another lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitsAhead {
    /// The commits, descendants before ancestors if dates are right or there is a commit-graph.
    pub commits: Vec<Oid>,
    /// Whether there are more than the limit.
    pub is_truncated: bool,
}

/// A walk over history that uses the commit-graph if there is one.
pub(super) struct CommitWalk<'a> {
    repository: &'a Repository,
    graph: Option<&'a Graph>,
    shallow: HashSet<Oid>,
    /// Whether the walk met a shallow boundary.
    met_boundary: bool,
}

impl<'a> CommitWalk<'a> {
    /// Starts a walk.
    pub(super) fn new(repository: &'a Repository) -> Result<Self> {
        Ok(Self {
            repository,
            graph: repository.commit_graph(),
            shallow: repository.shallow_boundary()?,
            met_boundary: false,
        })
    }

    /// Returns the generation of a commit that the graph contains; 0 if it was never computed.
    fn generation(&self, id: Oid) -> Option<u32> {
        Some(self.graph?.commit_by_id(to_gix(id))?.generation())
    }

    /// Checks whether the commit's parents are missing because the clone is shallow.
    pub(super) fn is_boundary(&self, id: Oid) -> bool {
        self.shallow.contains(&id)
    }

    /// Reads a commit, from the graph if possible.
    pub(super) fn read_step(&mut self, id: Oid) -> Result<CommitStep> {
        if let Some((graph, commit)) = self
            .graph
            .and_then(|graph| Some((graph, graph.commit_by_id(to_gix(id))?)))
        {
            let parents = commit
                .iter_parents()
                .map(|at| at.map(|at| from_gix(graph.id_at(at))));
            let parents = parents
                .collect::<gix::Result<_>>()
                .map_err(Error::library("reading the commit-graph"))?;
            return Ok(CommitStep {
                generation: commit.generation(),
                time: commit.committer_timestamp(),
                parents,
            });
        }
        let commit = self.repository.read_commit(id)?;
        let time = commit.committer_time.as_seconds().unsigned_abs();
        if self.shallow.contains(&id) {
            self.met_boundary = true;
            return Ok(CommitStep {
                generation: u32::MAX,
                time,
                parents: Vec::new(),
            });
        }
        Ok(CommitStep {
            generation: u32::MAX,
            time,
            parents: commit.parents,
        })
    }
}

impl Repository {
    /// Reads a commit's tree and parents, from the commit-graph if possible.
    pub(super) fn read_tree_and_parents(&self, id: Oid) -> Result<(Oid, Vec<Oid>)> {
        if let Some((graph, commit)) = self
            .commit_graph()
            .and_then(|graph| Some((graph, graph.commit_by_id(to_gix(id))?)))
        {
            let parents = commit
                .iter_parents()
                .map(|at| at.map(|at| from_gix(graph.id_at(at))));
            let parents = parents
                .collect::<gix::Result<_>>()
                .map_err(Error::library("reading the commit-graph"))?;
            return Ok((from_gix(commit.root_tree_id()), parents));
        }
        let commit = self.read_commit(id)?;
        Ok((commit.tree, commit.parents))
    }

    /// Returns an iterator over the commit, its first parent, that commit's first parent and so on.
    /// An unreadable commit is the last item.
    pub fn first_parent_walk(&self, tip: Oid) -> FirstParents<'_> {
        FirstParents {
            repository: self,
            next: Some(tip),
        }
    }

    /// Returns the first parent of a commit, from the commit-graph if possible. Nobody signs the
    /// graph, so use this only for what is checked anyway.
    pub(crate) fn first_parent(&self, id: Oid) -> Result<Option<Oid>> {
        if let Some((graph, commit)) = self
            .commit_graph()
            .and_then(|graph| Some((graph, graph.commit_by_id(to_gix(id))?)))
        {
            // A graph can outlive lost objects.
            if !self.exists(id) {
                return Err(Error::Missing(id));
            }
            let parent = commit.iter_parents().next().transpose();
            let parent = parent.map_err(Error::library("reading the commit-graph"))?;
            return Ok(parent.map(|at| from_gix(graph.id_at(at))));
        }
        Ok(self.read_commit(id)?.parents.first().copied())
    }

    /// Checks whether `ancestor` is `descendant` or in its history.
    ///
    /// # Errors
    /// [`Error::Shallow`] or [`Error::Missing`] if this clone lacks history that could say yes.
    pub fn is_ancestor(&self, ancestor: Oid, descendant: Oid) -> Result<bool> {
        for id in [ancestor, descendant] {
            match self.object_kind(id)? {
                Some(ObjectKind::Commit) => {}
                Some(kind) => {
                    return Err(Error::WrongKind {
                        id,
                        expected: "commit",
                        found: kind.name(),
                    });
                }
                None => return Err(self.missing_error(id)),
            }
        }
        if ancestor == descendant {
            return Ok(true);
        }
        let mut walk = CommitWalk::new(self)?;
        let floor = walk.generation(ancestor);
        let (mut seen, mut queue) = (
            HashSet::from([descendant]),
            BinaryHeap::from([walk.read_step(descendant)?]),
        );
        while let Some(step) = queue.pop() {
            if step.parents.contains(&ancestor) {
                return Ok(true);
            }
            for parent in step.parents {
                let above = walk.generation(parent).is_none_or(|generation| {
                    // A graph is closed under reachability: a commit in it has only ancestors in
                    // it, with lower generations.
                    floor.is_some_and(|floor| generation > floor || generation == 0 || floor == 0)
                });
                if above && seen.insert(parent) {
                    queue.push(walk.read_step(parent)?);
                }
            }
        }
        if walk.met_boundary {
            Err(Error::Shallow)
        } else {
            Ok(false)
        }
    }

    /// Returns the commits whose parents are missing because the clone is shallow; empty if it is
    /// not.
    pub(super) fn shallow_boundary(&self) -> Result<HashSet<Oid>> {
        let commits = self
            .gix
            .shallow_commits()
            .map_err(Error::library("reading the shallow boundary"))?;
        Ok(commits
            .map(|commits| commits.iter().map(|id| from_gix(id)).collect())
            .unwrap_or_default())
    }

    /// Returns the commits in the history of `new`, including itself, that are not in the history
    /// of any of `old`.
    ///
    /// As with `git rev-list`, wrong dates without a commit-graph can add commits that are in the
    /// old history; none is ever left out.
    ///
    /// # Errors
    /// [`Error::Bounds`] for more than `limit` commits.
    pub fn commits_between(&self, new: Oid, old: &[Oid], limit: usize) -> Result<Vec<Oid>> {
        match self.commits_ahead(new, old, limit)? {
            CommitsAhead {
                commits,
                is_truncated: false,
            } => Ok(commits),
            _ => Err(Error::LimitExceeded {
                what: "the number of commits in between".to_owned(),
                limit: limit as u64,
            }),
        }
    }

    /// Does the same as [`Repository::commits_between`], but for more than `limit` commits returns
    /// only the first ones met: the newest, if dates are right.
    pub fn commits_ahead(&self, new: Oid, old: &[Oid], limit: usize) -> Result<CommitsAhead> {
        let mut walk = CommitWalk::new(self)?;
        let mut painted: HashMap<Oid, VisitState> = HashMap::new();
        let mut queue = BinaryHeap::new();
        // The number of queued commits that are, as far as known, new.
        let mut pending = 0;
        for (id, is_old) in old.iter().map(|id| (*id, true)).chain([(new, false)]) {
            if !self.exists(id) {
                return Err(self.missing_error(id));
            }
            if let Entry::Vacant(entry) = painted.entry(id) {
                entry.insert(VisitState {
                    is_old,
                    is_queued: true,
                });
                pending += usize::from(!is_old);
                queue.push((walk.read_step(id)?, id));
            }
        }
        let mut commits = Vec::new();
        while pending > 0 {
            let Some((step, id)) = queue.pop() else { break };
            let Some(paint) = painted.get_mut(&id) else {
                continue;
            };
            paint.is_queued = false;
            let is_old = paint.is_old;
            if !is_old {
                pending -= 1;
                if commits.len() >= limit {
                    return Ok(CommitsAhead {
                        commits: retain_new(commits, &painted),
                        is_truncated: true,
                    });
                }
                if walk.shallow.contains(&id) {
                    return Err(Error::Shallow);
                }
                commits.push(id);
            }
            for parent in step.parents {
                match painted.entry(parent) {
                    Entry::Vacant(entry) => {
                        entry.insert(VisitState {
                            is_old,
                            is_queued: true,
                        });
                        pending += usize::from(!is_old);
                    }
                    Entry::Occupied(mut entry) if is_old && !entry.get().is_old => {
                        let paint = entry.get_mut();
                        paint.is_old = true;
                        // A commit visited before is visited again, to pass this on to its parents.
                        if std::mem::replace(&mut paint.is_queued, true) {
                            pending -= 1;
                            continue;
                        }
                    }
                    Entry::Occupied(_) => continue,
                }
                queue.push((walk.read_step(parent)?, parent));
            }
        }
        Ok(CommitsAhead {
            commits: retain_new(commits, &painted),
            is_truncated: false,
        })
    }
}

/// What a walk knows about a commit.
struct VisitState {
    /// Whether it is in the old history.
    is_old: bool,
    /// Whether it is queued.
    is_queued: bool,
}

/// Removes the commits that turned out to be old after they were visited.
fn retain_new(mut commits: Vec<Oid>, painted: &HashMap<Oid, VisitState>) -> Vec<Oid> {
    commits.retain(|id| painted.get(id).is_some_and(|paint| !paint.is_old));
    commits
}
