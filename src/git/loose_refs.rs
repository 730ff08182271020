//! Reads the files of loose refs.
//!
//! A file that is not a ref, such as the empty one that a power cut leaves, makes only that ref
//! unusable. No message contains what is in such a file: it can be a link to any file.

use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use gix::bstr::ByteSlice as _;
use gix::refs::file::loose;
use gix::refs::{FullNameRef, Target};
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

    /// Lists the names of the loose refs below a prefix that ends in `/`, also of broken ones. Leaves
    /// out what git does not take for a ref either: locks, and files whose names it does not allow.
    pub(super) fn list_loose_names(&self, prefix: &str) -> Result<Vec<gix::refs::FullName>> {
        let root = self.common_dir();
        let mut names = Vec::new();
        for entry in WalkDir::new(root.join(prefix)) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => match error.io_error().map(std::io::Error::kind) {
                    // Another process packed it or removed its folder in the meantime.
                    Some(ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
                    _ => return Err(Error::library(format!("listing {prefix}"))(error)),
                },
            };
            if entry.file_type().is_dir() {
                continue;
            }
            let Ok(name) = entry.path().strip_prefix(root) else {
                continue;
            };
            let name = name.as_os_str().as_bytes().as_bstr();
            if let Ok(name) = <&FullNameRef>::try_from(name) {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }
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
