//! Single objects: bounded reads and durable writes.
//!
//! Every new object is fsynced before it gets its final name, and its folder before the next ref
//! moves, so a power cut cannot lose an object that a ref names. gix does neither.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::repo::{OBJECT_LIMIT, Repository, from_gix, to_gix};
use crate::domain::id::Oid;
use crate::domain::time::{Span, Time};

/// How many times to try writing an object into a folder that git keeps removing.
const WRITE_ATTEMPTS: u32 = 10;

/// The kind of a git object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// The bytes of a file.
    Blob,
    /// A folder.
    Tree,
    /// A commit.
    Commit,
    /// An annotated tag.
    Tag,
}

impl ObjectKind {
    /// Returns git's name for this kind.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
            Self::Commit => "commit",
            Self::Tag => "tag",
        }
    }

    /// Converts gix's object kind.
    fn from_gix(kind: gix::objs::Kind) -> Self {
        match kind {
            gix::objs::Kind::Blob => Self::Blob,
            gix::objs::Kind::Tree => Self::Tree,
            gix::objs::Kind::Commit => Self::Commit,
            gix::objs::Kind::Tag => Self::Tag,
        }
    }

    /// Converts to gix's object kind.
    fn to_gix(self) -> gix::objs::Kind {
        match self {
            Self::Blob => gix::objs::Kind::Blob,
            Self::Tree => gix::objs::Kind::Tree,
            Self::Commit => gix::objs::Kind::Commit,
            Self::Tag => gix::objs::Kind::Tag,
        }
    }
}

/// A commit, from a ledger or from the code.
///
/// Git has accepted code commits in many forms, so parsing requires only what git itself relies on:
/// a tree, parents, then other headers. To check a ledger commit, build the bytes that it must have
/// and compare them with [`Commit::raw`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its object id.
    pub id: Oid,
    /// Its tree.
    pub tree: Oid,
    /// Its parents, in order.
    pub parents: Vec<Oid>,
    /// The committer time as the commit claims it. It can be anything, so never order commits by
    /// it. As in git, an unreadable date counts as the start of 1970; one past 9999 as the end of
    /// 9999.
    pub committer_time: Time,
    /// The object's content, without the header that states kind and size.
    pub raw: Vec<u8>,
    author: Range<usize>,
    committer: Range<usize>,
    message: Range<usize>,
}

impl Commit {
    /// Returns the value of the author header, `name <address> seconds zone`; empty if there is
    /// none.
    pub fn author(&self) -> &[u8] {
        self.slice(&self.author)
    }

    /// Returns the value of the committer header; empty if there is none.
    pub fn committer(&self) -> &[u8] {
        self.slice(&self.committer)
    }

    /// Returns everything after the empty line that ends the headers.
    pub fn message(&self) -> &[u8] {
        self.slice(&self.message)
    }

    /// Returns the bytes in a range of the raw object; empty if the range is out of bounds.
    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.raw.get(range.clone()).unwrap_or_default()
    }

    /// Parses the bytes of a commit object.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the tree header is missing or a header does not hold an id of this
    /// repository's hash.
    pub fn parse(id: Oid, raw: Vec<u8>) -> Result<Self> {
        let corrupt = |why: &str| Error::corrupt(format!("commit {id}"), why);
        let oid = |hex: &[u8]| {
            let parsed = std::str::from_utf8(hex)
                .ok()
                .and_then(|hex| hex.parse::<Oid>().ok());
            parsed
                .filter(|oid| oid.as_bytes().len() == id.as_bytes().len())
                .ok_or_else(|| corrupt("a header holds no object id"))
        };
        let (mut tree, mut parents) = (None, Vec::new());
        let (mut author, mut committer) = (None, None);
        // As in git, the first other header ends the parents: a later "parent" is an unknown
        // header.
        let mut in_parents = true;
        let mut at = 0;
        let message = loop {
            let rest = raw.get(at..).unwrap_or_default();
            // A commit without a message can end with its last header.
            let Some(length) = rest.iter().position(|byte| *byte == b'\n') else {
                break raw.len()..raw.len();
            };
            let line = rest.get(..length).unwrap_or_default();
            let value = |key: &[u8]| {
                line.strip_prefix(key)
                    .map(|value| at + length - value.len()..at + length)
            };
            if line.is_empty() {
                break at + 1..raw.len();
            } else if tree.is_none() {
                tree = Some(oid(line
                    .strip_prefix(b"tree ")
                    .ok_or_else(|| corrupt("it does not begin with its tree"))?)?);
            } else if in_parents && line.starts_with(b"parent ") {
                parents.push(oid(line.get(7..).unwrap_or_default())?);
            } else {
                in_parents = false;
                if author.is_none() && line.starts_with(b"author ") {
                    author = value(b"author ");
                } else if committer.is_none() && line.starts_with(b"committer ") {
                    committer = value(b"committer ");
                }
            }
            at += length + 1;
        };
        let tree = tree.ok_or_else(|| corrupt("it has no tree"))?;
        let committer = committer.unwrap_or(0..0);
        let committer_time = parse_committer_time(raw.get(committer.clone()).unwrap_or_default());
        Ok(Self {
            id,
            tree,
            parents,
            committer_time,
            author: author.unwrap_or(0..0),
            committer,
            message,
            raw,
        })
    }
}

/// Reads the time in `name <address> seconds zone`: the number after the last `>`.
fn parse_committer_time(ident: &[u8]) -> Time {
    let after = ident
        .rsplit(|byte| *byte == b'>')
        .next()
        .unwrap_or_default();
    let text = std::str::from_utf8(after).unwrap_or_default();
    let digits = text.split_ascii_whitespace().next().unwrap_or_default();
    // A number that does not fit is far beyond 9999. A negative one is before 1970.
    let number = if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() {
        digits.parse().unwrap_or(u64::MAX)
    } else {
        0
    };
    Time::EPOCH.plus(Span::from_seconds(number))
}

impl Repository {
    /// Returns the kind of an object, or `None` if this repository lacks it.
    pub fn object_kind(&self, id: Oid) -> Result<Option<ObjectKind>> {
        let header = self.gix.try_find_header(to_gix(id));
        let header = header.map_err(|error| Error::library(format!("looking for {id}"))(error))?;
        Ok(header.map(|header| ObjectKind::from_gix(header.kind())))
    }

    /// Checks whether this repository has an object.
    pub fn exists(&self, id: Oid) -> bool {
        self.gix.has_object(to_gix(id))
    }

    /// Returns the error for a missing object: [`Error::Shallow`] in a shallow clone, which lacks
    /// everything behind its boundary, otherwise [`Error::Missing`].
    pub(super) fn missing_error(&self, id: Oid) -> Error {
        if self.is_shallow().unwrap_or(false) {
            Error::Shallow
        } else {
            Error::Missing(id)
        }
    }

    /// Reads an object, which must be of this kind.
    ///
    /// # Errors
    /// [`Error::Bounds`] for an object over 128 MiB, [`Error::Kind`] for one of another kind.
    pub(crate) fn read_object(&self, id: Oid, kind: ObjectKind) -> Result<Vec<u8>> {
        let object = self.gix.try_find_object(to_gix(id)).map_err(|error| {
            if error.is_resource_exhausted() {
                return Error::LimitExceeded {
                    what: format!("the size of object {id}"),
                    limit: OBJECT_LIMIT as u64,
                };
            }
            Error::library(format!("reading {} {id}", kind.name()))(error)
        })?;
        let mut object = object.ok_or_else(|| self.missing_error(id))?;
        if object.kind != kind.to_gix() {
            return Err(Error::WrongKind {
                id,
                expected: kind.name(),
                found: ObjectKind::from_gix(object.kind).name(),
            });
        }
        Ok(std::mem::take(&mut object.data))
    }

    /// Reads and parses a commit.
    pub fn read_commit(&self, id: Oid) -> Result<Commit> {
        Commit::parse(id, self.read_object(id, ObjectKind::Commit)?)
    }

    /// Reads a blob of at most `limit` bytes.
    ///
    /// A larger blob is still read, up to the limit for every object, before it is refused:
    /// checking the size first would look each blob up twice.
    pub fn read_blob(&self, id: Oid, limit: usize) -> Result<Vec<u8>> {
        let bytes = self.read_object(id, ObjectKind::Blob)?;
        if bytes.len() > limit {
            return Err(Error::LimitExceeded {
                what: format!("the size of blob {id}"),
                limit: limit as u64,
            });
        }
        Ok(bytes)
    }

    /// Returns the commit that an id leads to: itself, or the target of an annotated tag. Returns
    /// `None` if that is another kind of object.
    pub fn peel_to_commit(&self, id: Oid) -> Result<Option<Oid>> {
        let mut id = id;
        // Real chains of tags are never deeper.
        for _ in 0..16 {
            match self
                .object_kind(id)?
                .ok_or_else(|| self.missing_error(id))?
            {
                ObjectKind::Commit => return Ok(Some(id)),
                ObjectKind::Tag => {
                    let raw = self.read_object(id, ObjectKind::Tag)?;
                    let target =
                        gix::objs::TagRefIter::from_bytes(&raw, self.gix.object_hash()).target_id();
                    id = from_gix(&target.map_err(Error::library(format!("reading tag {id}")))?);
                }
                ObjectKind::Blob | ObjectKind::Tree => return Ok(None),
            }
        }
        Err(Error::LimitExceeded {
            what: format!("the chain of tags at {id}"),
            limit: 16,
        })
    }

    /// Computes the id that these bytes have as an object of this kind. Writes nothing.
    pub fn hash_object(&self, kind: ObjectKind, bytes: &[u8]) -> Result<Oid> {
        let id = gix::objs::compute_hash(self.gix.object_hash(), kind.to_gix(), bytes);
        // Hashing fails only for SHA-1 collision attacks.
        Ok(from_gix(&id.map_err(Error::library("hashing an object"))?))
    }

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

    /// Writes a loose object.
    ///
    /// An object that is already there is written again with the same bytes. That makes it whole,
    /// durable, and too young for a concurrent `git gc` to remove.
    fn write_object(&self, kind: ObjectKind, bytes: &[u8]) -> Result<Oid> {
        self.refuse_in_quarantine("an object")?;
        let id = self.hash_object(kind, bytes)?;
        let objects = self.common_dir().join("objects");
        let hex = id.to_string();
        let (fan, name) = hex.split_at(2);
        let folder = objects.join(fan);
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
                .push((deflate.into_inner(), folder.join(name)));
            unsynced.folders.extend([objects.clone(), folder.clone()]);
            if unsynced.is_batching && unsynced.files.len() < SYNC_BATCH {
                Ok(())
            } else {
                unsynced.name_files()
            }
        };
        let mut tries = 0;
        loop {
            make_folder(&folder, &objects)?;
            tries += 1;
            match write() {
                Ok(()) => return Ok(id),
                // `git gc` removes empty folders, even one just created for this write.
                Err(error) if error.kind() == ErrorKind::NotFound && tries < WRITE_ATTEMPTS => {}
                Err(error) => return Err(Error::io("writing an object to", &folder)(error)),
            }
        }
    }

    /// Runs `write`, which writes several objects and reads none of them, and syncs them to the
    /// disk together at its end.
    ///
    /// A file system commits all files written so far at once, so syncing one by one would wait for
    /// the disk once per object.
    pub(crate) fn write_batch<T>(&self, write: impl FnOnce() -> Result<T>) -> Result<T> {
        self.unsynced.borrow_mut().is_batching = true;
        let done = write();
        let mut unsynced = self.unsynced.borrow_mut();
        unsynced.is_batching = false;
        let named = unsynced.name_files();
        let done = done?;
        named.map_err(Error::io(
            "writing objects to",
            &self.common_dir().join("objects"),
        ))?;
        Ok(done)
    }

    /// Makes the names of all objects written so far durable, along with a ref's lock file.
    pub(super) fn sync_objects(&self, lock: &Path) -> Result<()> {
        let folders = std::mem::take(&mut self.unsynced.borrow_mut().folders);
        sync_paths(folders.iter().map(PathBuf::as_path).chain([lock]))
    }
}

/// How many files are synced at once. Each stays open until then and has a thread waiting for it.
const SYNC_BATCH: usize = 64;

/// Written data that may not be on the disk yet.
#[derive(Default)]
pub(super) struct UnsyncedObjects {
    /// Objects under temporary names, each with its final path.
    files: Vec<(tempfile::NamedTempFile, PathBuf)>,
    /// Folders that received objects.
    folders: BTreeSet<PathBuf>,
    /// Whether objects are collected to be synced together.
    is_batching: bool,
}

impl UnsyncedObjects {
    /// Renames the objects to their final names after all of them are on the disk. So a named
    /// object is never empty after a power cut.
    fn name_files(&mut self) -> std::io::Result<()> {
        let files = std::mem::take(&mut self.files);
        sync_files(
            &files
                .iter()
                .map(|(file, _)| file.as_file())
                .collect::<Vec<_>>(),
        )?;
        files.into_iter().try_for_each(|(file, place)| {
            file.persist(place).map(drop).map_err(|error| error.error)
        })
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
        let mut done = first.sync_all();
        for it in started {
            let synced = match it {
                Ok(thread) => thread
                    .join()
                    .unwrap_or_else(|_| Err(std::io::Error::other("a thread panicked"))),
                // The system refused another thread.
                Err(file) => file.sync_all(),
            };
            done = done.and(synced);
        }
        done
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
    let (mut files, mut last) = (Vec::new(), PathBuf::new());
    for path in paths {
        match std::fs::File::open(path) {
            Ok(file) => files.push(file),
            Err(error) => {
                ignore_error_kind(ErrorKind::NotFound)(error)
                    .map_err(Error::io("syncing", path))?;
            }
        }
        path.clone_into(&mut last);
    }
    files
        .chunks(SYNC_BATCH)
        .try_for_each(|files| sync_files(&files.iter().collect::<Vec<_>>()))
        .map_err(Error::io("syncing", &last))
}
