//! Writes the files of a commit into a separate folder, as git would check them out.

use std::path::Path;

use super::command::GitCommand;
use super::error::Result;
use super::repo::Repository;
use crate::domain::id::CommitId;

impl Repository {
    /// Writes all files of a commit into an empty folder, using `index` as git's index file.
    /// Submodules become empty folders.
    pub fn check_out(&self, commit: CommitId, folder: &Path, index: &Path) -> Result<()> {
        let git =
            |name| GitCommand::new(self.git_dir(), Some(folder), name).env("GIT_INDEX_FILE", index);
        git("read-tree")
            .args(["--end-of-options", &commit.to_string()])
            .run()?
            .into_stdout()?;
        git("checkout-index")
            .args(["--all", "--quiet"])
            .run()?
            .into_stdout()
            .map(drop)
    }
}
