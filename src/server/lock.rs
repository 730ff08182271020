//! The lock of a repository's ledgers. Its holder can read, decide and write without interference
//! from other pushes.
//!
//! It is the kernel's lock on an open file, so it is released when a process is killed. The file
//! itself stays.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::HookError;
use crate::clock::Deadline;

/// The file of the ledgers' lock, in the folder that all worktrees share.
const LOCK_FILE: &str = "git-deploy.lock";
/// How long to wait for the ledgers' lock.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// The pause between attempts.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The lock, held until it is dropped.
pub(super) struct LedgerLock(#[allow(dead_code)] File); // Closing the file releases the lock.

/// Takes the ledgers' lock, and waits for it if necessary.
pub(super) fn take(common_dir: &Path) -> Result<LedgerLock, HookError> {
    take_named(common_dir, LOCK_FILE, Deadline::after(MAX_WAIT))
}

/// Takes the lock of a file, and waits for it until the deadline.
pub(super) fn take_named(
    common_dir: &Path,
    name: &str,
    deadline: Deadline,
) -> Result<LedgerLock, HookError> {
    let path = common_dir.join(name);
    let to_error = |source| HookError::Lock {
        path: path.clone(),
        source,
    };
    let file = open_file(&path).map_err(to_error)?;
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

/// Opens or creates a lock file. If several users share the repository, only the user who created
/// the file can write to it. Opening it for reading is enough to lock it.
fn open_file(path: &Path) -> io::Result<File> {
    match OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
    {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        other => other,
    }
}
