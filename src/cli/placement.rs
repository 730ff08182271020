//! Whether a commit is where it belongs: on the environment's branch, or at least on a branch of the
//! remote.

use super::workspace::Workspace;
use crate::domain::id::CommitId;
use crate::git::Repository;
use crate::view::status::CommitPlacement;

/// The maximum number of branches of the remote in which a commit is searched.
const MAX_BRANCHES: usize = 500;

/// Finds commits that are not where they belong.
pub struct PlacementFinder<'a> {
    repository: &'a Repository,
    /// The branches of the remote, as last fetched; empty without a remote.
    remote_tips: Vec<CommitId>,
}

impl<'a> PlacementFinder<'a> {
    pub fn new(workspace: &'a Workspace) -> crate::git::Result<Self> {
        let repository = &workspace.repository;
        let mut remote_tips = Vec::new();
        if let Some(remote) = &workspace.remote {
            // A symbolic ref, such as origin/HEAD, repeats a branch, and a broken one has no commit.
            let listed = repository.list_all_refs(&repository.branch_folder(remote))?;
            let tips = listed.into_iter().filter_map(|listed| listed.target.ok());
            remote_tips.extend(tips.map(CommitId));
            remote_tips.sort_unstable();
            remote_tips.dedup();
        }
        Ok(Self {
            repository,
            remote_tips,
        })
    }

    /// Returns where a commit is missing. `branch_tip` is the tip of the environment's own branch.
    /// Returns `None` if it is where it belongs, or if this clone cannot tell.
    pub fn find(&self, commit: CommitId, branch_tip: Option<CommitId>) -> Option<CommitPlacement> {
        let is_on = |tip: &CommitId| self.repository.is_ancestor(commit.0, tip.0);
        if let Some(tip) = branch_tip {
            return match is_on(&tip) {
                Ok(false) if self.is_unpushed(commit) => Some(CommitPlacement::Unpushed),
                Ok(false) => Some(CommitPlacement::OffBranch),
                Ok(true) | Err(_) => None,
            };
        }
        self.is_unpushed(commit)
            .then_some(CommitPlacement::Unpushed)
    }

    /// Returns whether a commit is on no branch of the remote.
    fn is_unpushed(&self, commit: CommitId) -> bool {
        let tips = &self.remote_tips;
        let is_outside = |tip: &CommitId| {
            let answer = self.repository.is_ancestor(commit.0, tip.0);
            matches!(answer, Ok(false))
        };
        !tips.is_empty() && tips.len() <= MAX_BRANCHES && tips.iter().all(is_outside)
    }
}
