//! Entries as they are stored: a statement with its exact bytes and its signature, verified or not.

use std::sync::Arc;

use super::{ParseError, Statement, json};
use crate::domain::id::PublicKey;

/// Marks an entry whose signature is not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unverified;
/// Marks an entry whose signature is verified: it matches the bytes, the position in the ledger and
/// the key that the statement names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified;

/// A statement with the bytes that it was read from, and their signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<S = Verified> {
    stored: Arc<StoredEntry>,
    signature: Arc<[u8]>,
    state: S,
}

/// A statement with the exact bytes that it was read from: the form in which a ledger's state
/// (`domain::state`) keeps entries.
#[derive(Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// The parsed statement.
    pub statement: Statement,
    /// The bytes of its `entry.json`.
    pub bytes: Box<[u8]>,
}

impl StoredEntry {
    /// Reads the copy of an entry that a ledger's state keeps.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Ok(Self {
            statement: Statement::parse(bytes)?,
            bytes: bytes.into(),
        })
    }

    /// Reads the copy of an entry in a ledger of this repository without validating it again: the
    /// ledger moved forward only after [`StoredEntry::parse`] had accepted these bytes. Use it to
    /// show entries, never to judge them.
    pub fn parse_trusted(bytes: &[u8]) -> Result<Self, ParseError> {
        Ok(Self {
            statement: json::parse_trusted(bytes)?,
            bytes: bytes.into(),
        })
    }
}

impl Entry<Unverified> {
    /// Reads the two files of an entry. The signature is not verified.
    pub fn parse(bytes: &[u8], signature: &[u8]) -> Result<Self, ParseError> {
        Ok(Self::from_stored(
            Arc::new(StoredEntry::parse(bytes)?),
            signature,
        ))
    }

    /// Makes an entry from a statement and its bytes, with a signature that is not verified.
    #[must_use]
    pub fn from_stored(stored: Arc<StoredEntry>, signature: &[u8]) -> Self {
        Self {
            stored,
            signature: signature.into(),
            state: Unverified,
        }
    }

    /// Marks the entry's signature as verified with the key that its statement names. Only
    /// `signing` may call this; a test checks that.
    #[must_use]
    pub fn assume_verified(self) -> Entry<Verified> {
        Entry {
            stored: self.stored,
            signature: self.signature,
            state: Verified,
        }
    }
}

impl Entry<Verified> {
    /// Returns the key that signed it.
    pub fn key(&self) -> &PublicKey {
        &self.statement().key
    }
}

impl<S> Entry<S> {
    /// Returns the parsed statement.
    pub fn statement(&self) -> &Statement {
        &self.stored.statement
    }

    /// Returns the exact bytes of `entry.json`.
    pub fn bytes(&self) -> &[u8] {
        &self.stored.bytes
    }

    /// Returns the bytes of `entry.json.minisig`.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Returns the statement and its bytes, the form in which a ledger's state keeps an entry.
    pub fn stored(&self) -> &Arc<StoredEntry> {
        &self.stored
    }
}
