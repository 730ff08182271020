//! Patch ids, which are equal for commits that make the same change: a cherry-pick or a rebase
//! keeps them.
//!
//! `git patch-id` reads only patches, nothing of the repository. `git diff-tree` makes the patches,
//! and its options turn off every setting that could change their bytes.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::commit::Commit;
use super::error::{Error, Result};
use super::repo::Repository;
use crate::domain::id::Oid;

/// The number of patches that are made at once. It bounds their total size, since few commits are
/// large.
const BATCH_SIZE: usize = 100;

impl Repository {
    /// Computes the patch id of each commit's change against its first parent. A commit without
    /// changes has none.
    pub fn patch_ids(&self, commits: &[Commit]) -> Result<HashMap<Oid, String>> {
        self.compute_patch_ids(commits, &[])
    }

    /// Computes the patch id of a change that undoes a commit's change. Returns `None` for a commit
    /// without changes.
    pub fn inverse_patch_id(&self, commit: Oid) -> Result<Option<String>> {
        let commit = self.read_commit(commit)?;
        let id = commit.id;
        // `-R` also swaps the prefixes, which are part of the patch id.
        let inverse = ["-R", "--src-prefix=b/", "--dst-prefix=a/"];
        Ok(self.compute_patch_ids(&[commit], &inverse)?.remove(&id))
    }

    /// Lists the commits whose message says, in the words of `git revert`, that they revert
    /// `commit`, newest first. Searches the history of `running` without that of `commit`.
    pub fn list_declared_reverts(&self, running: Oid, commit: Oid) -> Result<Vec<Oid>> {
        let output = self
            .git("rev-list")
            .args([
                "--fixed-strings",
                &format!("--grep=This reverts commit {commit}"),
            ])
            .args([running.to_string(), format!("^{commit}")])
            .run()?
            .into_stdout()?;
        let parse = |line: &str| {
            let id = line.parse().ok();
            id.ok_or_else(|| Error::corrupt("the output of git rev-list", "no commit id"))
        };
        String::from_utf8_lossy(&output)
            .lines()
            .map(parse)
            .collect()
    }

    fn compute_patch_ids(
        &self,
        commits: &[Commit],
        extra_options: &[&str],
    ) -> Result<HashMap<Oid, String>> {
        let mut patch_ids = HashMap::new();
        for batch in commits.chunks(BATCH_SIZE) {
            let mut lines = String::new();
            for commit in batch {
                // `diff-tree` treats the ids after a commit as its parents, so a merge is compared
                // only with its first parent.
                let parent = commit
                    .parents
                    .first()
                    .map_or_else(String::new, |parent| format!(" {parent}"));
                // Writing to a string cannot fail.
                let _ = writeln!(lines, "{}{parent}", commit.id);
            }
            let options = [
                "-p",
                "-r",
                "--root",
                "--full-index",
                "-U3",
                "--no-renames",
                "--no-ext-diff",
                "--no-textconv",
            ];
            let patches = self
                .git("diff-tree")
                .arg("--stdin")
                .args(options)
                .args(extra_options)
                .arg("--no-color")
                .input(lines)
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
