//! Reads the files of loose refs.
//!
//! A file that is not a ref, such as the empty one that a power cut leaves, makes only that ref
//! unusable. No message contains what is in such a file: it can be a link to any file.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice as _;
use gix::refs::file::loose;
use gix::refs::{FullName, FullNameRef, Target};
use walkdir::WalkDir;

use super::error::{Error, Result};
use super::repo::Repository;
use crate::input_file::read_regular_file;

/// The maximum size of a ref's file. A symbolic ref contains the name of another ref.
const FILE_LIMIT: u64 = 8 << 10;

impl Repository {
    /// Returns the path of a loose ref's file.
    pub(super) fn loose_ref_path(&self, name: &FullNameRef) -> PathBuf {
        self.common_dir()
            .join(std::ffi::OsStr::from_bytes(name.as_bstr()))
    }

    /// Reads a loose ref. Returns `None` if there is none.
    ///
    /// # Errors
    /// Fails with [`Error::BrokenRef`] if its file cannot be read, or is not that of a ref.
    pub(super) fn read_loose_ref(&self, name: &FullNameRef) -> Result<Option<Target>> {
        let path = self.loose_ref_path(name);
        read_target(self, name, &path).map_err(|why| Error::BrokenRef {
            name: name.as_bstr().to_string(),
            path,
            why,
        })
    }

    /// Lists the loose refs below a prefix that ends in `/`, also broken ones.
    pub(super) fn list_loose_refs(&self, prefix: &str) -> Result<LooseRefs> {
        let root = self.common_dir();
        let mut refs = LooseRefs::default();
        for entry in WalkDir::new(root.join(prefix)) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => match error.io_error().map(std::io::Error::kind) {
                    // Another process packed it or removed its folder in the meantime.
                    Some(ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
                    // It hides only refs whose names begin with its own.
                    Some(ErrorKind::PermissionDenied) if error.depth() > 0 => {
                        refs.unreadable.extend(error.path().map(Path::to_owned));
                        continue;
                    }
                    _ => return Err(Error::library(format!("listing {prefix}"))(error)),
                },
            };
            if entry.file_type().is_dir() {
                continue;
            }
            match self.ref_name_of(entry.path()) {
                Ok(name) => refs.names.push(name),
                Err(_) if is_ignored_by_git(entry.path().strip_prefix(root).unwrap_or(root)) => {}
                Err(_) => refs.misnamed.push(entry.into_path()),
            }
        }
        Ok(refs)
    }

    /// Returns the errors for folders that cannot be read, whose names are those of refs.
    pub(super) fn describe_unreadable(
        &self,
        folders: Vec<PathBuf>,
    ) -> impl Iterator<Item = (FullName, Error)> {
        let names = folders.into_iter().filter_map(|path| {
            let name = self.ref_name_of(&path).ok()?;
            Some((name, path))
        });
        names.map(|(name, path)| {
            let error = Error::BrokenRef {
                name: name.as_bstr().to_string(),
                path,
                why: "its folder cannot be read",
            };
            (name, error)
        })
    }

    /// Returns the errors for files whose names git does not allow for a ref, as a file manager makes
    /// them. This program ignores them, but `git fetch` stops at them.
    pub fn find_misnamed_refs(&self) -> Vec<Error> {
        self.find_misnamed_refs_below("refs/")
    }

    /// Like [`Self::find_misnamed_refs`], only in the folders `refs/deploy*`: a repository can have
    /// many thousands of other refs, and most commands read none of them.
    pub fn find_misnamed_ledger_refs(&self) -> Vec<Error> {
        let folders = self.common_dir().join("refs").read_dir();
        let names = folders.into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        let ours = names.filter(|name| name.starts_with("deploy"));
        ours.flat_map(|name| self.find_misnamed_refs_below(&format!("refs/{name}")))
            .collect()
    }

    fn find_misnamed_refs_below(&self, prefix: &str) -> Vec<Error> {
        // If the files cannot be listed, the refs cannot be either, which is reported.
        let files = self.list_loose_refs(prefix).unwrap_or_default().misnamed;
        let describe = |path: PathBuf| {
            let name = path.strip_prefix(self.common_dir()).unwrap_or(&path);
            Error::BrokenRef {
                name: name.display().to_string(),
                path,
                why: "git does not allow its name",
            }
        };
        files.into_iter().map(describe).collect()
    }

    /// Returns the name of the ref with this file.
    fn ref_name_of(&self, path: &Path) -> std::result::Result<FullName, gix::refs::name::Error> {
        let name = path.strip_prefix(self.common_dir()).unwrap_or(path);
        FullName::try_from(name.as_os_str().as_bytes().as_bstr())
    }
}

/// What is below a folder of loose refs.
#[derive(Debug, Default)]
pub(super) struct LooseRefs {
    /// The names of the refs.
    pub names: Vec<FullName>,
    /// The files whose names git does not allow for a ref.
    pub misnamed: Vec<PathBuf>,
    /// The folders that cannot be read.
    pub unreadable: Vec<PathBuf>,
}

/// Checks whether git does not take a file for a ref: a lock, or a hidden file.
fn is_ignored_by_git(path: &Path) -> bool {
    path.iter().any(|part| {
        let part = part.as_bytes();
        part.starts_with(b".") || part.ends_with(b".lock")
    })
}

/// Reads what a ref's file contains, or returns why it is not that of a ref.
fn read_target(
    repository: &Repository,
    name: &FullNameRef,
    path: &Path,
) -> std::result::Result<Option<Target>, &'static str> {
    const UNREADABLE: &str = "its file cannot be read";
    let is_missing =
        |kind: ErrorKind| matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory);
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if is_missing(error.kind()) => return Ok(None),
        Err(_) => return Err(UNREADABLE),
    };
    if metadata.is_dir() {
        return Ok(None);
    }
    if metadata.is_symlink() {
        return Err(
            "its file is a symbolic link, and the link's target could change without being checked",
        );
    }
    if !metadata.is_file() {
        return Err("it is not a regular file");
    }
    let text = match read_regular_file(path, FILE_LIMIT) {
        Ok(text) => text,
        Err(error) if is_missing(error.kind()) => return Ok(None),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => {
            return Err("its file is too large for a ref");
        }
        Err(_) => return Err(UNREADABLE),
    };
    if text.trim_ascii().is_empty() {
        return Err("its file is empty");
    }
    let hash = repository.gix.object_hash();
    let malformed = if text.starts_with(b"ref:") {
        "it is a symbolic ref to a name that git does not allow"
    } else {
        "its file does not contain an object id"
    };
    // The library accepts any text after an id, git only white space.
    let is_id_and_text = !text.starts_with(b"ref:")
        && text
            .get(hash.len_in_hex())
            .is_some_and(|byte| !byte.is_ascii_whitespace());
    let reference = loose::Reference::try_from_path(name.to_owned(), &text, hash);
    match reference {
        Ok(reference) if !is_id_and_text => Ok(Some(reference.target)),
        _ => Err(malformed),
    }
}
