//! Patch ids, which are equal for commits that make the same change: a cherry-pick or a rebase
//! keeps them.
//!
//! `git patch-id` reads only patches, nothing of the repository. `git diff-tree` makes the patches,
//! and its options turn off every setting that could change their bytes.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;

use super::commit::Commit;
use super::error::{Error, Result};
use super::repo::Repository;
use crate::domain::id::Oid;

/// The number of patches that are made at once. It bounds their total size, since few commits are
/// large.
const BATCH_SIZE: usize = 100;
/// The maximum number of files by which a patch is restricted, because the command line has a limit.
const FILE_LIMIT: usize = 500;

/// The change from one commit to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Change {
    /// The commit that makes the change.
    pub commit: Oid,
    /// The commit that it is compared with; `None` for a root commit.
    pub base: Option<Oid>,
}

impl Change {
    /// Returns the change that a commit makes to its first parent.
    pub fn of(commit: &Commit) -> Self {
        Self {
            commit: commit.id,
            base: commit.parents.first().copied(),
        }
    }
}

impl Repository {
    /// Computes the patch id of each commit's change against its first parent. A commit without
    /// changes has none.
    pub fn patch_ids(&self, commits: &[Commit]) -> Result<HashMap<Oid, String>> {
        let changes: Vec<Change> = commits.iter().map(Change::of).collect();
        self.compute_patch_ids(&changes, &["-U3"], &[])
    }

    /// Computes the same for the changes in some files only.
    pub fn patch_ids_in_files(
        &self,
        commits: &[Commit],
        files: &[Vec<u8>],
    ) -> Result<HashMap<Oid, String>> {
        let changes: Vec<Change> = commits.iter().map(Change::of).collect();
        self.compute_patch_ids(&changes, &["-U3"], files)
    }

    /// Returns whether one change is the inverse of another in some files. Compares only the added and
    /// removed lines: the lines around them may have changed in between.
    pub fn is_inverse(&self, change: Change, revert: Change, files: &[Vec<u8>]) -> Result<bool> {
        // `-R` also swaps the prefixes, which are part of the patch id.
        let inverse = ["-U0", "-R", "--src-prefix=b/", "--dst-prefix=a/"];
        let expected = self
            .compute_patch_ids(&[change], &inverse, files)?
            .remove(&change.commit);
        let found = self
            .compute_patch_ids(&[revert], &["-U0"], files)?
            .remove(&revert.commit);
        Ok(expected.is_some() && expected == found)
    }

    /// Lists the paths of the files that a change adds, modifies or deletes.
    pub fn list_changed_files(&self, change: Change) -> Result<Vec<Vec<u8>>> {
        let output = self
            .git("diff-tree")
            .args(["--stdin", "--no-commit-id", "--name-only", "-z"])
            .args(["-r", "--root", "--no-renames"])
            .input(format_input(&[change]))
            .run()?
            .into_stdout()?;
        let paths = output.split(|byte| *byte == 0);
        Ok(paths
            .filter(|path| !path.is_empty())
            .map(<[u8]>::to_vec)
            .collect())
    }

    /// Computes the patch ids of changes by their commits, in the given files, or in all if none or too
    /// many are given.
    fn compute_patch_ids(
        &self,
        changes: &[Change],
        extra_options: &[&str],
        files: &[Vec<u8>],
    ) -> Result<HashMap<Oid, String>> {
        let files = if files.len() > FILE_LIMIT { &[] } else { files };
        let mut patch_ids = HashMap::new();
        for batch in changes.chunks(BATCH_SIZE) {
            let options = [
                "-p",
                "-r",
                "--root",
                "--full-index",
                "--no-renames",
                "--no-ext-diff",
                "--no-textconv",
            ];
            let patches = self
                .git("diff-tree")
                .env("GIT_LITERAL_PATHSPECS", "1")
                .arg("--stdin")
                .args(options)
                .args(extra_options)
                .args(["--no-color", "--"])
                .args(files.iter().map(|path| OsStr::from_bytes(path)))
                .input(format_input(batch))
                .run()?
                .into_stdout()?;
            let ids = self
                .git("patch-id")
                .arg("--stable")
                .input(patches)
                .run()?
                .into_stdout()?;
            for line in String::from_utf8_lossy(&ids).lines() {
                let pair = line
                    .split_once(' ')
                    .and_then(|(patch, commit)| Some((patch, commit.parse().ok()?)));
                let (patch, commit) = pair.ok_or_else(|| {
                    Error::corrupt("the output of git patch-id", "no pair of ids")
                })?;
                patch_ids.insert(commit, patch.to_owned());
            }
        }
        Ok(patch_ids)
    }
}

/// Formats changes as the input of `git diff-tree --stdin`, which treats the ids after a commit as
/// its parents.
fn format_input(changes: &[Change]) -> String {
    let mut lines = String::new();
    for Change { commit, base } in changes {
        let base = base.map_or_else(String::new, |base| format!(" {base}"));
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{commit}{base}");
    }
    lines
}
