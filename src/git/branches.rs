//! Branch names: the repository's default branch, and the commit a branch points to.

use gix::bstr::ByteSlice as _;
use gix::refs::{FullNameRef, Target};

use super::error::{Error, Result};
use super::repo::Repository;
use crate::domain::id::CommitId;

impl Repository {
    /// Returns the folder of the refs that hold the branches of a remote as last fetched. In a mirror
    /// clone those are its own branches.
    pub fn branch_folder(&self, remote: &str) -> String {
        if self.is_mirror_of(remote) {
            "refs/heads/".to_owned()
        } else {
            format!("refs/remotes/{remote}/")
        }
    }

    /// Checks whether this repository is a mirror clone of a remote: git itself fetches all refs of
    /// the remote under their own names.
    pub fn is_mirror_of(&self, remote: &str) -> bool {
        let is_set = |key: &str| matches!(self.config_bool(key), Ok(Some(true)));
        self.work_dir().is_none() && is_set(&format!("remote.{remote}.mirror"))
    }

    /// Returns the short name of the default branch: the remote's HEAD, else `main` or `master`,
    /// else the branch that is checked out.
    pub fn default_branch(&self, remote: Option<&str>) -> Result<Option<String>> {
        if let Some(remote) = remote {
            let folder = self.branch_folder(remote);
            let default = self.read_symbolic_ref(&format!("{folder}HEAD"));
            if let Some(branch) = default
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

    /// Returns the short name of the branch checked out in this worktree, even before its first
    /// commit; `None` if HEAD is detached.
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

    /// Returns the commit that a branch points to: as last fetched from the remote, otherwise the
    /// local branch.
    pub fn branch_tip(&self, remote: Option<&str>, branch: &str) -> Result<Option<CommitId>> {
        let fetched = remote.map(|remote| format!("{}{branch}", self.branch_folder(remote)));
        for name in fetched.into_iter().chain([format!("refs/heads/{branch}")]) {
            if let Some(id) = self.read_ref(&name)? {
                return Ok(self.peel_to_commit(id)?.map(CommitId));
            }
        }
        Ok(None)
    }

    /// Returns the full name that a symbolic ref points to; `None` if it is missing, broken or not
    /// symbolic.
    fn read_symbolic_ref(&self, name: &str) -> Option<String> {
        let name = <&FullNameRef>::try_from(name).ok()?;
        match self.read_loose_ref(name) {
            Ok(Some(Target::Symbolic(target))) => target.as_bstr().to_str().ok().map(str::to_owned),
            _ => None,
        }
    }
}
