//! Questions about history: who descends from whom, and what lies between.
//!
//! "No" is only said when all of the history that could say otherwise was there; a missing commit or a shallow boundary in the way is an
//! error. Committer dates can be anything: they make an answer faster, never different.

use std::collections::{BinaryHeap, HashSet};

use gix::commitgraph::Graph;

use super::error::{Error, Result};
use super::object::{Commit, Kind};
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
        self.next = commit.as_ref().ok().and_then(|commit| commit.parents.first().copied());
        Some(commit)
    }
}

/// A commit on the way from a descendant to its ancestors, and what it says about the next ones. The most promising comes first: the
/// highest generation, then the newest by its own word.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    generation: u32,
    time: u64,
    parents: Vec<Oid>,
}

struct Walk<'a> {
    repository: &'a Repository,
    graph: Option<&'a Graph>,
    shallow: HashSet<Oid>,
    /// Whether a shallow boundary was met.
    cut: bool,
}

impl Walk<'_> {
    /// The generation of a commit, if the graph holds it; 0 if it was never computed.
    fn generation(&self, id: Oid) -> Option<u32> {
        Some(self.graph?.commit_by_id(to_gix(id))?.generation())
    }

    fn step(&mut self, id: Oid) -> Result<Step> {
        if let Some((graph, commit)) = self.graph.and_then(|graph| Some((graph, graph.commit_by_id(to_gix(id))?))) {
            let parents = commit.iter_parents().map(|at| at.map(|at| from_gix(graph.id_at(at))));
            let parents = parents.collect::<gix::Result<_>>().map_err(Error::library("reading the commit-graph"))?;
            return Ok(Step { generation: commit.generation(), time: commit.committer_timestamp(), parents });
        }
        let commit = self.repository.read_commit(id)?;
        let time = commit.committer_time.seconds().unsigned_abs();
        if self.shallow.contains(&id) {
            self.cut = true;
            return Ok(Step { generation: u32::MAX, time, parents: Vec::new() });
        }
        Ok(Step { generation: u32::MAX, time, parents: commit.parents })
    }
}

impl Repository {
    /// The commit, its first parent, that one's first parent and so on. An unreadable commit is the last item.
    pub fn first_parent_walk(&self, tip: Oid) -> FirstParents<'_> {
        FirstParents { repository: self, next: Some(tip) }
    }

    /// Whether `descendant` is `ancestor` or has it in its history.
    pub fn is_ancestor(&self, ancestor: Oid, descendant: Oid) -> Result<bool> {
        for id in [ancestor, descendant] {
            match self.kind(id)? {
                Some(Kind::Commit) => {}
                Some(kind) => return Err(Error::Kind { id, expected: "commit", found: kind.name() }),
                None => return Err(self.missing(id)),
            }
        }
        if ancestor == descendant {
            return Ok(true);
        }
        let mut walk = Walk { repository: self, graph: self.graph(), shallow: self.shallow_boundary()?, cut: false };
        let floor = walk.generation(ancestor);
        let (mut seen, mut queue) = (HashSet::from([descendant]), BinaryHeap::from([walk.step(descendant)?]));
        while let Some(step) = queue.pop() {
            if step.parents.contains(&ancestor) {
                return Ok(true);
            }
            for parent in step.parents {
                let above = walk.generation(parent).is_none_or(|generation| {
                    // A graph is closed under reachability: what it holds has only ancestors that it holds, of lower generations.
                    floor.is_some_and(|floor| generation > floor || generation == 0 || floor == 0)
                });
                if above && seen.insert(parent) {
                    queue.push(walk.step(parent)?);
                }
            }
        }
        if walk.cut { Err(Error::Shallow) } else { Ok(false) }
    }

    /// The commits whose parents a shallow clone left out; none if it is not one.
    fn shallow_boundary(&self) -> Result<HashSet<Oid>> {
        let commits = self.gix.shallow_commits().map_err(Error::library("reading the shallow boundary"))?;
        Ok(commits.map(|commits| commits.iter().map(|id| from_gix(id)).collect()).unwrap_or_default())
    }

    /// The commits of `new`'s history, itself included, that are not in the history of any of `old`; more than `limit` is an error.
    ///
    /// As with `git rev-list`, some that are in the old history can be among them where dates are wrong and there is no commit-graph; none is ever
    /// left out.
    pub fn commits_between(&self, new: Oid, old: &[Oid], limit: usize) -> Result<Vec<Oid>> {
        let failed = || Error::library(format!("walking the history of {new}"));
        for id in old.iter().chain([&new]) {
            if !self.exists(*id) {
                return Err(self.missing(*id));
            }
        }
        let hidden = old.iter().map(|id| to_gix(*id));
        let walk = self.gix.rev_walk([to_gix(new)]).use_commit_graph(false).with_commit_graph(self.open_graph());
        let walk = walk.with_hidden(hidden);
        let shallow = self.shallow_boundary()?;
        let mut commits = Vec::new();
        for info in walk.all().map_err(failed())? {
            let id = from_gix(&info.map_err(failed())?.id);
            if shallow.contains(&id) {
                return Err(Error::Shallow);
            }
            commits.push(id);
            if commits.len() > limit {
                return Err(Error::Bounds { what: "the number of commits in between".to_owned(), limit: limit as u64 });
            }
        }
        Ok(commits)
    }
}
