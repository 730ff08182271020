//! Entries as they are read: a statement with its exact bytes and its signature, checked or not.

use std::sync::Arc;

use super::{ParseError, Statement, json};
use crate::domain::id::PublicKey;

/// Marks an entry whose signature is not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unverified;
/// Marks an entry whose signature is checked: it fits the bytes, the place in the ledger and this one public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified(PublicKey);

/// A statement with the bytes that it was read from, and their signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<S = Verified> {
    stored: Arc<StoredEntry>,
    signature: Arc<[u8]>,
    state: S,
}

/// A statement with the exact bytes that it was read from: what a state stores of an entry.
#[derive(Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// What it says.
    pub statement: Statement,
    /// The bytes of its `entry.json`.
    pub bytes: Box<[u8]>,
}

impl StoredEntry {
    /// Reads the copy of an entry that a state stores.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Ok(Self {
            statement: Statement::parse(bytes)?,
            bytes: bytes.into(),
        })
    }

    /// Reads the copy of an entry in a ledger of this repository without checking it again: the ledger moved forward only after
    /// [`StoredEntry::parse`] had read these very bytes. For showing what happened, never for judging it.
    pub fn parse_trusted(bytes: &[u8]) -> Result<Self, ParseError> {
        Ok(Self {
            statement: json::parse_trusted(bytes)?,
            bytes: bytes.into(),
        })
    }
}

impl Entry<Unverified> {
    /// Reads the two files of an entry. The signature is not checked.
    pub fn parse(bytes: &[u8], signature: &[u8]) -> Result<Self, ParseError> {
        Ok(Self::from_stored(
            Arc::new(StoredEntry::parse(bytes)?),
            signature,
        ))
    }

    /// Makes an entry of a statement and its bytes, with a signature that is not checked.
    #[must_use]
    pub fn from_stored(stored: Arc<StoredEntry>, signature: &[u8]) -> Self {
        Self {
            stored,
            signature: signature.into(),
            state: Unverified,
        }
    }

    /// Marks the entry as one whose signature was checked with `key`. Only `signing` may call this; a test checks that.
    #[must_use]
    pub fn assume_verified(self, key: PublicKey) -> Entry<Verified> {
        Entry {
            stored: self.stored,
            signature: self.signature,
            state: Verified(key),
        }
    }
}

impl Entry<Verified> {
    /// Returns the key that signed it.
    pub fn key(&self) -> &PublicKey {
        &self.state.0
    }
}

impl<S> Entry<S> {
    /// Returns what it says.
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

    /// Returns statement and bytes, as a state stores them.
    pub fn stored(&self) -> &Arc<StoredEntry> {
        &self.stored
    }
}
