//! An empty repository in a temporary folder, gone when it is dropped: for pushing what must not rest in anybody's own.

use std::fs;
use std::path::Path;

use super::error::{Error, Result};
use super::repo::{HashKind, Repository};

/// The repository, and the folder that holds it.
#[derive(Debug)]
pub struct Scratch {
    /// Empty and bare.
    pub repository: Repository,
    folder: tempfile::TempDir,
}

impl Scratch {
    /// Makes one whose objects are named by this hash.
    pub fn new(hash: HashKind) -> Result<Self> {
        let failed = |source: std::io::Error| Error::Open {
            path: std::env::temp_dir(),
            source: source.into(),
        };
        let folder = tempfile::Builder::new()
            .prefix("git-deploy-")
            .tempdir()
            .map_err(failed)?;
        let root = folder.path();
        // As git init writes it: the least that git takes for a repository.
        let format = match hash {
            HashKind::Sha1 => "\trepositoryformatversion = 0\n",
            HashKind::Sha256 => {
                "\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = sha256\n"
            }
        };
        let write = || {
            fs::create_dir(root.join("objects"))?;
            fs::create_dir(root.join("refs"))?;
            fs::write(root.join("HEAD"), "ref: refs/heads/none\n")?;
            fs::write(
                root.join("config"),
                format!("[core]\n\tbare = true\n{format}"),
            )
        };
        write().map_err(failed)?;
        Ok(Self {
            repository: Repository::open(root)?,
            folder,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Git and gix both take it for a repository, of either hash, and nothing is left of it.
    #[test]
    fn made_and_gone() {
        for hash in [HashKind::Sha1, HashKind::Sha256] {
            let scratch = Scratch::new(hash).unwrap();
            let id = scratch.repository.write_blob(b"x").unwrap();
            let found = scratch
                .repository
                .git("cat-file")
                .args(["-t", &id.to_string()])
                .run()
                .unwrap();
            assert_eq!(found.ok().unwrap(), b"blob\n");
            let path = scratch.path().to_owned();
            drop(scratch);
            assert!(!path.exists());
        }
    }
}
