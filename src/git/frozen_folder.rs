//! The git folder with a copy of the configuration, which git commands use while it is frozen.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::command::GitCommand;
use super::private_files::append_to_file;

/// Settings that git commands get while the configuration is frozen. Without the index and the other
/// worktrees, `git gc` would remove objects that these use.
pub(super) const SETTINGS: [&str; 3] = [
    "core.hooksPath=/dev/null",
    "gc.auto=0",
    "maintenance.auto=false",
];

/// The folder that git commands use instead of the repository's git folder.
#[derive(Debug)]
pub(super) struct FrozenFolder {
    folder: PathBuf,
    /// The names and the bytes of its configuration files.
    files: BTreeMap<&'static str, Vec<u8>>,
}

impl FrozenFolder {
    /// Returns the folder at this path, with these configuration files in it.
    pub(super) fn new(folder: &Path, files: BTreeMap<&'static str, Vec<u8>>) -> Self {
        Self {
            folder: folder.to_owned(),
            files,
        }
    }

    /// Returns whether the configuration files are as they were written.
    pub(super) fn is_unchanged(&self) -> bool {
        self.files
            .iter()
            .all(|(name, bytes)| fs::read(self.folder.join(name)).is_ok_and(|it| it == *bytes))
    }

    /// Writes the configuration files again if a command has changed them.
    fn restore(&self) {
        if self.is_unchanged() {
            return;
        }
        for (name, bytes) in &self.files {
            let path = self.folder.join(name);
            // If a file cannot be written, git finds no repository, or the run stops later.
            let _ = fs::remove_file(&path);
            let _ = append_to_file(&path).and_then(|mut file| file.write_all(bytes));
        }
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
        self.restore();
        let settings = [&SETTINGS, settings].concat();
        GitCommand::with_settings(git_dir, work_dir, &settings, subcommand)
            .env("GIT_DIR", &self.folder)
            .env("GIT_OBJECT_DIRECTORY", objects)
            .env("GIT_CONFIG_SYSTEM", self.folder.join("system"))
            .env("GIT_CONFIG_GLOBAL", self.folder.join("global"))
    }
}
