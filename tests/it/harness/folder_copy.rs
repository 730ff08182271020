//! A folder in memory, from which tests make copies of it in other places.

use std::fs::{File, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// All folders and files below a folder.
pub struct FolderCopy {
    /// Where they were, for files that contain this path.
    root: PathBuf,
    folders: Vec<PathBuf>,
    files: Vec<SavedFile>,
}

struct SavedFile {
    /// The path below the root.
    path: PathBuf,
    bytes: Vec<u8>,
    permissions: Permissions,
    modified: SystemTime,
}

impl FolderCopy {
    /// Reads a folder.
    pub fn read(root: &Path) -> Self {
        let mut copy = Self {
            root: root.to_owned(),
            folders: Vec::new(),
            files: Vec::new(),
        };
        for entry in walkdir::WalkDir::new(root).min_depth(1) {
            let entry = entry.unwrap();
            let path = entry.path().strip_prefix(root).unwrap().to_owned();
            if entry.file_type().is_dir() {
                copy.folders.push(path);
                continue;
            }
            assert!(entry.file_type().is_file(), "{}", entry.path().display());
            let metadata = entry.metadata().unwrap();
            copy.files.push(SavedFile {
                path,
                bytes: std::fs::read(entry.path()).unwrap(),
                permissions: metadata.permissions(),
                modified: metadata.modified().unwrap(),
            });
        }
        copy
    }

    /// Writes everything below another folder. Where a file contains the path of the original, the copy contains the new one.
    pub fn write(&self, root: &Path) {
        for folder in &self.folders {
            // Some are there already.
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let [from, to] = [&self.root, root].map(|path| path.as_os_str().as_bytes());
        for file in &self.files {
            let path = root.join(&file.path);
            std::fs::write(&path, replaced(&file.bytes, from, to)).unwrap();
            std::fs::set_permissions(&path, file.permissions.clone()).unwrap();
            // Git's index knows the times of files.
            let set = File::open(&path).and_then(|it| it.set_modified(file.modified));
            set.unwrap();
        }
    }
}

/// Returns the bytes with one text replaced by another.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let (mut result, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        result.extend_from_slice(&rest[..at]);
        result.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    result.extend_from_slice(rest);
    result
}
