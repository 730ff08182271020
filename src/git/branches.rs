//! Branches as people mean them: the one that stands for the whole repository, and where a branch is.

use gix::bstr::ByteSlice as _;
use gix::refs::Target;

use super::error::{Error, Result};
use super::repo::Repository;
use crate::domain::id::CommitId;

impl Repository {
    /// The branch that most work goes into, by its short name: the remote's own choice, else `main` or `master`, else the one that is
    /// checked out.
    pub fn default_branch(&self, remote: Option<&str>) -> Result<Option<String>> {
        if let Some(remote) = remote {
            let folder = format!("refs/remotes/{remote}/");
            let chosen = self.symbolic(&format!("{folder}HEAD"))?;
            if let Some(branch) = chosen
                .as_deref()
                .and_then(|name| name.strip_prefix(&folder))
            {
                return Ok(Some(branch.to_owned()));
            }
        }
        for name in ["main", "master"] {
            if self.branch_tip(remote, name)?.is_some() {
                return Ok(Some(name.to_owned()));
            }
        }
        self.checked_out_branch()
    }

    /// The branch that is checked out in this worktree, by its short name, also before its first commit; none where HEAD is at a commit.
    pub fn checked_out_branch(&self) -> Result<Option<String>> {
        let head = self
            .gix
            .head_name()
            .map_err(Error::library("reading HEAD"))?;
        Ok(head.and_then(|name| {
            name.as_bstr()
                .strip_prefix(b"refs/heads/")
                .and_then(|name| name.to_str().ok().map(str::to_owned))
        }))
    }

    /// The commit that a branch is at: as last fetched from the remote, where it is there; else the local one.
    pub fn branch_tip(&self, remote: Option<&str>, branch: &str) -> Result<Option<CommitId>> {
        let fetched = remote.map(|remote| format!("refs/remotes/{remote}/{branch}"));
        for name in fetched.into_iter().chain([format!("refs/heads/{branch}")]) {
            if let Some(id) = self.read_ref(&name)? {
                return Ok(self.peel_to_commit(id)?.map(CommitId));
            }
        }
        Ok(None)
    }

    /// The full name that a symbolic ref points to; `None` where it is missing or not symbolic.
    fn symbolic(&self, name: &str) -> Result<Option<String>> {
        let found = self
            .gix
            .refs
            .try_find(name)
            .map_err(Error::library(format!("reading {name}")))?;
        Ok(match found.map(|found| found.target) {
            Some(Target::Symbolic(target)) => target.as_bstr().to_str().ok().map(str::to_owned),
            _ => None,
        })
    }
}
