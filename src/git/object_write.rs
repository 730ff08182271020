//! Writes single objects durably.
//!
//! Every new object is fsynced before it gets its final name, and its folder before the next ref
//! moves, so a power cut cannot lose an object that a ref names. gix does neither.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::durable::{SYNC_BATCH, make_folder, sync_paths};
use super::error::{Error, Result};
use super::object::ObjectKind;
use super::object_id::to_gix;
use super::repo::Repository;
use crate::domain::id::Oid;

/// How many times to try writing an object into a folder that git keeps removing.
const WRITE_ATTEMPTS: u32 = 10;

impl Repository {
    /// Writes a blob.
    pub fn write_blob(&self, bytes: &[u8]) -> Result<Oid> {
        self.write_object(ObjectKind::Blob, bytes)
    }

    /// Writes a tree from its canonical bytes.
    pub fn write_tree(&self, bytes: &[u8]) -> Result<Oid> {
        self.write_object(ObjectKind::Tree, bytes)
    }

    /// Writes a commit from its bytes.
    pub fn write_commit(&self, bytes: &[u8]) -> Result<Oid> {
        self.write_object(ObjectKind::Commit, bytes)
    }

    /// Writes the empty tree, which the first commits of a ledger have, unless it is stored.
    ///
    /// Git takes it for present even where it is not. If a fetch was killed after it had stored such
    /// a commit, the next one does not fetch the tree, and `git fsck` misses it ever after.
    pub(super) fn store_empty_tree(&self) -> Result<()> {
        let id = self.hash_kind().empty_tree();
        // `exists` takes it for present, too.
        if !gix::objs::Exists::exists(&self.gix.objects, &to_gix(id)) {
            self.write_tree(b"")?;
        }
        Ok(())
    }

    /// Writes a loose object.
    ///
    /// An object that already exists is written again with the same bytes. This repairs a damaged
    /// copy, makes it durable, and makes it too young for a concurrent `git gc` to remove.
    fn write_object(&self, kind: ObjectKind, bytes: &[u8]) -> Result<Oid> {
        self.refuse_in_quarantine("an object")?;
        let id = self.hash_object(kind, bytes)?;
        let objects = self.common_dir().join("objects");
        let hex = id.to_string();
        let (folder_name, file_name) = hex.split_at(2);
        let folder = objects.join(folder_name);
        let write = || -> std::io::Result<()> {
            // `git gc` removes leftover files with this prefix.
            let mut builder = tempfile::Builder::new();
            builder
                .prefix("tmp_obj_")
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o444));
            let file = builder.tempfile_in(&folder)?;
            let mut deflate =
                gix::zlib::stream::deflate::Write::new(file, gix::zlib::Compression::BEST_SPEED);
            deflate.write_all(&gix::objs::encode::loose_header(
                kind.to_gix(),
                bytes.len() as u64,
            ))?;
            deflate.write_all(bytes)?;
            deflate.flush()?;
            let mut unsynced = self.unsynced.borrow_mut();
            unsynced
                .files
                .push((deflate.into_inner(), folder.join(file_name)));
            unsynced.folders.extend([objects.clone(), folder.clone()]);
            if unsynced.is_batching && unsynced.files.len() < SYNC_BATCH {
                Ok(())
            } else {
                unsynced.name_files()
            }
        };
        let mut attempts = 0;
        loop {
            make_folder(&folder, &objects)?;
            attempts += 1;
            match write() {
                Ok(()) => return Ok(id),
                // `git gc` removes empty folders, even one just created for this write.
                Err(error) if error.kind() == ErrorKind::NotFound && attempts < WRITE_ATTEMPTS => {}
                Err(error) => return Err(Error::io("writing an object to", &folder)(error)),
            }
        }
    }

    /// Runs `write`, and then syncs all objects that it wrote to the disk together. `write` must
    /// not read these objects.
    ///
    /// A file system commits all files written so far at once, so syncing one by one would wait for
    /// the disk once per object.
    pub(crate) fn write_batch<T>(&self, write: impl FnOnce() -> Result<T>) -> Result<T> {
        self.unsynced.borrow_mut().is_batching = true;
        let result = write();
        let mut unsynced = self.unsynced.borrow_mut();
        unsynced.is_batching = false;
        let named = unsynced.name_files();
        let value = result?;
        named.map_err(Error::io(
            "writing objects to",
            &self.common_dir().join("objects"),
        ))?;
        Ok(value)
    }

    /// Makes the names of all objects written so far durable, along with a ref's lock file.
    pub(super) fn sync_objects(&self, lock: &Path) -> Result<()> {
        let folders = std::mem::take(&mut self.unsynced.borrow_mut().folders);
        sync_paths(folders.iter().map(PathBuf::as_path).chain([lock]))
    }
}
