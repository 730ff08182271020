//! Single objects: read with a bound, written so that a power cut cannot take back what a ref names.
//!
//! Each new object is fsynced before it gets its name, and its folder before the next ref moves. gix does neither.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::repo::{OBJECT_LIMIT, Repository, from_gix, to_gix};
use crate::domain::id::Oid;
use crate::domain::time::{Span, Time};

/// How often an object is written whose folder git removes at that moment.
const TRIES: u32 = 10;

/// The kind of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The bytes of a file.
    Blob,
    /// A folder.
    Tree,
    /// A commit.
    Commit,
    /// An annotated tag.
    Tag,
}

impl Kind {
    /// Git's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
            Self::Commit => "commit",
            Self::Tag => "tag",
        }
    }

    fn of(kind: gix::objs::Kind) -> Self {
        match kind {
            gix::objs::Kind::Blob => Self::Blob,
            gix::objs::Kind::Tree => Self::Tree,
            gix::objs::Kind::Commit => Self::Commit,
            gix::objs::Kind::Tag => Self::Tag,
        }
    }

    fn to_gix(self) -> gix::objs::Kind {
        match self {
            Self::Blob => gix::objs::Kind::Blob,
            Self::Tree => gix::objs::Kind::Tree,
            Self::Commit => gix::objs::Kind::Commit,
            Self::Tag => gix::objs::Kind::Tag,
        }
    }
}

/// A commit, ours or anybody's. Code commits have every form that git ever let through, so only what git itself relies on is
/// required: a tree, parents, then other headers. To check a ledger commit, build the bytes it must have and compare [`Commit::raw`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: Oid,
    /// Its tree.
    pub tree: Oid,
    /// Its parents, in order.
    pub parents: Vec<Oid>,
    /// When it was committed, by its own word: anything at all, never to be ordered by. As for git, a date that cannot be read is
    /// the beginning of 1970; one past 9999 is the end of 9999.
    pub committer_time: Time,
    /// The whole object, without the header of its kind and size.
    pub raw: Vec<u8>,
    author: Range<usize>,
    committer: Range<usize>,
    message: Range<usize>,
}

impl Commit {
    /// The author line's value, `name <address> seconds zone`; empty if there is none.
    pub fn author(&self) -> &[u8] {
        self.part(&self.author)
    }

    /// The committer line's value.
    pub fn committer(&self) -> &[u8] {
        self.part(&self.committer)
    }

    /// All after the empty line that ends the headers.
    pub fn message(&self) -> &[u8] {
        self.part(&self.message)
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.raw.get(range.clone()).unwrap_or_default()
    }

    /// Reads the bytes of a commit object.
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
        // As for git, the first other header ends the parents: what comes behind it is a header that nobody knows.
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
        let committer_time = seconds_of(raw.get(committer.clone()).unwrap_or_default());
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

/// The time in `name <address> seconds zone`: the number after the last `>`.
fn seconds_of(ident: &[u8]) -> Time {
    let after = ident
        .rsplit(|byte| *byte == b'>')
        .next()
        .unwrap_or_default();
    let text = std::str::from_utf8(after).unwrap_or_default();
    let digits = text.split_ascii_whitespace().next().unwrap_or_default();
    // A number that does not fit is far beyond 9999; a negative one is before 1970.
    let number = if digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.is_empty() {
        digits.parse().unwrap_or(u64::MAX)
    } else {
        0
    };
    Time::EPOCH.plus(Span::seconds(number))
}

impl Repository {
    /// The kind of an object; none if it is not there.
    pub fn kind(&self, id: Oid) -> Result<Option<Kind>> {
        let header = self.gix.try_find_header(to_gix(id));
        let header = header.map_err(|error| Error::library(format!("looking for {id}"))(error))?;
        Ok(header.map(|header| Kind::of(header.kind())))
    }

    /// Whether an object is there.
    pub fn exists(&self, id: Oid) -> bool {
        self.gix.has_object(to_gix(id))
    }

    /// Why an object is not there: a shallow clone lacks what lies behind its end.
    pub(super) fn missing(&self, id: Oid) -> Error {
        if self.is_shallow().unwrap_or(false) {
            Error::Shallow
        } else {
            Error::Missing(id)
        }
    }

    /// The bytes of an object of this kind; larger than 128 MiB is an error.
    pub(crate) fn read(&self, id: Oid, kind: Kind) -> Result<Vec<u8>> {
        let object = self.gix.try_find_object(to_gix(id)).map_err(|error| {
            if error.is_resource_exhausted() {
                return Error::Bounds {
                    what: format!("the size of object {id}"),
                    limit: OBJECT_LIMIT as u64,
                };
            }
            Error::library(format!("reading {} {id}", kind.name()))(error)
        })?;
        let mut object = object.ok_or_else(|| self.missing(id))?;
        if object.kind != kind.to_gix() {
            return Err(Error::Kind {
                id,
                expected: kind.name(),
                found: Kind::of(object.kind).name(),
            });
        }
        Ok(std::mem::take(&mut object.data))
    }

    /// Reads a commit.
    pub fn read_commit(&self, id: Oid) -> Result<Commit> {
        Commit::parse(id, self.read(id, Kind::Commit)?)
    }

    /// Reads a blob of at most `limit` bytes. A larger one is read all the same, up to the limit of every object: looking at the size
    /// first would mean to look for each blob twice.
    pub fn read_blob(&self, id: Oid, limit: usize) -> Result<Vec<u8>> {
        let bytes = self.read(id, Kind::Blob)?;
        if bytes.len() > limit {
            return Err(Error::Bounds {
                what: format!("the size of blob {id}"),
                limit: limit as u64,
            });
        }
        Ok(bytes)
    }

    /// The commit behind an id: itself, or what an annotated tag leads to; none if that is another kind of object.
    pub fn peel_to_commit(&self, id: Oid) -> Result<Option<Oid>> {
        let mut id = id;
        // A chain of tags is not deeper than this unless somebody plays.
        for _ in 0..16 {
            match self.kind(id)?.ok_or_else(|| self.missing(id))? {
                Kind::Commit => return Ok(Some(id)),
                Kind::Tag => {
                    let raw = self.read(id, Kind::Tag)?;
                    let target =
                        gix::objs::TagRefIter::from_bytes(&raw, self.gix.object_hash()).target_id();
                    id = from_gix(&target.map_err(Error::library(format!("reading tag {id}")))?);
                }
                Kind::Blob | Kind::Tree => return Ok(None),
            }
        }
        Err(Error::Bounds {
            what: format!("the chain of tags at {id}"),
            limit: 16,
        })
    }

    /// The id that these bytes have as an object of this kind. Nothing is written.
    pub fn hash(&self, kind: Kind, bytes: &[u8]) -> Result<Oid> {
        let id = gix::objs::compute_hash(self.gix.object_hash(), kind.to_gix(), bytes);
        // It fails for SHA-1 collision attacks only.
        Ok(from_gix(&id.map_err(Error::library("hashing an object"))?))
    }

    /// Writes a blob.
    pub fn write_blob(&self, bytes: &[u8]) -> Result<Oid> {
        self.write(Kind::Blob, bytes)
    }

    /// Writes a tree from its canonical bytes.
    pub fn write_tree(&self, bytes: &[u8]) -> Result<Oid> {
        self.write(Kind::Tree, bytes)
    }

    /// Writes a commit from its bytes.
    pub fn write_commit(&self, bytes: &[u8]) -> Result<Oid> {
        self.write(Kind::Commit, bytes)
    }

    /// Writes a loose object. One that is there already is written over with the same bytes: so it is whole, durable, and too young
    /// for a `git gc` that runs meanwhile.
    fn write(&self, kind: Kind, bytes: &[u8]) -> Result<Oid> {
        self.refuse_in_quarantine("an object")?;
        let id = self.hash(kind, bytes)?;
        let objects = self.common_dir().join("objects");
        let hex = id.to_string();
        let (fan, name) = hex.split_at(2);
        let folder = objects.join(fan);
        let write = || -> std::io::Result<()> {
            // `git gc` removes what is called so and was left behind.
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
            if unsynced.together && unsynced.files.len() < TOGETHER {
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
                // `git gc` removes a folder that is empty, also one that was just made to be written to.
                Err(error) if error.kind() == ErrorKind::NotFound && tries < TRIES => {}
                Err(error) => return Err(Error::io("writing an object to", &folder)(error)),
            }
        }
    }

    /// Does something that writes several objects and reads none of them. They go to the disk together at its end: one by one each
    /// would wait for the disk anew, for a file system commits the files written so far all at once.
    pub(crate) fn together<T>(&self, write: impl FnOnce() -> Result<T>) -> Result<T> {
        self.unsynced.borrow_mut().together = true;
        let done = write();
        let mut unsynced = self.unsynced.borrow_mut();
        unsynced.together = false;
        let named = unsynced.name_files();
        let done = done?;
        named.map_err(Error::io(
            "writing objects to",
            &self.common_dir().join("objects"),
        ))?;
        Ok(done)
    }

    /// Makes the names of all objects written so far durable, and a ref's lock file with them.
    pub(super) fn sync_objects(&self, lock: &Path) -> Result<()> {
        let folders = std::mem::take(&mut self.unsynced.borrow_mut().folders);
        sync_paths(folders.iter().map(PathBuf::as_path).chain([lock]))
    }
}

/// How many files go to the disk together: each is open until then, and has a thread that waits for it.
const TOGETHER: usize = 64;

/// What is not known to be on the disk.
#[derive(Default)]
pub(super) struct Unsynced {
    /// Objects that have no name yet, and the place that they get.
    files: Vec<(tempfile::NamedTempFile, PathBuf)>,
    /// Folders that received objects.
    folders: BTreeSet<PathBuf>,
    /// Whether objects wait for others.
    together: bool,
}

impl Unsynced {
    /// Gives the objects their names, once all of them are on the disk: an object with a name is never empty after a power cut.
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

/// Waits for the disk once for all files: asked by several threads, a file system commits together what it would otherwise commit
/// file by file.
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
                // There are no more threads to be had.
                Err(file) => file.sync_all(),
            };
            done = done.and(synced);
        }
        done
    })
}

/// Makes a folder with the permissions of the one it lies in, so that a group that shares the repository shares it too. Git removes
/// empty folders whenever it likes, so it need not be there afterwards.
pub(super) fn make_folder(folder: &Path, model: &Path) -> Result<()> {
    match std::fs::create_dir(folder) {
        Ok(()) => std::fs::metadata(model)
            .and_then(|metadata| std::fs::set_permissions(folder, metadata.permissions()))
            .or_else(unless(ErrorKind::NotFound)),
        Err(error) => unless(ErrorKind::AlreadyExists)(error),
    }
    .map_err(Error::io("making the folder", folder))
}

/// No error if it is of this kind.
fn unless(kind: ErrorKind) -> impl Fn(std::io::Error) -> std::io::Result<()> {
    move |error| {
        if error.kind() == kind {
            Ok(())
        } else {
            Err(error)
        }
    }
}

/// Makes files, and the names in folders, durable. A folder that is gone holds none: git has packed and removed what was in it.
pub(super) fn sync_paths<'a>(paths: impl Iterator<Item = &'a Path>) -> Result<()> {
    let (mut files, mut last) = (Vec::new(), PathBuf::new());
    for path in paths {
        match std::fs::File::open(path) {
            Ok(file) => files.push(file),
            Err(error) => unless(ErrorKind::NotFound)(error).map_err(Error::io("syncing", path))?,
        }
        path.clone_into(&mut last);
    }
    files
        .chunks(TOGETHER)
        .try_for_each(|files| sync_files(&files.iter().collect::<Vec<_>>()))
        .map_err(Error::io("syncing", &last))
}
