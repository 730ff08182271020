//! Finds which commits of one history several other commits lack, in one walk for many of them,
//! because an environment runs many commits.
//!
//! The walk visits commits from the newest generation down, each with a bit for every given commit
//! that contains it. As with `git rev-list`, it may find too many if dates are wrong and there is
//! no commit-graph, or if objects are missing; it never finds too few.

use std::collections::{BinaryHeap, HashMap, HashSet};

use gix::commitgraph::{Graph, Position};

use super::error::{Error, Result};
use super::repo::{Repository, from_gix, to_gix};
use crate::domain::id::Oid;

/// A commit: by its position in the commit-graph, which saves a lookup, or by its id if the graph
/// does not contain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Graph(u32),
    Object(Oid),
}

/// A commit reached by the walk.
struct Node {
    order: Order,
    parents: Vec<Key>,
    /// Whether its parents are missing because the clone is shallow.
    cut: bool,
    /// Whether the walk has visited it.
    visited: bool,
    /// Whether the new history contains it.
    wanted: bool,
    /// Which of the given commits contain it.
    contained: Bits,
}

/// A set of the given commits, by their index.
type Bits = u64;

/// The order of visits: the highest generation first, then the newest committer time. Commits
/// outside the graph come before all commits in it, which are never their descendants.
type Order = (u32, u64);

/// A walk from the new commit and the given commits towards the root.
struct Walk<'a> {
    repository: &'a Repository,
    graph: Option<&'a Graph>,
    shallow: HashSet<Oid>,
    nodes: HashMap<Key, Node>,
    queue: BinaryHeap<(Order, Key)>,
    /// A queued commit that some open commit lacked when last checked. It saves a search of the
    /// queue.
    witness: Option<Key>,
}

/// The result of visiting one commit.
struct Visit {
    key: Key,
    /// Which of the given commits lack it.
    lacking: Bits,
    /// Why the walk may not know everything behind it.
    fault: Option<Error>,
}

impl<'a> Walk<'a> {
    fn new(repository: &'a Repository) -> Result<Self> {
        let (graph, shallow) = (repository.graph(), repository.shallow_boundary()?);
        Ok(Self {
            repository,
            graph,
            shallow,
            nodes: HashMap::new(),
            queue: BinaryHeap::new(),
            witness: None,
        })
    }

    /// Returns the key of a commit: its position in the commit-graph if possible.
    fn key(&self, id: Oid) -> Key {
        let place = self.graph.and_then(|graph| graph.lookup(to_gix(id)));
        place.map_or(Key::Object(id), |place| Key::Graph(place.0))
    }

    /// Reads a commit's place in the order, its parents, and whether a shallow clone lacks those
    /// parents.
    fn read(&self, key: Key) -> Result<(Order, Vec<Key>, bool)> {
        match (key, self.graph) {
            (Key::Graph(place), Some(graph)) => {
                let commit = graph.commit_at(Position(place));
                let parents = commit
                    .iter_parents()
                    .map(|parent| parent.map(|place| Key::Graph(place.0)));
                let parents = parents
                    .collect::<gix::Result<_>>()
                    .map_err(|error| Error::library("reading the commit-graph")(error))?;
                Ok((
                    (commit.generation(), commit.committer_timestamp()),
                    parents,
                    false,
                ))
            }
            (Key::Object(id), _) => {
                let commit = self.repository.read_commit(id)?;
                let order = (u32::MAX, commit.committer_time.seconds().unsigned_abs());
                if self.shallow.contains(&id) {
                    return Ok((order, Vec::new(), true));
                }
                Ok((
                    order,
                    commit.parents.iter().map(|id| self.key(*id)).collect(),
                    false,
                ))
            }
            // Only a graph gives such a key.
            (Key::Graph(_), None) => Err(Error::corrupt("the commit-graph", "it is gone")),
        }
    }

    /// Queues a commit, or records for one already reached that more commits contain it.
    fn reach(&mut self, key: Key, wanted: bool, contained: Bits) -> Result<()> {
        if let Some(node) = self.nodes.get_mut(&key) {
            if wanted && !node.wanted && node.visited {
                // A wrong date led here too early, and the commit was not counted yet.
                node.visited = false;
                self.queue.push((node.order, key));
            }
            node.wanted |= wanted;
            node.contained |= contained;
            return Ok(());
        }
        let (order, parents, cut) = self.read(key)?;
        self.queue.push((order, key));
        self.nodes.insert(
            key,
            Node {
                order,
                parents,
                cut,
                visited: false,
                wanted,
                contained,
            },
        );
        Ok(())
    }
}

impl Walk<'_> {
    /// Visits the next commit. Returns `None` when no open commit can lack any more.
    fn next(&mut self, open: Bits) -> Option<Visit> {
        let (_, key) = self.queue.pop()?;
        let lacking = self.lacking(key, open);
        if lacking == 0 && !self.is_pending(open) {
            return None;
        }
        let node = self.nodes.get_mut(&key)?;
        node.visited = true;
        let mut fault = node.cut.then_some(Error::Shallow);
        let parents = std::mem::take(&mut node.parents);
        let (wanted, contained) = (node.wanted, node.contained);
        for parent in &parents {
            // All parents are reached, even after one that cannot be read.
            if let Err(error) = self.reach(*parent, wanted, contained) {
                fault = Some(error);
            }
        }
        if let Some(node) = self.nodes.get_mut(&key) {
            node.parents = parents;
        }
        Some(Visit {
            key,
            lacking,
            fault,
        })
    }

    /// Returns which of the open commits lack this commit, if the new history contains it.
    fn lacking(&self, key: Key, open: Bits) -> Bits {
        self.nodes
            .get(&key)
            .filter(|node| node.wanted)
            .map_or(0, |node| open & !node.contained)
    }

    /// Checks whether the queue holds a commit that one of the open commits lacks.
    fn is_pending(&mut self, open: Bits) -> bool {
        let lacked = |key: &Key| {
            let node = self
                .nodes
                .get(key)
                .filter(|node| node.wanted && !node.visited);
            node.is_some_and(|node| open & !node.contained != 0)
        };
        let witness = self.witness.filter(lacked);
        self.witness = witness.or_else(|| self.queue.iter().map(|(_, key)| *key).find(lacked));
        self.witness.is_some()
    }

    /// Returns the id of a commit.
    fn id(&self, key: Key) -> Option<Oid> {
        match key {
            Key::Object(id) => Some(id),
            Key::Graph(place) => Some(from_gix(self.graph?.id_at(Position(place)))),
        }
    }
}

impl Repository {
    /// Returns the commits in the history of `new`, including itself, that at least one of `old`
    /// lacks: the union of what [`Repository::commits_between`] finds from each of them alone. It
    /// takes one walk per 64 commits.
    ///
    /// # Errors
    /// [`Error::Bounds`] for more than `limit` commits, [`Error::Shallow`] if the history needed is
    /// not in this clone.
    pub fn commits_lacked(&self, new: Oid, old: &[Oid], limit: usize) -> Result<Vec<Oid>> {
        let mut found = Vec::new();
        for (round, old) in old.chunks(Bits::BITS as usize).enumerate() {
            found.extend(self.lacked(new, old, limit)?);
            if round > 0 {
                found.sort_unstable();
                found.dedup();
            }
            if found.len() > limit {
                return Err(too_many(limit));
            }
        }
        Ok(found)
    }

    /// Does the same for at most 64 commits, in one walk.
    fn lacked(&self, new: Oid, old: &[Oid], limit: usize) -> Result<Vec<Oid>> {
        let mut walk = Walk::new(self)?;
        walk.reach(walk.key(new), true, 0)?;
        let mut open: Bits = 0;
        for (at, commit) in old.iter().enumerate() {
            walk.reach(walk.key(*commit), false, 1 << at)?;
            open |= 1 << at;
        }
        let mut found = Vec::new();
        while let Some(visit) = walk.next(open) {
            let lacked = visit.lacking != 0;
            match visit.fault {
                // History behind the old commits is not needed, so a shallow clone may lack it.
                Some(Error::Shallow) if !lacked => {}
                Some(error) => return Err(error),
                None => {}
            }
            if lacked {
                found.extend(walk.id(visit.key));
                if found.len() > limit {
                    return Err(too_many(limit));
                }
            }
        }
        Ok(found)
    }
}

/// Returns the error for more than `limit` commits.
fn too_many(limit: usize) -> Error {
    Error::Bounds {
        what: "the number of commits in between".to_owned(),
        limit: limit as u64,
    }
}
