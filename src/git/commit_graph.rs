//! The commit-graph: parents and generations of commits without reading the commits.
//!
//! The commit-graph is an unsigned cache. A commit that is not in it is read as an object.

use gix::commitgraph::file::Commit;
use gix::commitgraph::{Graph, Position};

use super::error::{Error, Result};
use super::object_id::to_gix;
use super::object_store::OBJECT_LIMIT;
use super::repo::Repository;
use crate::domain::id::Oid;

/// Returns the parents of a commit in the graph, each converted from its position.
pub(super) fn read_parents<T>(
    commit: &Commit<'_>,
    convert: impl Fn(Position) -> T,
) -> Result<Vec<T>> {
    commit
        .iter_parents()
        .map(|position| position.map(&convert))
        .collect::<gix::Result<_>>()
        .map_err(Error::library("reading the commit-graph"))
}

impl Repository {
    /// Returns the commit-graph and the commit's entry in it, if there is one.
    pub(super) fn find_in_graph(&self, id: Oid) -> Option<(&Graph, Commit<'_>)> {
        let graph = self.commit_graph()?;
        Some((graph, graph.commit_by_id(to_gix(id))?))
    }

    /// Returns the commit-graph, if there is a usable one.
    ///
    /// It is loaded once, because the commits in it never change. A commit that is not in it is
    /// read as an object.
    pub(super) fn commit_graph(&self) -> Option<&gix::commitgraph::Graph> {
        self.shared
            .graph
            .get_or_init(|| self.open_commit_graph())
            .as_ref()
    }

    /// Opens the commit-graph, if there is a usable one.
    pub(super) fn open_commit_graph(&self) -> Option<gix::commitgraph::Graph> {
        // Git, too, ignores the graph in a shallow clone: it lists parents that are missing there.
        if self.is_shallow().unwrap_or(true)
            || !self.config_bool("core.commitGraph").ok()?.unwrap_or(true)
        {
            return None;
        }
        // In quarantine the object store is a stand-in, so the graph is opened by its own path. A
        // broken graph is ignored: it is only a cache.
        let info = self.common_dir().join("objects/info");
        gix::commitgraph::at(info, self.gix.object_hash(), Some(OBJECT_LIMIT)).ok()
    }
}
