//! The newest commits of a branch, and which of them a commit lacks: for many commits after one walk along the branch.
//!
//! Whoever asks about a commit that is older than all of these learns at once that it lacks them all: what runs may be years behind, and the answer
//! costs no more.

use std::collections::{BinaryHeap, HashMap, HashSet};

use super::ancestry::{Key, Walk};
use super::error::{Error, Result};
use super::repo::Repository;
use crate::domain::id::Oid;

/// The newest commits of a branch.
pub struct Recent<'a> {
    repository: &'a Repository,
    /// In the order in which they were met.
    commits: Vec<Passed>,
    /// Where each stands.
    places: HashMap<Oid, usize>,
    /// No commit of the branch that is not among them stands above this.
    floor: Option<Key>,
    limit: usize,
}

/// A commit of the branch.
struct Passed {
    id: Oid,
    parents: Vec<Oid>,
    /// Whether what is behind it is not all here.
    cut: bool,
}

/// What a commit lacks of them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// The places of those that it lacks.
    pub places: Vec<usize>,
    /// Whether it may lack older ones, too.
    pub more: bool,
}

impl Repository {
    /// The newest commits in a commit's history, itself included, at most so many.
    pub fn recent(&self, tip: Oid, limit: usize) -> Result<Recent<'_>> {
        let mut walk = Walk::new(self)?;
        let (mut commits, mut places, mut floor) = (Vec::new(), HashMap::new(), None);
        let (mut queue, mut seen) = (
            BinaryHeap::from([(walk.step(tip)?, tip)]),
            HashSet::from([tip]),
        );
        while let Some((step, id)) = queue.pop() {
            if commits.len() >= limit {
                floor = Some(step.key());
                break;
            }
            let mut cut = walk.is_boundary(id);
            for parent in &step.parents {
                if seen.insert(*parent) {
                    match walk.step(*parent) {
                        Ok(step) => queue.push((step, *parent)),
                        Err(_) => cut = true,
                    }
                }
            }
            places.insert(id, commits.len());
            commits.push(Passed {
                id,
                parents: step.parents,
                cut,
            });
        }
        Ok(Recent {
            repository: self,
            commits,
            places,
            floor,
            limit,
        })
    }
}

impl Recent<'_> {
    /// The commit at a place.
    pub fn commit(&self, place: usize) -> Option<Oid> {
        self.commits.get(place).map(|it| it.id)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.commits.len()
    }

    /// Those that are not in the history of a commit. As with `git rev-list`, wrong dates can make them too many where there is no commit-graph.
    pub fn lacking(&self, commit: Oid) -> Result<Lacking> {
        let mut walk = Walk::new(self.repository)?;
        let first = walk.step(commit)?;
        let below = |key: Key| self.floor.is_some_and(|floor| key < floor);
        if below(first.key()) && !self.places.contains_key(&commit) {
            return Ok(Lacking {
                places: (0..self.commits.len()).collect(),
                more: true,
            });
        }
        let (mut has, mut queue) = (HashSet::from([commit]), vec![first]);
        while let Some(step) = queue.pop() {
            for parent in step.parents {
                if !has.insert(parent) {
                    continue;
                }
                if has.len() > self.limit.saturating_mul(10) {
                    let what = "the number of commits beside the branch".to_owned();
                    return Err(Error::Bounds {
                        what,
                        limit: self.limit as u64,
                    });
                }
                // What is behind one that cannot be read is of no matter, unless the branch has it only from there.
                let Ok(step) = walk.step(parent) else {
                    continue;
                };
                if !below(step.key()) || self.places.contains_key(&parent) {
                    queue.push(step);
                }
            }
        }
        let mut lacking = Lacking::default();
        for (place, it) in self
            .commits
            .iter()
            .enumerate()
            .filter(|(_, it)| !has.contains(&it.id))
        {
            if it.cut {
                return Err(Error::Shallow);
            }
            lacking.places.push(place);
            lacking.more |= it
                .parents
                .iter()
                .any(|it| !has.contains(it) && !self.places.contains_key(it));
        }
        Ok(lacking)
    }
}
