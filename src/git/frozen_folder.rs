//! The git folder with a copy of the configuration, which git commands use while it is frozen.

use std::path::{Path, PathBuf};

use super::command::GitCommand;

/// Settings that git commands get while the configuration is frozen. Without the index and the other
/// worktrees, `git gc` would remove objects that these use.
pub(super) const SETTINGS: [&str; 3] = [
    "core.hooksPath=/dev/null",
    "gc.auto=0",
    "maintenance.auto=false",
];

/// The folder that git commands use instead of the repository's git folder.
#[derive(Debug)]
pub(super) struct FrozenFolder(PathBuf);

impl FrozenFolder {
    /// Returns the folder at this path.
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Prepares a git command that uses this folder.
    pub(super) fn git(
        &self,
        git_dir: &Path,
        work_dir: Option<&Path>,
        objects: &Path,
        settings: &[&str],
        subcommand: &'static str,
    ) -> GitCommand {
        let settings = [&SETTINGS, settings].concat();
        GitCommand::with_settings(git_dir, work_dir, &settings, subcommand)
            .env("GIT_DIR", &self.0)
            .env("GIT_OBJECT_DIRECTORY", objects)
            .env("GIT_CONFIG_SYSTEM", self.0.join("system"))
            .env("GIT_CONFIG_GLOBAL", self.0.join("global"))
    }
}
