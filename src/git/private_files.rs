//! Folders and files that other users cannot read, whatever the umask. Temporary folders are locked
//! while their process lives, so that the next process removes those of a killed one.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::error::{Error, Result};

/// The mode of a private folder.
const FOLDER_MODE: u32 = 0o700;
/// The mode of a private file.
const FILE_MODE: u32 = 0o600;
/// The folders in the folder of a user.
const SUBFOLDERS: [&str; 3] = ["checkouts", "logs", "temp"];

/// Returns the folder of this user's checkouts, logs and temporary folders, and creates it if it is
/// missing: `git-deploy` in `$XDG_CACHE_HOME` or `~/.cache`.
///
/// # Errors
/// No variable names a folder, the folder cannot be created, or something in the way belongs to another
/// user: the folder, one of [`SUBFOLDERS`], a link to one of them, or, if others could write to the
/// folder, anything in it.
pub fn find_user_folder() -> Result<PathBuf> {
    let absolute_path = |name| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let folder = absolute_path("XDG_CACHE_HOME")
        .or_else(|| Some(absolute_path("HOME")?.join(".cache")))
        .map(|folder| folder.join("git-deploy"))
        .ok_or(Error::NoUserFolder)?;
    let prepare = || {
        create_folder(&folder)?;
        let mode = require_own_folder(&folder)?;
        for name in SUBFOLDERS {
            let path = folder.join(name);
            match require_own_folder(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(name_path(&path, &error));
                }
                _ => {}
            }
        }
        if mode & 0o022 != 0 {
            // Before the mode is corrected: the next call must find the same.
            require_own_content(&folder)?;
        }
        if mode & 0o077 != 0 {
            fs::set_permissions(&folder, Permissions::from_mode(FOLDER_MODE))?;
        }
        Ok(())
    };
    prepare().map_err(Error::io("using", &folder))?;
    Ok(folder)
}

/// Checks that a path is a folder of this user, or a link of this user to one: the owner of a link can
/// change it later. Returns its mode. A link that leads nowhere is no folder.
fn require_own_folder(path: &Path) -> io::Result<u32> {
    let user = rustix::process::geteuid().as_raw();
    let link = fs::symlink_metadata(path)?;
    let folder = fs::metadata(path);
    let is_own = folder.as_ref().is_ok_and(|it| it.uid() == user);
    if link.uid() != user || folder.is_ok() && !is_own {
        return Err(io::Error::other("it belongs to another user"));
    }
    match folder {
        Ok(folder) if folder.is_dir() => Ok(folder.mode()),
        _ => Err(io::ErrorKind::NotADirectory.into()),
    }
}

/// Checks that everything in a folder belongs to this user.
fn require_own_content(folder: &Path) -> io::Result<()> {
    let user = rustix::process::geteuid().as_raw();
    for entry in walkdir::WalkDir::new(folder).follow_root_links(true) {
        let entry = entry?;
        // The root may be a link, which was checked.
        if entry.depth() > 0 && fs::symlink_metadata(entry.path())?.uid() != user {
            let error = io::Error::other("it belongs to another user");
            return Err(name_path(entry.path(), &error));
        }
    }
    Ok(())
}

/// Names the path that an error is about.
fn name_path(path: &Path, error: &io::Error) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}

/// Creates a private folder, and the folders above it. An existing folder is no error.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(path)
}

/// Creates a private folder, which must not exist.
pub(super) fn create_new_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(FOLDER_MODE).create(path)
}

/// Opens a private file for appending, and creates it if it is missing.
pub fn append_to_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(FILE_MODE)
        .open(path)
}

/// Opens a file for writing in a folder that other users may be able to write to.
///
/// # Errors
/// Fails, without waiting, if there is a symbolic link or no regular file: another user could have
/// made it, and the file of this user that it points to would be changed.
pub fn open_unlinked(options: &OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = options
        .clone()
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

/// Creates a private file with the given mode, which must not exist.
pub fn create_new_file(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(mode)
        .open(path)
}

/// A temporary folder, removed when it is dropped. It stays locked until then.
#[derive(Debug)]
pub struct TempFolder {
    folder: tempfile::TempDir,
    _lock: File,
}

impl TempFolder {
    /// Creates a folder in the folder of this user, and removes those of killed processes.
    pub fn new() -> Result<Self> {
        let parent = find_user_folder()?.join("temp");
        create_folder(&parent)
            .and_then(|()| Self::new_in(&parent, ""))
            .map_err(Error::io("creating a folder in", &parent))
    }

    /// Creates a folder whose name begins with `prefix`, and removes those of killed processes.
    pub(super) fn new_in(parent: &Path, prefix: &str) -> io::Result<Self> {
        remove_stale_folders(parent, prefix);
        loop {
            // A short name: Terraform's providers put sockets below this folder, and the path of a
            // socket has at most 107 bytes.
            let folder = tempfile::Builder::new()
                .prefix(prefix)
                .permissions(Permissions::from_mode(FOLDER_MODE))
                .tempdir_in(parent)?;
            // Another process may remove the folder before it is locked, taking it for a leftover.
            let Ok(lock) = File::open(folder.path()) else {
                continue;
            };
            // If the disk does not support locks, no other process gets one to remove the folder
            // either.
            let _ = lock.lock();
            if folder.path().is_dir() {
                return Ok(Self {
                    folder,
                    _lock: lock,
                });
            }
        }
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        // The next process tries again.
        let _ = remove_folder(self.folder.path());
    }
}

/// Removes the temporary folders of processes that were killed. No process has them locked, since
/// the kernel releases the locks of dead processes. A folder that cannot be removed is left for the
/// next process.
fn remove_stale_folders(parent: &Path, prefix: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_stale = entry.file_name().as_bytes().starts_with(prefix.as_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
            && File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok());
        if is_stale {
            let _ = remove_folder(&entry.path());
        }
    }
}

/// Removes a folder with everything in it, even if tools made folders in it read-only. A missing
/// folder is no error.
pub fn remove_folder(folder: &Path) -> io::Result<()> {
    make_folders_writable(folder);
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Makes a folder and the folders below it writable, as far as possible.
fn make_folders_writable(root: &Path) {
    for folder in walkdir::WalkDir::new(root)
        .follow_root_links(false)
        .into_iter()
        .filter_map(std::result::Result::ok)
        .filter(|entry| entry.file_type().is_dir())
    {
        if let Ok(metadata) = folder.metadata() {
            let mode = metadata.permissions().mode() | FOLDER_MODE;
            let _ = fs::set_permissions(folder.path(), Permissions::from_mode(mode));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of a live process stays, one of a dead process goes, and so does one with a
    /// read-only folder in it.
    #[test]
    fn leftovers_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let (stale, other) = (parent.path().join("x-1"), parent.path().join("y-1"));
        for folder in [&stale, &other] {
            create_folder(&folder.join("sub")).unwrap();
            fs::write(folder.join("sub/file"), "").unwrap();
            fs::set_permissions(folder.join("sub"), Permissions::from_mode(0o555)).unwrap();
        }
        let first = TempFolder::new_in(parent.path(), "x-").unwrap();
        let second = TempFolder::new_in(parent.path(), "x-").unwrap();
        assert!(first.path().exists() && second.path().exists());
        assert!(!stale.exists(), "a leftover stays");
        assert!(other.exists(), "something else was removed");
        let path = first.path().to_owned();
        drop(first);
        assert!(!path.exists());
    }
}
