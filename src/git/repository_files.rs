//! Small files of our own in the common git folder, for what a clone must remember about itself.
//!
//! They are files and not refs, because a fetch can overwrite any ref. Only the owner can read or
//! write them, unless the repository is shared: then everyone who can move its refs can.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::error::{Error, Result};
use super::private_files::{create_new_folder, open_unlinked};
use super::repo::Repository;
use crate::input_file::read_regular_file;

/// The folder of these files.
const FOLDER: &str = "git-deploy";
/// The file that is locked while another one changes.
const LOCK_FILE: &str = "lock";
/// The largest file that is read, in bytes. A larger one counts as missing.
const SIZE_LIMIT: u64 = 16 << 20;
/// The permission bits of a group and of everyone else to write.
const SHARED_WRITE: u32 = 0o022;

impl Repository {
    /// Returns the text of a private file; `None` if it is missing or cannot be read. The caller
    /// then establishes its content again.
    pub fn read_private_file(&self, name: &str) -> Option<String> {
        let bytes = read_regular_file(&self.private_folder().join(name), SIZE_LIMIT).ok()?;
        String::from_utf8(bytes).ok()
    }

    /// Replaces the text of a private file by the result of `change`, which gets the present text.
    /// Writes nothing if the result is `None`. Readers see the old text or the new one.
    pub fn change_private_file(
        &self,
        name: &str,
        change: impl FnOnce(Option<String>) -> Option<String>,
    ) -> Result<()> {
        let folder = self.private_folder();
        let write = || -> std::io::Result<()> {
            let shared = self.shared_permissions()?;
            self.make_private_folder(shared)?;
            let mut options = File::options();
            options.create(true).append(true);
            let lock = open_unlinked(&options, &folder.join(LOCK_FILE))?;
            let lock = set_lock_permissions(lock, shared);
            // If the disk does not support locks, a concurrent change can get lost. What is missing
            // is established again.
            let _ = lock.lock();
            let Some(text) = change(self.read_private_file(name)) else {
                return Ok(());
            };
            let mut file = tempfile::NamedTempFile::new_in(&folder)?;
            file.write_all(text.as_bytes())?;
            if let Some(mode) = shared {
                let mode = Permissions::from_mode(mode & 0o666);
                file.as_file().set_permissions(mode)?;
            }
            file.persist(folder.join(name))
                .map(drop)
                .map_err(|error| error.error)
        };
        write().map_err(Error::io("writing in", &folder))
    }

    fn private_folder(&self) -> PathBuf {
        self.common_dir().join(FOLDER)
    }

    /// Returns the permissions of the refs, if users other than the owner can move them.
    fn shared_permissions(&self) -> std::io::Result<Option<u32>> {
        let refs = std::fs::metadata(self.common_dir().join("refs"))?;
        let mode = refs.permissions().mode() & 0o7777;
        Ok((mode & SHARED_WRITE != 0).then_some(mode))
    }

    /// Creates the folder if it is missing.
    ///
    /// # Errors
    /// Fails if there is something else instead. In a shared repository, another user could have
    /// made a link to a folder of this user.
    fn make_private_folder(&self, shared: Option<u32>) -> std::io::Result<()> {
        let folder = self.private_folder();
        match create_new_folder(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let is_folder = std::fs::symlink_metadata(&folder)?.is_dir();
                return if is_folder { Ok(()) } else { Err(error) };
            }
            created => created?,
        }
        let mode = shared.unwrap_or(0o700);
        std::fs::set_permissions(&folder, Permissions::from_mode(mode))
    }
}

/// Sets the permissions of the lock file. Another user's file keeps the permissions that its owner
/// has set.
fn set_lock_permissions(file: File, shared: Option<u32>) -> File {
    let mode = shared.map_or(0o600, |mode| mode & 0o666);
    let _ = file.set_permissions(Permissions::from_mode(mode));
    file
}
