//! Object ids and hash functions, and their conversion to and from gix's types.

use crate::domain::id::Oid;

/// The hash function that names a repository's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashKind {
    /// SHA-1: ids of 40 digits.
    Sha1,
    /// SHA-256: ids of 64 digits.
    Sha256,
}

impl HashKind {
    /// Returns the id of all zeros, which git uses for "nothing".
    pub fn zero_id(self) -> Oid {
        from_gix(&gix::ObjectId::null(self.to_gix()))
    }

    /// Returns the id of the empty tree.
    pub fn empty_tree(self) -> Oid {
        from_gix(&gix::ObjectId::empty_tree(self.to_gix()))
    }

    /// Converts to gix's hash kind.
    pub(crate) fn to_gix(self) -> gix::hash::Kind {
        match self {
            Self::Sha1 => gix::hash::Kind::Sha1,
            Self::Sha256 => gix::hash::Kind::Sha256,
        }
    }
}

/// Converts gix's object id.
pub(crate) fn from_gix(id: &gix::oid) -> Oid {
    // gix is built with SHA-1 and SHA-256 only, whose ids have 20 and 32 bytes, so the zero id is
    // never used.
    Oid::from_bytes(id.as_bytes()).unwrap_or_else(|| HashKind::Sha1.zero_id())
}

/// Converts to gix's object id.
pub(crate) fn to_gix(id: Oid) -> gix::ObjectId {
    // Our ids have 20 or 32 bytes, the two lengths that gix knows.
    gix::ObjectId::try_from(id.as_bytes()).unwrap_or(gix::ObjectId::null(gix::hash::Kind::Sha1))
}
