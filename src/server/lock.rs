//! The lock of a repository's ledgers. Its holder can read, decide and write without interference
//! from other pushes.
//!
//! It is the kernel's lock on an open file, so it is released when a process is killed. The file
//! itself stays. A process that can open the file can hold the lock, even if only for reading, so
//! only those who may write to the repository can open it.

use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use super::HookError;
use crate::clock::Deadline;
use crate::git::Repository;
use crate::git::private_files::open_unlinked;

/// The file of the ledgers' lock, in the folder that all worktrees share.
const LOCK_FILE: &str = "git-deploy.lock";
/// How long to wait for the ledgers' lock.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// The pause between attempts.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The lock, held until it is dropped.
pub(super) struct LedgerLock(#[allow(dead_code)] File); // Closing the file releases the lock.

/// Takes the ledgers' lock, and waits for it if necessary.
pub(super) fn take(repository: &Repository) -> Result<LedgerLock, HookError> {
    take_named(repository, LOCK_FILE, Deadline::after(MAX_WAIT))
}

/// Takes the lock of a file, and waits for it until the deadline.
pub(super) fn take_named(
    repository: &Repository,
    name: &str,
    deadline: Deadline,
) -> Result<LedgerLock, HookError> {
    let path = repository.common_dir().join(name);
    let to_error = |source| HookError::Lock {
        path: path.clone(),
        source,
    };
    let sharing = repository.config_string("core.sharedRepository")?;
    let mode = find_mode(sharing.as_deref().unwrap_or_default());
    let file = open_file(&path, mode).map_err(to_error)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(LedgerLock(file)),
            Err(TryLockError::WouldBlock) if deadline.has_passed() => {
                return Err(HookError::LockTimeout(path));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(POLL_INTERVAL),
            Err(TryLockError::Error(source)) => return Err(HookError::Lock { path, source }),
        }
    }
}

/// Opens a lock file for writing. Creates it with this mode, and gives it this mode if it belongs to
/// this user.
fn open_file(path: &Path, mode: u32) -> io::Result<File> {
    let open = || open_unlinked(OpenOptions::new().write(true), path);
    let file = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_file(path, mode)?;
            open()?
        }
        result => result?,
    };
    let metadata = file.metadata()?;
    let is_owner = metadata.uid() == rustix::process::geteuid().as_raw();
    if is_owner && metadata.mode() & 0o777 != mode {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(file)
}

/// Creates a lock file. It gets its name after its mode, so that another user who may push never sees
/// a file that only this user can open.
fn create_file(path: &Path, mode: u32) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let file = tempfile::Builder::new()
        .prefix(".git-deploy-")
        .tempfile_in(folder)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    match file.persist_noclobber(path) {
        // Another process was faster.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result.map(drop).map_err(|error| error.error),
    }
}

/// Returns the mode of a lock file in a repository with this `core.sharedRepository`: those can open
/// it who can write to the files that Git creates.
fn find_mode(sharing: &str) -> u32 {
    match sharing.to_ascii_lowercase().as_str() {
        // To others Git gives no more than read access.
        "group" | "true" | "yes" | "on" | "1" | "all" | "world" | "everybody" | "2" => 0o660,
        octal => {
            let mode = u32::from_str_radix(octal, 8).unwrap_or_default();
            let class = |write: u32| {
                if mode & write == 0 {
                    0
                } else {
                    write | (write << 1)
                }
            };
            0o600 | class(0o020) | class(0o002)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        for (sharing, mode) in [
            ("", 0o600),
            ("umask", 0o600),
            ("false", 0o600),
            ("0", 0o600),
            ("0640", 0o600),
            ("0644", 0o600),
            ("group", 0o660),
            ("True", 0o660),
            ("1", 0o660),
            ("0660", 0o660),
            ("0664", 0o660),
            ("world", 0o660),
            ("2", 0o660),
            ("0666", 0o666),
        ] {
            assert_eq!(find_mode(sharing), mode, "{sharing}");
        }
    }

    /// A new file and a file of an earlier version get the mode.
    #[test]
    fn files_get_the_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        for mode in [0o660, 0o600] {
            let file = open_file(&path, mode).unwrap();
            assert_eq!(file.metadata().unwrap().mode() & 0o777, mode);
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let file = open_file(&path, 0o660).unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o660);
    }
}
