//! Questions about history: which commit descends from which, and which commits lie between.
//!
//! The answer is "no" only if all history that could say otherwise was read. A missing commit or a
//! shallow boundary in the way is an error. Committer dates can be wrong: they may speed up an
//! answer, but never change it.

use std::collections::{BinaryHeap, HashSet};

use gix::commitgraph::Graph;

use super::commit::Commit;
use super::commit_graph::read_parents;
use super::error::{Error, Result};
use super::object::ObjectKind;
use super::object_id::{from_gix, to_gix};
use super::repo::Repository;
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

/// A commit that a walk has read. Steps are ordered by generation, then by committer time. A walk
/// visits the greatest step first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CommitStep {
    generation: u32,
    time: u64,
    pub(super) parents: Vec<Oid>,
}

/// The position of a commit in the order of a walk: its generation and its committer time in
/// seconds. A commit is greater than all its ancestors if the graph contains it or the dates are
/// right.
pub(super) type WalkOrder = (u32, u64);

impl CommitStep {
    /// Returns the position in the order of a walk.
    pub(super) fn walk_order(&self) -> WalkOrder {
        (self.generation, self.time)
    }
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

    /// Starts a walk that ignores the commit-graph, so that its order depends on nothing but the
    /// commits.
    pub(super) fn without_graph(repository: &'a Repository) -> Result<Self> {
        Ok(Self {
            graph: None,
            ..Self::new(repository)?
        })
    }

    /// Checks whether the walk met a shallow boundary.
    pub(super) fn met_boundary(&self) -> bool {
        self.met_boundary
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
            let parents = read_parents(&commit, |position| from_gix(graph.id_at(position)))?;
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
        if let Some((graph, commit)) = self.find_in_graph(id) {
            let parents = read_parents(&commit, |position| from_gix(graph.id_at(position)))?;
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

    /// Returns the first parent of a commit, from the commit-graph if possible. The graph is not
    /// signed, so use this only if the result is checked anyway.
    pub(crate) fn first_parent(&self, id: Oid) -> Result<Option<Oid>> {
        if let Some((graph, commit)) = self.find_in_graph(id) {
            // A graph can outlive lost objects.
            if !self.exists(id) {
                return Err(Error::Missing(id));
            }
            let parent = commit.iter_parents().next().transpose();
            let parent = parent.map_err(Error::library("reading the commit-graph"))?;
            return Ok(parent.map(|position| from_gix(graph.id_at(position))));
        }
        Ok(self.read_commit(id)?.parents.first().copied())
    }

    /// Checks whether `ancestor` is `descendant` or in its history.
    ///
    /// # Errors
    /// [`Error::Shallow`] or [`Error::Missing`] if this clone does not have all the history needed.
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
                let may_descend = walk.generation(parent).is_none_or(|generation| {
                    // All ancestors of a commit in the graph are in the graph, too, and have lower
                    // generations.
                    floor.is_some_and(|floor| generation > floor || generation == 0 || floor == 0)
                });
                if may_descend && seen.insert(parent) {
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
}
