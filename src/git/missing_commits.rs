//! Finds the commits of one history that are missing from the history of at least one of several
//! other commits. The components of an environment can run different commits, and one walk serves
//! up to 64 of them.
//!
//! The walk visits commits from the newest generation down. Each commit has one bit per given
//! commit, which is set if that commit's history contains it. As with `git rev-list`, the walk may
//! find too many commits if dates are wrong and there is no commit-graph, or if objects are
//! missing. It never finds too few.

use std::collections::{BinaryHeap, HashMap, HashSet};

use gix::commitgraph::{Graph, Position};

use super::commit_graph::read_parents;
use super::error::{Error, Result};
use super::object_id::{from_gix, to_gix};
use super::repo::Repository;
use crate::domain::id::Oid;

/// A commit: by its position in the commit-graph, which saves a lookup, or by its id if the graph
/// does not contain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum CommitKey {
    InGraph(u32),
    ById(Oid),
}

/// A commit reached by the walk.
struct ReachedCommit {
    order: VisitOrder,
    parents: Vec<CommitKey>,
    /// Whether its parents are missing because the clone is shallow.
    is_shallow: bool,
    /// Whether the walk has visited it.
    is_visited: bool,
    contained: Containment,
}

/// The histories that contain a commit, as far as the walk has found out.
#[derive(Clone, Copy)]
struct Containment {
    /// Whether the new history contains it.
    in_new: bool,
    /// The given commits whose histories contain it.
    in_given: CommitSet,
}

/// A set of the given commits, by their index.
pub type CommitSet = u64;

/// The most commits in a [`CommitSet`].
pub const MAX_GIVEN: usize = CommitSet::BITS as usize;

/// The order of visits: the highest generation first, then the newest committer time. Commits
/// outside the graph come before all commits in it, which are never their descendants.
type VisitOrder = (u32, u64);

/// A walk from the new commit and the given commits towards the root.
struct MissingWalk<'a> {
    repository: &'a Repository,
    graph: Option<&'a Graph>,
    shallow: HashSet<Oid>,
    nodes: HashMap<CommitKey, ReachedCommit>,
    queue: BinaryHeap<(VisitOrder, CommitKey)>,
    /// A queued commit that was missing from one of the given commits when last checked. It saves a
    /// search of the queue.
    pending_hint: Option<CommitKey>,
}

/// The result of visiting one commit.
struct Visit {
    key: CommitKey,
    /// The given commits whose histories do not contain it.
    missing_from: CommitSet,
    /// Why the walk could not read all of its parents.
    error: Option<Error>,
}

impl<'a> MissingWalk<'a> {
    /// Starts a walk.
    fn new(repository: &'a Repository) -> Result<Self> {
        let (graph, shallow) = (repository.commit_graph(), repository.shallow_boundary()?);
        Ok(Self {
            repository,
            graph,
            shallow,
            nodes: HashMap::new(),
            queue: BinaryHeap::new(),
            pending_hint: None,
        })
    }

    /// Returns the key of a commit: its position in the commit-graph if possible.
    fn key_of(&self, id: Oid) -> CommitKey {
        let position = self.graph.and_then(|graph| graph.lookup(to_gix(id)));
        position.map_or(CommitKey::ById(id), |position| {
            CommitKey::InGraph(position.0)
        })
    }

    /// Reads a commit that was not reached before. The histories that contain it are given.
    fn read_commit(&self, key: CommitKey, contained: Containment) -> Result<ReachedCommit> {
        let reached = |order, parents, is_shallow| ReachedCommit {
            order,
            parents,
            is_shallow,
            is_visited: false,
            contained,
        };
        match (key, self.graph) {
            (CommitKey::InGraph(position), Some(graph)) => {
                let commit = graph.commit_at(Position(position));
                let parents = read_parents(&commit, |position| CommitKey::InGraph(position.0))?;
                let order = (commit.generation(), commit.committer_timestamp());
                Ok(reached(order, parents, false))
            }
            (CommitKey::ById(id), _) => {
                let commit = self.repository.read_commit(id)?;
                let order = (u32::MAX, commit.committer_time.as_seconds().unsigned_abs());
                if self.shallow.contains(&id) {
                    return Ok(reached(order, Vec::new(), true));
                }
                let parents = commit.parents.iter().map(|id| self.key_of(*id)).collect();
                Ok(reached(order, parents, false))
            }
            // Such keys are created only if there is a graph.
            (CommitKey::InGraph(_), None) => Err(Error::corrupt("the commit-graph", "it is gone")),
        }
    }

    /// Queues a commit, or records for one already reached that more commits contain it.
    fn reach(&mut self, key: CommitKey, contained: Containment) -> Result<()> {
        if let Some(node) = self.nodes.get_mut(&key) {
            if contained.in_new && !node.contained.in_new && node.is_visited {
                // A wrong date led here too early, and the commit was not counted yet.
                node.is_visited = false;
                self.queue.push((node.order, key));
            }
            node.contained.in_new |= contained.in_new;
            node.contained.in_given |= contained.in_given;
            return Ok(());
        }
        let commit = self.read_commit(key, contained)?;
        self.queue.push((commit.order, key));
        self.nodes.insert(key, commit);
        Ok(())
    }
}

impl MissingWalk<'_> {
    /// Visits the next commit. Returns `None` once every given commit contains all remaining ones.
    fn visit_next(&mut self, given: CommitSet) -> Option<Visit> {
        let (_, key) = self.queue.pop()?;
        let missing_from = self.missing_from(key, given);
        if missing_from == 0 && !self.is_pending(given) {
            return None;
        }
        let node = self.nodes.get_mut(&key)?;
        node.is_visited = true;
        let mut read_error = node.is_shallow.then_some(Error::Shallow);
        let parents = std::mem::take(&mut node.parents);
        let contained = node.contained;
        for parent in &parents {
            // All parents are reached, even after one that cannot be read.
            if let Err(error) = self.reach(*parent, contained) {
                read_error = Some(error);
            }
        }
        if let Some(node) = self.nodes.get_mut(&key) {
            node.parents = parents;
        }
        Some(Visit {
            key,
            missing_from,
            error: read_error,
        })
    }

    /// Returns which of the given commits do not contain this commit, if the new history has it.
    fn missing_from(&self, key: CommitKey, given: CommitSet) -> CommitSet {
        self.nodes
            .get(&key)
            .filter(|node| node.contained.in_new)
            .map_or(0, |node| given & !node.contained.in_given)
    }

    /// Checks whether the queue holds a commit that is missing from one of the given commits.
    fn is_pending(&mut self, given: CommitSet) -> bool {
        let is_missing = |key: &CommitKey| {
            let node = self
                .nodes
                .get(key)
                .filter(|node| node.contained.in_new && !node.is_visited);
            node.is_some_and(|node| given & !node.contained.in_given != 0)
        };
        let hint = self.pending_hint.filter(is_missing);
        self.pending_hint =
            hint.or_else(|| self.queue.iter().map(|(_, key)| *key).find(is_missing));
        self.pending_hint.is_some()
    }

    /// Returns the id of a commit.
    fn commit_id(&self, key: CommitKey) -> Option<Oid> {
        match key {
            CommitKey::ById(id) => Some(id),
            CommitKey::InGraph(position) => Some(from_gix(self.graph?.id_at(Position(position)))),
        }
    }
}

impl Repository {
    /// Returns the commits in the history of `new`, including itself, that are missing from the
    /// history of at least one of `old`: the union of what [`Repository::commits_between`] finds
    /// from each of them alone. It takes one walk per 64 commits.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for more than `limit` commits, [`Error::Shallow`] if the history
    /// needed is not in this clone.
    pub fn commits_missing_from(&self, new: Oid, old: &[Oid], limit: usize) -> Result<Vec<Oid>> {
        let mut missing = Vec::new();
        for (round, old) in old.chunks(MAX_GIVEN).enumerate() {
            let found = self.commits_missing_from_each(new, old, limit)?;
            missing.extend(found.into_iter().map(|(id, _)| id));
            if round > 0 {
                missing.sort_unstable();
                missing.dedup();
            }
            if missing.len() > limit {
                return Err(Error::too_many_commits(limit));
            }
        }
        Ok(missing)
    }

    /// Does the same as [`Repository::commits_missing_from`] for at most [`MAX_GIVEN`] commits, in one
    /// walk, newest commits first. Each commit has a set of bits: those with the index of the commits of
    /// `old` from whose history it is missing.
    pub fn commits_missing_from_each(
        &self,
        new: Oid,
        old: &[Oid],
        limit: usize,
    ) -> Result<Vec<(Oid, CommitSet)>> {
        let mut walk = MissingWalk::new(self)?;
        let only_in_new = Containment {
            in_new: true,
            in_given: 0,
        };
        walk.reach(walk.key_of(new), only_in_new)?;
        let mut given: CommitSet = 0;
        for (index, commit) in old.iter().enumerate() {
            let only_in_this = Containment {
                in_new: false,
                in_given: 1 << index,
            };
            walk.reach(walk.key_of(*commit), only_in_this)?;
            given |= only_in_this.in_given;
        }
        let mut missing = Vec::new();
        while let Some(visit) = walk.visit_next(given) {
            let is_missing = visit.missing_from != 0;
            match visit.error {
                // History behind the old commits is not needed, so a shallow clone may lack it.
                Some(Error::Shallow) if !is_missing => {}
                Some(error) => return Err(error),
                None => {}
            }
            if is_missing {
                let id = walk.commit_id(visit.key);
                missing.extend(id.map(|id| (id, visit.missing_from)));
                if missing.len() > limit {
                    return Err(Error::too_many_commits(limit));
                }
            }
        }
        Ok(missing)
    }
}
