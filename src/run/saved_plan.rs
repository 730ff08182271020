//! The plan of a component between its plan command and its apply.
//!
//! When the plan command has ended, its plan file is moved into an unnamed file that only this
//! process can open. Just before a later command starts, it is written to a new file. So neither
//! another component's command nor a process that the plan command left running can replace the plan
//! in between. A change of the new file is detected when the command has ended.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek as _, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::domain::id::Digest;
use crate::git::private_files::create_new_file;
use crate::input_file::open_regular_file;

/// The longest beginning of a plan that is needed to tell its format, in bytes.
const BEGINNING: usize = 64;

/// The place of a component's plan. Empty if there is no valid plan.
#[derive(Debug, Default)]
pub struct PlanSlot(Mutex<Option<SavedPlan>>);

/// A plan that was shown.
#[derive(Debug)]
struct SavedPlan {
    /// The digest that approvals bind.
    digest: Digest,
    /// The plan file, if the command wrote one.
    file: Option<PlanFile>,
}

/// A plan file that has no name, so that only this process can open it.
#[derive(Debug)]
pub struct PlanFile {
    file: File,
    sha256: [u8; 32],
    /// Its first bytes.
    pub beginning: Vec<u8>,
}

impl PlanFile {
    /// Moves a plan file into an unnamed file in `folder`. Returns `None` if there is no plan file.
    pub fn take(path: &Path, folder: &Path) -> io::Result<Option<Self>> {
        // The command may have put a link there, to have this process read for it what it cannot read
        // itself, such as the environment of another process.
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(io::Error::other("the plan is not a regular file")),
            Err(error) => return Err(error),
        }
        let source = open_regular_file(path)?;
        let mut file = tempfile::tempfile_in(folder)?;
        // A folder above, or the file itself, may have become a link since then.
        if source.metadata()?.dev() != file.metadata()?.dev() {
            return Err(io::Error::other(
                "the plan is not in the folder of the command",
            ));
        }
        let sha256 = copy(&source, &mut file)?;
        fs::remove_file(path)?;
        file.rewind()?;
        let mut beginning = Vec::new();
        (&file).take(BEGINNING as u64).read_to_end(&mut beginning)?;
        Ok(Some(Self {
            file,
            sha256,
            beginning,
        }))
    }

    /// Reads the whole file.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        (&self.file).rewind()?;
        let mut bytes = Vec::new();
        (&self.file).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl PlanSlot {
    /// Empties the slot, before a new plan is made.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Saves the plan that approvals bind with this digest.
    pub fn save(&self, digest: Digest, file: Option<PlanFile>) {
        let plan = SavedPlan { digest, file };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
    }

    /// Returns the digest of the saved plan, if there is one.
    pub fn digest(&self) -> Option<Digest> {
        let plan = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plan.as_ref().map(|plan| plan.digest.clone())
    }

    /// Writes the plan file for a command into a new folder in `parent`.
    pub fn write(&self, parent: &Path) -> io::Result<WrittenPlan> {
        let folder = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)?;
        let path = folder.path().join("plan");
        let plan = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let file = plan.as_ref().and_then(|plan| plan.file.as_ref());
        let sha256 = file.map(|file| file.sha256);
        if let Some(plan) = file {
            (&plan.file).rewind()?;
            if copy(&plan.file, &mut create_new_file(&path, 0o400)?)? != plan.sha256 {
                return Err(io::Error::other("the saved plan has changed"));
            }
        }
        fs::set_permissions(folder.path(), Permissions::from_mode(0o500))?;
        Ok(WrittenPlan {
            folder,
            path,
            sha256,
        })
    }
}

/// The plan file of a running command, removed when dropped.
pub struct WrittenPlan {
    folder: tempfile::TempDir,
    path: PathBuf,
    sha256: Option<[u8; 32]>,
}

impl WrittenPlan {
    /// Returns its path. There is no file if the plan command wrote none.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the file is still as it was written.
    pub fn is_unchanged(&self) -> bool {
        let metadata = match fs::symlink_metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.sha256.is_none(),
            Err(_) => return false,
            Ok(metadata) => metadata,
        };
        let read = || copy(&open_regular_file(&self.path)?, &mut io::sink());
        metadata.is_file() && read().is_ok_and(|sha256| Some(sha256) == self.sha256)
    }
}

impl Drop for WrittenPlan {
    fn drop(&mut self) {
        // The folder of the run is removed at its end.
        let _ = fs::set_permissions(self.folder.path(), Permissions::from_mode(0o700));
    }
}

/// Copies a file, and returns the SHA-256 of its bytes.
fn copy(mut from: &File, to: &mut dyn Write) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut buffer = [0; 1 << 14];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                hasher.update(bytes);
                to.write_all(bytes)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
