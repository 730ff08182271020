//! Checks who owns the repository's files, who else can change those that protect it, and where its
//! objects are.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{About, Inspector, quoted};

/// The files and folders that decide about a push, in the folder that all worktrees share.
const DECIDING: [&str; 8] = [
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
const BY_OTHERS: u32 = 0o002;
/// The permission of the group to write.
const BY_GROUP: u32 = 0o020;
/// The size of packs, in bytes, above which history is slow to walk without a commit-graph.
const LARGE: u64 = 1 << 20;
/// The flag of a folder in which users can change only their own files.
const STICKY: u32 = 0o1000;

impl Inspector<'_> {
    /// Checks the files and folders that decide about a push.
    pub(super) fn files(&mut self) {
        let folder = self.repository.common_dir().to_owned();
        let Ok(own) = folder.metadata() else { return };
        for name in DECIDING {
            let path = folder.join(name);
            // A missing file cannot be changed.
            if let Ok(metadata) = path.metadata() {
                self.writable(&path, &metadata, &own);
            }
        }
        if self.is_well(About::Files) {
            self.good(
                About::Files,
                format!(
                    "user {} has them, and nobody else can change them",
                    own.uid()
                ),
            );
        }
    }

    /// Reports other users who can change a file that decides about pushes.
    pub(super) fn writable(&mut self, path: &Path, metadata: &Metadata, own: &Metadata) {
        let (mode, shown) = (metadata.mode(), quoted(path));
        // A file of root is safe from pushers.
        if metadata.uid() != own.uid() && metadata.uid() != 0 {
            let what = format!(
                "{} is another user's than the repository, with the number {}",
                path.display(),
                metadata.uid()
            );
            self.bad(About::Files, what, format!("chown {} {shown}", own.uid()));
        }
        if mode & BY_OTHERS != 0 && mode & STICKY == 0 {
            self.bad(
                About::Files,
                format!(
                    "{} can be changed by everybody on this machine",
                    path.display()
                ),
                format!("chmod o-w {shown}"),
            );
        } else if mode & BY_GROUP != 0 {
            let what = format!(
                "{} can be changed, past all hooks, by everybody in the group with the number {}",
                path.display(),
                metadata.gid()
            );
            self.advise(
                About::Files,
                what,
                format!("chmod g-w {shown}, where only one user receives pushes"),
            );
        }
    }

    /// Checks where the objects are, and what makes reading them fast.
    pub(super) fn objects(&mut self) {
        let info = self.repository.common_dir().join("objects/info");
        let alternates = std::fs::read(info.join("alternates")).unwrap_or_default();
        if !alternates.trim_ascii().is_empty() {
            let what = "some lie in another repository, whose owner can lose them: objects/info/alternates";
            let file = quoted(&info.join("alternates"));
            self.advise(
                About::Objects,
                what,
                self.git(&format!("repack -a -d && rm {file}")),
            );
        }
        let graph = info.join("commit-graph").exists()
            || info.join("commit-graphs/commit-graph-chain").exists();
        if !graph && self.is_large() {
            let what = "there is no commit-graph: each push reads the history commit by commit";
            self.advise(
                About::Objects,
                what,
                self.git("commit-graph write --reachable"),
            );
        }
        if self.is_well(About::Objects) {
            self.good(
                About::Objects,
                "all are in the repository itself, and found fast",
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
        sizes.map(|metadata| metadata.len()).sum::<u64>() > LARGE
    }
}
