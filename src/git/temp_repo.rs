//! An empty repository in a temporary folder, removed when dropped: for pushing objects that must
//! not stay in a user's repository.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::error::{Error, Result};
use super::object_id::HashKind;
use super::private_files::{append_to_file, create_folder};
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
    /// Creates a repository in a folder. Its objects use this hash function.
    pub fn new_in(parent: &Path, hash: HashKind) -> Result<Self> {
        let folder = create_bare_folder(parent, hash)?;
        Ok(Self {
            repository: Repository::open(folder.path())?,
            folder,
        })
    }

    /// Returns its path.
    #[cfg(test)]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Creates a folder with the minimum that git accepts as a repository, in the form that `git init`
/// writes.
pub(super) fn create_bare_folder(parent: &Path, hash: HashKind) -> Result<tempfile::TempDir> {
    let to_error = |source: std::io::Error| Error::Open {
        path: parent.to_owned(),
        source: source.into(),
    };
    let folder = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(to_error)?;
    let root = folder.path();
    let format = match hash {
        HashKind::Sha1 => "\trepositoryformatversion = 0\n",
        HashKind::Sha256 => {
            "\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = sha256\n"
        }
    };
    let write = || {
        let write_file =
            |name, text: &str| append_to_file(&root.join(name))?.write_all(text.as_bytes());
        create_folder(&root.join("objects"))?;
        create_folder(&root.join("refs"))?;
        write_file("HEAD", "ref: refs/heads/none\n")?;
        write_file("config", &format!("[core]\n\tbare = true\n{format}"))
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
            let parent = tempfile::tempdir().unwrap();
            let temp = TempRepository::new_in(parent.path(), hash).unwrap();
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
