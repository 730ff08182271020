//! What commits lack of the history of another: one walk for many of them, because an environment runs many commits.
//!
//! Commits are visited from the newest generation down, each with a bit for every commit that contains it. As with `git rev-list`, some
//! can be found too many where dates are wrong and there is no commit-graph, or where objects are missing; none too few.

use std::collections::{BinaryHeap, HashMap, HashSet};

use gix::commitgraph::{Graph, Position};

use super::error::{Error, Result};
use super::repo::{Repository, from_gix, to_gix};
use crate::domain::id::Oid;

/// A commit by its place in the commit-graph, which saves looking it up, or by its id where it is not in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Graph(u32),
    Object(Oid),
}

/// A commit on the walk.
struct Node {
    order: Order,
    parents: Vec<Key>,
    /// Whether a shallow clone has left its parents out.
    cut: bool,
    /// Whether it has been visited.
    visited: bool,
    /// Whether the branch contains it.
    wanted: bool,
    /// Which of the commits contain it.
    contained: Bits,
}

/// A set of the commits that are asked about, by their place in the question.
type Bits = u64;

/// What comes first: the highest generation, then the newest by its own word. What is not in the graph has everything in it behind it.
type Order = (u32, u64);

struct Walk<'a> {
    repository: &'a Repository,
    graph: Option<&'a Graph>,
    shallow: HashSet<Oid>,
    nodes: HashMap<Key, Node>,
    queue: BinaryHeap<(Order, Key)>,
    /// A commit in the queue that something lacked when it was last looked for.
    witness: Option<Key>,
}

/// A commit that was visited.
struct Visit {
    key: Key,
    /// Which of the commits lack it.
    lacking: Bits,
    /// Why what is behind it may not be all that there is.
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

    fn key(&self, id: Oid) -> Key {
        let place = self.graph.and_then(|graph| graph.lookup(to_gix(id)));
        place.map_or(Key::Object(id), |place| Key::Graph(place.0))
    }

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

    /// Comes to a commit from one that contains it, or from outside.
    fn reach(&mut self, key: Key, wanted: bool, contained: Bits) -> Result<()> {
        if let Some(node) = self.nodes.get_mut(&key) {
            if wanted && !node.wanted && node.visited {
                // A wrong date has led here too early: nothing has been counted yet.
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
    /// Visits the next commit; none when no more are lacking among the `open` ones.
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
            // All are reached, also behind one that cannot be read.
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

    /// Which of the open ones lack a commit of the history that is wanted.
    fn lacking(&self, key: Key, open: Bits) -> Bits {
        self.nodes
            .get(&key)
            .filter(|node| node.wanted)
            .map_or(0, |node| open & !node.contained)
    }

    /// Whether a commit waits that one of the open ones lacks.
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

    fn id(&self, key: Key) -> Option<Oid> {
        match key {
            Key::Object(id) => Some(id),
            Key::Graph(place) => Some(from_gix(self.graph?.id_at(Position(place)))),
        }
    }
}

impl Repository {
    /// The commits of `new`'s history, itself included, that at least one of `old` does not have in its own: all that
    /// [`Repository::commits_between`] finds from each of them alone, in one walk for every 64. More than `limit` is an error.
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
                // What a shallow clone has left out behind the old ones is not looked for.
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

fn too_many(limit: usize) -> Error {
    Error::Bounds {
        what: "the number of commits in between".to_owned(),
        limit: limit as u64,
    }
}
