//! Finds a server's repository and its hooks.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::git::{Error, Repository, Result};

/// Opens a bare repository, or the one of a worktree's top folder.
///
/// # Errors
/// There is no repository at `path` or in its `.git`.
pub fn open_repository(path: &Path) -> Result<Repository> {
    match Repository::open(path) {
        Err(error @ Error::Open { .. }) => Repository::open(&path.join(".git")).map_err(|_| error),
        other => other,
    }
}

/// Returns the folder in which git looks for hooks, according to its configuration.
pub(super) fn find_hooks_folder(repository: &Repository) -> Result<PathBuf> {
    // Git handles core.hooksPath, a tilde in it, and worktrees.
    let mut path = repository
        .git("rev-parse")
        .args(["--git-path", "hooks"])
        .run()?
        .into_stdout()?;
    path.truncate(path.trim_ascii_end().len());
    let start = repository.work_dir().unwrap_or(repository.git_dir());
    Ok(start.join(OsString::from_vec(path)))
}
