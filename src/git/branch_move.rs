//! Moves branches as a push does: git itself writes the refs, their reflogs and that of `HEAD`.

use super::error::{Error, Result};
use super::repo::Repository;
use crate::domain::id::Oid;

/// The move of one branch.
#[derive(Debug, Clone)]
pub struct BranchMove<'a> {
    /// The name that was pushed. It may be a symbolic ref to the branch.
    pub name: &'a [u8],
    /// The full name of the branch.
    pub branch: String,
    /// The commit that the branch must be at; `None` if the branch must not exist.
    pub old: Option<Oid>,
    /// The commit that it moves to.
    pub new: Oid,
}

impl Repository {
    /// Moves branches by compare-and-swap: all of them or none. `log` is the reflog's message.
    ///
    /// # Errors
    /// [`Error::LostRace`] if a branch is not at its old commit.
    pub fn move_branches(&self, moves: &[BranchMove<'_>], log: &str) -> Result<()> {
        let mut input = Vec::new();
        for BranchMove { name, old, new, .. } in moves {
            let new = new.to_string();
            let old = old.map_or_else(|| "0".repeat(new.len()), |old| old.to_string());
            input.extend_from_slice(b"update ");
            for word in [name, new.as_bytes(), old.as_bytes()] {
                input.extend_from_slice(word);
                input.push(0);
            }
        }
        let output = self
            .git("update-ref")
            .args(["--stdin", "-z", "-m", log])
            .input(input)
            .run()?;
        if output.is_success() {
            return Ok(());
        }
        // Git fails for many reasons. The values of the refs show whether the race was lost.
        for BranchMove { branch, old, .. } in moves {
            let current = self.read_ref(branch)?;
            if current != *old {
                return Err(Error::LostRace {
                    name: branch.clone(),
                    found: current,
                });
            }
        }
        Err(output.to_error())
    }

    /// Returns whether a branch is checked out in the repository's work tree or in a linked one.
    pub fn is_checked_out(&self, branch: &str) -> Result<bool> {
        if self.work_dir().is_none() && !self.common_dir().join("worktrees").is_dir() {
            return Ok(false);
        }
        let listed = self
            .git("worktree")
            .args(["list", "--porcelain"])
            .run()?
            .into_stdout()?;
        let branch_line = format!("branch {branch}");
        Ok(listed
            .split(|byte| *byte == b'\n')
            .any(|line| line == branch_line.as_bytes()))
    }
}
