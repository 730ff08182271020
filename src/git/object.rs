//! Reads single objects, with a limit on their size.
//!
//! Reading a missing object is an error, which says whether the clone is shallow.

use super::commit::Commit;
use super::error::{Error, Result};
use super::object_id::{from_gix, to_gix};
use super::object_store::OBJECT_LIMIT;
use super::repo::Repository;
use crate::domain::id::Oid;

/// The maximum number of annotated tags to follow from one to the next. Real chains are much shorter.
const MAX_TAG_DEPTH: u64 = 16;

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
    pub(super) fn to_gix(self) -> gix::objs::Kind {
        match self {
            Self::Blob => gix::objs::Kind::Blob,
            Self::Tree => gix::objs::Kind::Tree,
            Self::Commit => gix::objs::Kind::Commit,
            Self::Tag => gix::objs::Kind::Tag,
        }
    }
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
    /// [`Error::LimitExceeded`] for an object over 128 MiB, [`Error::WrongKind`] for one of another
    /// kind.
    pub(crate) fn read_object(&self, id: Oid, kind: ObjectKind) -> Result<Vec<u8>> {
        let object = self.gix.try_find_object(to_gix(id)).map_err(|error| {
            if error.is_resource_exhausted() {
                return Error::limit_exceeded(format!("the size of object {id}"), OBJECT_LIMIT);
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
            return Err(Error::limit_exceeded(
                format!("the size of blob {id}"),
                limit,
            ));
        }
        Ok(bytes)
    }

    /// Reads a file of a ledger's tree, whose format allows at most `limit` bytes.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a larger file: the format does not allow it, so it is not merely
    /// unreadable here.
    pub fn read_limited_file(&self, id: Oid, limit: usize) -> Result<Vec<u8>> {
        self.read_blob(id, limit).map_err(|error| match error {
            Error::LimitExceeded { .. } => Error::corrupt(
                format!("blob {id}"),
                format!("it has more than {limit} bytes"),
            ),
            error => error,
        })
    }

    /// Returns the commit that an id leads to: itself, or the target of an annotated tag. Returns
    /// `None` if that is another kind of object.
    pub fn peel_to_commit(&self, id: Oid) -> Result<Option<Oid>> {
        let mut id = id;
        for _ in 0..MAX_TAG_DEPTH {
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
        Err(Error::limit_exceeded(
            format!("the chain of tags at {id}"),
            MAX_TAG_DEPTH,
        ))
    }

    /// Computes the id that these bytes have as an object of this kind. Writes nothing.
    pub fn hash_object(&self, kind: ObjectKind, bytes: &[u8]) -> Result<Oid> {
        let id = gix::objs::compute_hash(self.gix.object_hash(), kind.to_gix(), bytes);
        // Hashing fails only for SHA-1 collision attacks.
        Ok(from_gix(&id.map_err(Error::library("hashing an object"))?))
    }
}
