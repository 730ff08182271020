//! The commits of a range that change one file, found by `git rev-list`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::commits_ahead::CommitsAhead;
use super::error::{Error, Result};
use super::repo::Repository;
use crate::domain::id::Oid;

impl Repository {
    /// Returns the commits in the history of `new` and not of `old` that change a file, newest first and
    /// up to `limit`. Includes every merge in which the file differs from the first parent, and may
    /// include others.
    ///
    /// # Errors
    /// [`Error::Shallow`] if the clone is shallow and lacks a part of the range.
    pub fn commits_changing_file(
        &self,
        new: Oid,
        old: Oid,
        file: &[u8],
        limit: usize,
    ) -> Result<CommitsAhead> {
        self.require_complete_range(new, old)?;
        let output = self
            .git("rev-list")
            .env("GIT_LITERAL_PATHSPECS", "1")
            // Otherwise git leaves out the side branches of merges that took nothing from them.
            .arg("--full-history")
            .arg(format!("--max-count={}", limit.saturating_add(1)))
            .args([new.to_string(), format!("^{old}"), "--".to_owned()])
            .arg(OsStr::from_bytes(file))
            .run()?
            .into_stdout()?;
        let mut commits = parse_ids(&output)?;
        let is_truncated = commits.len() > limit;
        commits.truncate(limit);
        Ok(CommitsAhead {
            commits,
            is_truncated,
        })
    }

    /// Fails if the clone is shallow and lacks a part of the history of `new` that is not in that of
    /// `old`: `git rev-list` would leave it out silently.
    pub(super) fn require_complete_range(&self, new: Oid, old: Oid) -> Result<()> {
        let boundary = self.shallow_boundary()?;
        if boundary.is_empty() {
            return Ok(());
        }
        let output = self
            .git("rev-list")
            .args([new.to_string(), format!("^{old}")])
            .run()?
            .into_stdout()?;
        if parse_ids(&output)?.iter().any(|id| boundary.contains(id)) {
            return Err(Error::Shallow);
        }
        Ok(())
    }
}

/// Parses the output of `git rev-list`: one commit id per line.
pub(super) fn parse_ids(output: &[u8]) -> Result<Vec<Oid>> {
    let parse = |line: &str| {
        let id = line.parse().ok();
        id.ok_or_else(|| Error::corrupt("the output of git rev-list", "no commit id"))
    };
    String::from_utf8_lossy(output).lines().map(parse).collect()
}
