//! Whose files the repository's are, and who besides them can change what protects it; where its objects are.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{About, Inspector, quoted};

/// What decides about a push, below the folder that all worktrees share.
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
/// Others than the owner and the group may write.
const BY_OTHERS: u32 = 0o002;
/// The group may write.
const BY_GROUP: u32 = 0o020;
/// A repository with more than this in packs is slow to walk without a commit-graph, in bytes.
const LARGE: u64 = 1 << 20;
/// In such a folder each changes their own only.
const STICKY: u32 = 0o1000;

impl Inspector<'_> {
    pub(super) fn files(&mut self) {
        let folder = self.repository.common_dir().to_owned();
        let Ok(own) = folder.metadata() else { return };
        for name in DECIDING {
            let path = folder.join(name);
            // What is not there nobody can change.
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

    /// Says who else can change a file that decides about pushes.
    pub(super) fn writable(&mut self, path: &Path, metadata: &Metadata, own: &Metadata) {
        let (mode, shown) = (metadata.mode(), quoted(path));
        // A superuser's file is nobody's who pushes.
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

    /// Where the objects are, and what makes looking at them fast.
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

    /// Whether it matters how the history is read: nothing that git has packed is all there is to a young repository.
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
