//! An empty repository in a temporary folder, removed when dropped: for pushing objects that must
//! not stay in a user's repository.

use std::fs;

use super::error::{Error, Result};
use super::object_id::HashKind;
use super::repo::Repository;

/// The repository and the folder that holds it.
#[derive(Debug)]
pub struct TempRepository {
    /// An empty, bare repository.
    pub repository: Repository,
    #[cfg_attr(not(test), expect(dead_code, reason = "read by tests"))]
    folder: tempfile::TempDir,
}

impl TempRepository {
    /// Creates a repository whose objects use this hash function.
    pub fn new(hash: HashKind) -> Result<Self> {
        let folder = create_bare_folder(hash)?;
        Ok(Self {
            repository: Repository::open(folder.path())?,
            folder,
        })
    }

    /// Returns its path.
    #[cfg(test)]
    pub fn path(&self) -> &std::path::Path {
        self.folder.path()
    }
}

/// Creates a folder with the minimum that git accepts as a repository, in the form that `git init`
/// writes.
pub(super) fn create_bare_folder(hash: HashKind) -> Result<tempfile::TempDir> {
    let to_error = |source: std::io::Error| Error::Open {
        path: std::env::temp_dir(),
        source: source.into(),
    };
    let folder = tempfile::Builder::new()
        .prefix("git-deploy-")
        .tempdir()
        .map_err(to_error)?;
    let root = folder.path();
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
    write().map_err(to_error)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Git and gix both accept it as a repository, with either hash, and nothing remains after the
    /// drop.
    #[test]
    fn is_valid_and_removed() {
        for hash in [HashKind::Sha1, HashKind::Sha256] {
            let temp = TempRepository::new(hash).unwrap();
            let id = temp.repository.write_blob(b"x").unwrap();
            let output = temp
                .repository
                .git("cat-file")
                .args(["-t", &id.to_string()])
                .run()
                .unwrap();
            assert_eq!(output.into_stdout().unwrap(), b"blob\n");
            let path = temp.path().to_owned();
            drop(temp);
            assert!(!path.exists());
        }
    }
}
