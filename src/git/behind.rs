//! How far commits are behind a branch: one walk for all of them, because an environment runs many commits.
//!
//! Commits are visited from the newest generation down, each with a bit for every commit that contains it. As with `git rev-list`, some
//! can be counted too many where dates are wrong and there is no commit-graph, or where objects are missing; none too few.

use std::collections::{BinaryHeap, HashMap, HashSet};

use gix::commitgraph::{Graph, Position};

use super::error::{Error, Result};
use super::repo::{Repository, to_gix};
use crate::domain::id::Oid;

/// How many commits of a branch a commit does not contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// So many.
    Exactly(usize),
    /// More than were to be counted.
    More,
    /// The history that would tell is not here.
    Unknown,
}

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
type Bits = Box<[u64]>;

/// What comes first: the highest generation, then the newest by its own word. What is not in the graph has everything in it behind it.
type Order = (u32, u64);

struct Walk<'a> {
    repository: &'a Repository,
    graph: Option<&'a Graph>,
    shallow: HashSet<Oid>,
    nodes: HashMap<Key, Node>,
    queue: BinaryHeap<(Order, Key)>,
}

impl Walk<'_> {
    fn key(&self, id: Oid) -> Key {
        let place = self.graph.and_then(|graph| graph.lookup(to_gix(id)));
        place.map_or(Key::Object(id), |place| Key::Graph(place.0))
    }

    fn read(&self, key: Key) -> Result<(Order, Vec<Key>, bool)> {
        match (key, self.graph) {
            (Key::Graph(place), Some(graph)) => {
                let commit = graph.commit_at(Position(place));
                let parents = commit.iter_parents().map(|parent| parent.map(|place| Key::Graph(place.0)));
                let parents = parents
                    .collect::<gix::Result<_>>()
                    .map_err(|error| Error::library("reading the commit-graph")(error))?;
                Ok(((commit.generation(), commit.committer_timestamp()), parents, false))
            }
            (Key::Object(id), _) => {
                let commit = self.repository.read_commit(id)?;
                let order = (u32::MAX, commit.committer_time.seconds().unsigned_abs());
                if self.shallow.contains(&id) {
                    return Ok((order, Vec::new(), true));
                }
                Ok((order, commit.parents.iter().map(|id| self.key(*id)).collect(), false))
            }
            // Only a graph gives such a key.
            (Key::Graph(_), None) => Err(Error::corrupt("the commit-graph", "it is gone")),
        }
    }

    /// Comes to a commit from one that contains it, or from outside.
    fn reach(&mut self, key: Key, wanted: bool, contained: &Bits) -> Result<()> {
        if let Some(node) = self.nodes.get_mut(&key) {
            if wanted && !node.wanted && node.visited {
                // A wrong date has led here too early: nothing has been counted yet.
                self.queue.push((node.order, key));
            }
            node.wanted |= wanted;
            node.contained.iter_mut().zip(contained).for_each(|(there, more)| *there |= more);
            return Ok(());
        }
        let (order, parents, cut) = self.read(key)?;
        self.queue.push((order, key));
        self.nodes.insert(key, Node { order, parents, cut, visited: false, wanted, contained: contained.clone() });
        Ok(())
    }
}

/// The counts so far; a closed one does not change any more.
struct Counts {
    open: Bits,
    counts: Vec<Behind>,
}

impl Counts {
    /// Whether the branch contains the commit and one that is still counted does not.
    fn lacking(&self, node: &Node) -> bool {
        node.wanted && self.open.iter().zip(&node.contained).any(|(open, contained)| open & !contained != 0)
    }

    /// Does something with the count of each commit that lacks this one of the branch, and closes it where that is so.
    fn each_lacking(&mut self, node: &Node, change: impl Fn(Behind) -> (Behind, bool)) {
        if !node.wanted {
            return;
        }
        for (word, (open, contained)) in self.open.iter_mut().zip(&node.contained).enumerate() {
            let mut bits = *open & !contained;
            while bits != 0 {
                let bit = bits.trailing_zeros();
                bits &= bits - 1;
                let at = word * 64 + bit as usize;
                let Some(count) = self.counts.get_mut(at) else { continue };
                let (changed, closed) = change(*count);
                *count = changed;
                if closed {
                    *open &= !(1 << bit);
                }
            }
        }
    }
}

impl Repository {
    /// For each of `commits`, how many commits of `tip`'s history, `tip` included, are not in its own; counted up to `limit`.
    pub fn behind(&self, tip: Oid, commits: &[Oid], limit: usize) -> Result<Vec<Behind>> {
        let nothing: Bits = vec![0; commits.len().div_ceil(64)].into();
        let mut counts = Counts { open: nothing.clone(), counts: vec![Behind::Unknown; commits.len()] };
        let shallow = self.shallow_boundary()?;
        let (nodes, queue) = (HashMap::new(), BinaryHeap::new());
        let mut walk = Walk { repository: self, graph: self.graph(), shallow, nodes, queue };
        walk.reach(walk.key(tip), true, &nothing)?;
        for (at, commit) in commits.iter().enumerate() {
            let mut own = nothing.clone();
            let (Some(own_word), Some(open)) = (own.get_mut(at / 64), counts.open.get_mut(at / 64)) else { continue };
            *own_word |= 1 << (at % 64);
            // One that is not here stays unknown.
            if walk.reach(walk.key(*commit), false, &own).is_ok() {
                *open |= 1 << (at % 64);
                if let Some(count) = counts.counts.get_mut(at) {
                    *count = Behind::Exactly(0);
                }
            }
        }
        walk.count(&mut counts, limit);
        Ok(counts.counts)
    }
}

impl Walk<'_> {
    fn count(&mut self, counts: &mut Counts, limit: usize) {
        while let Some((_, key)) = self.queue.pop() {
            let Some(node) = self.nodes.get_mut(&key) else { continue };
            node.visited = true;
            let parents = std::mem::take(&mut node.parents);
            let (wanted, contained) = (node.wanted, node.contained.clone());
            if counts.lacking(node) {
                counts.each_lacking(node, |count| match count {
                    Behind::Exactly(count) if count < limit => (Behind::Exactly(count + 1), false),
                    _ => (Behind::More, true),
                });
            } else if !self.queue.iter().any(|(_, key)| self.nodes.get(key).is_some_and(|node| counts.lacking(node))) {
                return;
            }
            // All are reached, also behind one that cannot be read.
            let readable = parents.iter().filter(|parent| self.reach(**parent, wanted, &contained).is_ok()).count();
            let Some(node) = self.nodes.get_mut(&key) else { continue };
            if node.cut || readable < parents.len() {
                counts.each_lacking(node, |_| (Behind::Unknown, true));
            }
            node.parents = parents;
        }
    }
}
