//! The digest of an artifact that is a file or a folder.
//!
//! The digest of a file is the SHA-256 of its bytes, as `sha256sum` prints it. The digest of a
//! folder is the SHA-256 of a list with one record per file, in bytewise order of path: `<mode>
//! <sha256 of its bytes> <path>` and a NUL. Paths are relative, with `/`. Modes are git's: `100755`
//! if the owner may execute the file, `120000` for a symbolic link, whose bytes are its target, and
//! `100644` for all others. Folders are not listed, so an empty one has no effect, as in git. Times
//! and owners have no effect either.

use std::fs::Metadata;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::domain::id::{Algorithm, Digest};
use crate::input_file::open_regular_file;

/// The most files in a folder.
const MAX_FILES: usize = 1_000_000;

/// Why no digest could be computed.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The path is neither a file, nor a folder, nor a symbolic link.
    #[error("{0} is neither a file nor a folder, so it has no digest")]
    NotAFile(PathBuf),
    /// The folder has too many files.
    #[error("the folder holds more than {MAX_FILES} files")]
    TooMany,
    /// The folder has no files.
    #[error("there is no file in the folder {0}")]
    Empty(PathBuf),
}

/// Returns the digest of the file or folder at `path`. Follows a symbolic link at `path`, but none
/// inside the folder.
pub fn digest_path(path: &Path) -> Result<Digest, DigestError> {
    let metadata = std::fs::metadata(path).map_err(|source| read_error(path, source))?;
    if metadata.is_dir() {
        return digest_folder(path);
    }
    if !metadata.is_file() {
        return Err(DigestError::NotAFile(path.to_owned()));
    }
    Ok(to_digest(&hash_file(path)?))
}

/// Returns the digest of a folder's list of files.
fn digest_folder(folder: &Path) -> Result<Digest, DigestError> {
    let mut records = Vec::new();
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(folder).to_owned();
            DigestError::Read {
                path,
                source: error.into(),
            }
        })?;
        if entry.file_type().is_dir() {
            continue;
        }
        if records.len() >= MAX_FILES {
            return Err(DigestError::TooMany);
        }
        let relative = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        records.push((join_with_slashes(relative), read_file_record(entry.path())?));
    }
    if records.is_empty() {
        return Err(DigestError::Empty(folder.to_owned()));
    }
    records.sort();
    let mut list = Sha256::new();
    for (path, (mode, hash)) in &records {
        list.update(format!("{mode} {} ", hash.hex()));
        list.update(path);
        list.update(b"\0");
    }
    Ok(to_digest(&list.finalize()))
}

/// Returns the mode and the digest of one file.
fn read_file_record(path: &Path) -> Result<(&'static str, Digest), DigestError> {
    let metadata = std::fs::symlink_metadata(path).map_err(|source| read_error(path, source))?;
    if metadata.is_symlink() {
        let target = std::fs::read_link(path).map_err(|source| read_error(path, source))?;
        return Ok((
            "120000",
            Digest::sha256(target.as_os_str().as_encoded_bytes()),
        ));
    }
    if !metadata.is_file() {
        return Err(DigestError::NotAFile(path.to_owned()));
    }
    let mode = if is_executable(&metadata) {
        "100755"
    } else {
        "100644"
    };
    Ok((mode, to_digest(&hash_file(path)?)))
}

/// Hashes the bytes of a file.
fn hash_file(path: &Path) -> Result<[u8; 32], DigestError> {
    let mut file = open_regular_file(path).map_err(|source| read_error(path, source))?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        let length = file
            .read(&mut buffer)
            .map_err(|source| read_error(path, source))?;
        match buffer.get(..length) {
            None | Some([]) => return Ok(hasher.finalize().into()),
            Some(bytes) => hasher.update(bytes),
        }
    }
}

/// Turns the 32 bytes of a SHA-256 into a digest.
pub(super) fn to_digest(hash: &[u8]) -> Digest {
    use std::fmt::Write as _;
    let hex = hash.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    // 32 bytes always give 64 lower-case digits, so the fallback is never used.
    Digest::new(Algorithm::Sha256, &hex).unwrap_or_else(|_| Digest::sha256(b""))
}

/// Returns the bytes of a relative path with `/` between its parts, on every system.
fn join_with_slashes(path: &Path) -> Vec<u8> {
    let parts: Vec<&[u8]> = path
        .components()
        .map(|part| part.as_os_str().as_encoded_bytes())
        .collect();
    parts.join(&b'/')
}

fn read_error(path: &Path, source: io::Error) -> DigestError {
    DigestError::Read {
        path: path.to_owned(),
        source,
    }
}

/// Returns whether the owner may execute the file.
#[cfg(unix)]
fn is_executable(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/z"), "one").unwrap();
        std::fs::write(folder.path().join("a.txt"), "two").unwrap();
        std::fs::set_permissions(
            folder.path().join("a.txt"),
            std::fs::Permissions::from_mode(0o755),
        )
        .unwrap();
        symlink("a.txt", folder.path().join("link")).unwrap();
        folder
    }

    /// Anyone can compute the same digest without git-deploy, from the description at the top of
    /// this file.
    #[test]
    fn digest_follows_the_description() {
        let folder = folder();
        let hash = |bytes: &str| Digest::sha256(bytes.as_bytes()).hex().to_owned();
        let list = format!(
            "100755 {} a.txt\0100644 {} a/z\0120000 {} link\0",
            hash("two"),
            hash("one"),
            hash("a.txt")
        );
        assert_eq!(
            digest_path(folder.path()).unwrap(),
            Digest::sha256(list.as_bytes())
        );
        assert_eq!(
            digest_path(&folder.path().join("a/z")).unwrap(),
            Digest::sha256(b"one")
        );
    }

    /// Folders that differ in what is shipped must have different digests, or they would count as
    /// one artifact.
    #[test]
    fn differences() {
        type Change = fn(&Path);
        let changes: [Change; 5] = [
            |path| std::fs::write(path.join("a/z"), "One").unwrap(),
            |path| std::fs::rename(path.join("a/z"), path.join("a/y")).unwrap(),
            |path| {
                std::fs::set_permissions(path.join("a/z"), std::fs::Permissions::from_mode(0o755))
                    .unwrap();
            },
            |path| std::fs::remove_file(path.join("link")).unwrap(),
            |path| {
                std::fs::remove_file(path.join("link")).unwrap();
                std::fs::write(path.join("link"), "a.txt").unwrap();
            },
        ];
        let before = digest_path(folder().path()).unwrap();
        for (index, change) in changes.into_iter().enumerate() {
            let folder = folder();
            change(folder.path());
            assert_ne!(digest_path(folder.path()).unwrap(), before, "{index}");
        }
        let same = folder();
        std::fs::create_dir(same.path().join("empty")).unwrap();
        assert_eq!(digest_path(same.path()).unwrap(), before);
    }

    /// An empty folder and a missing path have no digest.
    #[test]
    fn paths_without_content() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            digest_path(folder.path()),
            Err(DigestError::Empty(_))
        ));
        assert!(matches!(
            digest_path(&folder.path().join("no")),
            Err(DigestError::Read { .. })
        ));
    }
}
