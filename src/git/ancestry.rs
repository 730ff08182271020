//! Questions about history: who descends from whom, and what lies between.
//!
//! "No" is only said when all of the history that could say otherwise was there; a missing commit or a shallow boundary in the way is an
//! error. Committer dates can be anything: they make an answer faster, never different.

use std::collections::HashSet;

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
                None => return Err(Error::Missing(id)),
            }
        }
        if ancestor == descendant {
            return Ok(true);
        }
        let shallow = self.shallow_boundary()?;
        match self.graph() {
            Some(graph) => self.descend(ancestor, descendant, Some(graph), &shallow),
            None if !shallow.is_empty() => self.descend(ancestor, descendant, None, &shallow),
            // Without a graph, dates let the search end early where they can be relied on.
            None => self.paint(ancestor, descendant),
        }
    }

    /// Looks for `ancestor` in the history of `descendant`, leaving out what the graph says lies beside or before it.
    fn descend(&self, ancestor: Oid, descendant: Oid, graph: Option<&Graph>, shallow: &HashSet<Oid>) -> Result<bool> {
        let lookup = |id: Oid| graph.and_then(|graph| graph.commit_by_id(to_gix(id)));
        // A graph is closed under reachability: what it holds has only ancestors that it holds.
        let floor = lookup(ancestor).map(|commit| commit.generation());
        let (mut seen, mut stack) = (HashSet::from([descendant]), vec![descendant]);
        let mut cut = false;
        while let Some(id) = stack.pop() {
            let parents: Vec<Oid> = match (graph, lookup(id)) {
                (Some(graph), Some(commit)) => match floor {
                    // Generation 0 means that none was computed; those are not to be relied on.
                    Some(floor) if floor == 0 || commit.generation() == 0 || commit.generation() > floor => {
                        let parents = commit.iter_parents().map(|at| at.map(|at| from_gix(graph.id_at(at))));
                        parents.collect::<gix::Result<_>>().map_err(Error::library("reading the commit-graph"))?
                    }
                    _ => continue,
                },
                _ if shallow.contains(&id) => {
                    cut = true;
                    continue;
                }
                _ => self.read_commit(id)?.parents,
            };
            if parents.contains(&ancestor) {
                return Ok(true);
            }
            stack.extend(parents.into_iter().filter(|parent| seen.insert(*parent)));
        }
        if cut { Err(Error::Shallow) } else { Ok(false) }
    }

    /// Whether all of `ancestor`'s history, itself included, is history of `descendant`.
    fn paint(&self, ancestor: Oid, descendant: Oid) -> Result<bool> {
        let failed = || Error::library(format!("walking the history of {descendant}"));
        let walk = self.gix.rev_walk([to_gix(ancestor)]).use_commit_graph(false).with_hidden([to_gix(descendant)]);
        match walk.all().map_err(failed())?.next() {
            None => Ok(true),
            Some(Ok(_)) => Ok(false),
            Some(Err(error)) => Err(failed()(error)),
        }
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
                return Err(Error::Missing(*id));
            }
        }
        let hidden = old.iter().map(|id| to_gix(*id));
        let graph = if self.is_quarantined() { false } else { self.graph().is_some() };
        let walk = self.gix.rev_walk([to_gix(new)]).use_commit_graph(graph).with_hidden(hidden);
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
