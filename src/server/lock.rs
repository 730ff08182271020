//! The one lock of a repository's ledgers: who holds it looks, decides and writes without anybody in between.
//!
//! It is the kernel's lock on an open file, so a process that is killed gives it back; the file itself stays.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::Fault;
use crate::clock::Deadline;

/// The file of the ledgers' lock, in the folder that all worktrees share.
const NAME: &str = "git-deploy.lock";
/// How long to wait at most.
const WAIT: Duration = Duration::from_secs(30);
/// How often to look.
const PAUSE: Duration = Duration::from_millis(5);

/// The lock, held until it is dropped.
pub(super) struct Lock(#[allow(dead_code)] File); // Open as long as it lives: closing the file gives the lock back.

/// Takes the ledgers' lock, or waits for it.
pub(super) fn take(common_dir: &Path) -> Result<Lock, Fault> {
    take_named(common_dir, NAME, Deadline::after(WAIT))
}

/// The same for another file.
pub(super) fn take_named(common_dir: &Path, name: &str, deadline: Deadline) -> Result<Lock, Fault> {
    let path = common_dir.join(name);
    let fault = |source| Fault::Lock {
        path: path.clone(),
        source,
    };
    let file = open(&path).map_err(fault)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock(file)),
            Err(TryLockError::WouldBlock) if deadline.passed() => return Err(Fault::Locked(path)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(TryLockError::Error(source)) => return Err(Fault::Lock { path, source }),
        }
    }
}

/// Opens the file, or makes it. Where the repository is shared by several users, who did not make it can read it only: that suffices.
fn open(path: &Path) -> io::Result<File> {
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
