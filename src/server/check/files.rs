//! Checks the owner and the permissions of the repository's files, and where its objects are.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{CheckSubject, Inspector};
use crate::server::shell::quote_path;

/// The files and folders that decide about a push, relative to the git folder that all worktrees
/// share. The empty name is that folder itself.
const DECIDING_PATHS: [&str; 8] = [
    "",
    "config",
    "hooks",
    "refs",
    "refs/deploy",
    "objects",
    "packed-refs",
    "info",
];
/// The permission of all other users to write.
const OTHERS_WRITE: u32 = 0o002;
/// The permission of the group to write.
const GROUP_WRITE: u32 = 0o020;
/// The total size of packs, in bytes, above which history is slow to walk without a commit-graph.
const LARGE_PACK_BYTES: u64 = 1 << 20;
/// The flag of a folder in which users can change only their own files.
const STICKY: u32 = 0o1000;

impl Inspector<'_> {
    /// Checks the files and folders that decide about a push.
    pub(super) fn check_files(&mut self) {
        let folder = self.repository.common_dir().to_owned();
        let Ok(repository_metadata) = folder.metadata() else {
            return;
        };
        for name in DECIDING_PATHS {
            let path = folder.join(name);
            // A missing file cannot be changed.
            if let Ok(metadata) = path.metadata() {
                self.check_writers(&path, &metadata, &repository_metadata);
            }
        }
        if self.is_good(CheckSubject::Files) {
            self.add_good(
                CheckSubject::Files,
                format!(
                    "they belong to user {}, and no other user can change them",
                    repository_metadata.uid()
                ),
            );
        }
    }

    /// Reports other users who can change a file that decides about pushes.
    pub(super) fn check_writers(
        &mut self,
        path: &Path,
        metadata: &Metadata,
        repository_metadata: &Metadata,
    ) {
        let (mode, quoted_path) = (metadata.mode(), quote_path(path));
        // A file of root is safe from pushers.
        if metadata.uid() != repository_metadata.uid() && metadata.uid() != 0 {
            let message = format!(
                "{} belongs to user {}, who does not own the repository",
                path.display(),
                metadata.uid()
            );
            self.add_problem(
                CheckSubject::Files,
                message,
                format!("chown {} {quoted_path}", repository_metadata.uid()),
            );
        }
        if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
            self.add_problem(
                CheckSubject::Files,
                format!(
                    "{} can be changed by every user on this machine",
                    path.display()
                ),
                format!("chmod o-w {quoted_path}"),
            );
        } else if mode & GROUP_WRITE != 0 {
            let message = format!(
                "{} can be changed, bypassing all hooks, by every user in group {}",
                path.display(),
                metadata.gid()
            );
            self.add_advice(
                CheckSubject::Files,
                message,
                format!("chmod g-w {quoted_path}"),
            );
        }
    }

    /// Checks that the objects are in the repository itself, and that a commit-graph makes reading
    /// the history fast.
    pub(super) fn check_objects(&mut self) {
        let info = self.repository.common_dir().join("objects/info");
        let alternates = std::fs::read(info.join("alternates")).unwrap_or_default();
        if !alternates.trim_ascii().is_empty() {
            let message = "some are in another repository, whose owner can delete them: objects/info/alternates";
            let file = quote_path(&info.join("alternates"));
            self.add_advice(
                CheckSubject::Objects,
                message,
                self.git_command(&format!("repack -a -d && rm {file}")),
            );
        }
        let has_graph = info.join("commit-graph").exists()
            || info.join("commit-graphs/commit-graph-chain").exists();
        if !has_graph && self.is_large() {
            let message = "there is no commit-graph: each push reads the history commit by commit";
            self.add_advice(
                CheckSubject::Objects,
                message,
                self.git_command("commit-graph write --reachable"),
            );
        }
        if self.is_good(CheckSubject::Objects) {
            self.add_good(
                CheckSubject::Objects,
                "all are in the repository itself, and fast to find",
            );
        }
    }

    /// Returns whether the repository is large enough for a commit-graph to matter. Without packs
    /// it is not.
    fn is_large(&self) -> bool {
        let packs = std::fs::read_dir(self.repository.common_dir().join("objects/pack"));
        let sizes = packs
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.metadata().ok());
        sizes.map(|metadata| metadata.len()).sum::<u64>() > LARGE_PACK_BYTES
    }
}
