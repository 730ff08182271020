//! Writes files durably: creates their folders, and syncs files and folders to the disk.
//!
//! Files are synced in parallel, because a file system commits them together.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};

/// The number of files that are synced at once. Each of them needs an open file and a thread.
pub(super) const SYNC_BATCH: usize = 64;

/// Written data that may not be on the disk yet.
#[derive(Default)]
pub(super) struct UnsyncedObjects {
    /// Objects under temporary names, each with its final path.
    pub(super) files: Vec<(tempfile::NamedTempFile, PathBuf)>,
    /// Folders that received objects.
    pub(super) folders: BTreeSet<PathBuf>,
    /// Whether objects are collected to be synced together.
    pub(super) is_batching: bool,
}

impl UnsyncedObjects {
    /// Renames the objects to their final names once all of them are on the disk, so that a named
    /// object is never empty after a power cut.
    pub(super) fn name_files(&mut self) -> std::io::Result<()> {
        let files = std::mem::take(&mut self.files);
        sync_files(
            &files
                .iter()
                .map(|(file, _)| file.as_file())
                .collect::<Vec<_>>(),
        )?;
        files
            .into_iter()
            .try_for_each(|(file, path)| file.persist(path).map(drop).map_err(|error| error.error))
    }
}

/// Syncs all files to the disk in parallel: a file system then commits them together instead of one
/// by one.
fn sync_files(files: &[&std::fs::File]) -> std::io::Result<()> {
    let Some((first, others)) = files.split_first() else {
        return Ok(());
    };
    std::thread::scope(|scope| {
        let mut started = Vec::with_capacity(others.len());
        for file in others {
            let thread = std::thread::Builder::new().spawn_scoped(scope, || file.sync_all());
            started.push(thread.map_err(|_| file));
        }
        let mut result = first.sync_all();
        for sync in started {
            let synced = match sync {
                Ok(thread) => thread
                    .join()
                    .unwrap_or_else(|_| Err(std::io::Error::other("a thread panicked"))),
                // The system refused another thread.
                Err(file) => file.sync_all(),
            };
            result = result.and(synced);
        }
        result
    })
}

/// Creates a folder with the permissions of `model`, so that a group that shares the repository
/// shares the folder too. Git may remove empty folders at any time, so the folder may be gone
/// afterwards.
pub(super) fn make_folder(folder: &Path, model: &Path) -> Result<()> {
    match std::fs::create_dir(folder) {
        Ok(()) => std::fs::metadata(model)
            .and_then(|metadata| std::fs::set_permissions(folder, metadata.permissions()))
            .or_else(ignore_error_kind(ErrorKind::NotFound)),
        Err(error) => ignore_error_kind(ErrorKind::AlreadyExists)(error),
    }
    .map_err(Error::io("making the folder", folder))
}

/// Returns a handler that ignores I/O errors of this kind and passes on the others.
fn ignore_error_kind(kind: ErrorKind) -> impl Fn(std::io::Error) -> std::io::Result<()> {
    move |error| {
        if error.kind() == kind {
            Ok(())
        } else {
            Err(error)
        }
    }
}

/// Syncs files and folders to the disk. Skips paths that are gone: git has packed and removed what
/// was in them.
pub(super) fn sync_paths<'a>(paths: impl Iterator<Item = &'a Path>) -> Result<()> {
    let (mut files, mut last_path) = (Vec::new(), PathBuf::new());
    for path in paths {
        match std::fs::File::open(path) {
            Ok(file) => files.push(file),
            Err(error) => {
                ignore_error_kind(ErrorKind::NotFound)(error)
                    .map_err(Error::io("syncing", path))?;
            }
        }
        path.clone_into(&mut last_path);
    }
    files
        .chunks(SYNC_BATCH)
        .try_for_each(|files| sync_files(&files.iter().collect::<Vec<_>>()))
        .map_err(Error::io("syncing", &last_path))
}
