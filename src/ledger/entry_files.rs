//! The files of a ledger's tree with fixed names, and how a copy of an entry is read.
//!
//! One entry is often stored at many paths, as the same blob, so parsed entries are cached by blob.

use std::sync::Arc;

use crate::domain::entry::{MAX_BYTES, ParseError, StoredEntry};
use crate::domain::id::Oid;
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;

/// The file that holds the entry.
pub const ENTRY_FILE: &str = "entry.json";
/// The file that holds its signature.
pub const SIGNATURE_FILE: &str = "entry.json.minisig";
/// The file that holds the policy, in the tree of the policy ledger.
pub(super) const POLICY_FILE: &str = "deploy.toml";
/// The file that holds its key list.
pub(super) const KEYS_FILE: &str = "keys";

/// Estimates the memory that a parsed entry takes, in bytes; it is larger than its text.
pub(super) fn estimate_memory(entry: &StoredEntry) -> usize {
    entry.bytes.len() * 3 + 500
}

impl Repository {
    /// Reads and parses the copy of an entry in a blob, from the cache if possible. `corrupt` makes
    /// the error for a blob that is no entry.
    pub(super) fn read_stored_entry(
        &self,
        blob: Oid,
        corrupt: &dyn Fn(String) -> Error,
    ) -> Result<Arc<StoredEntry>> {
        let entries = &self.ledger_cache().entries;
        if let Some(entry) = entries.get(&blob) {
            return Ok(entry);
        }
        let entry = StoredEntry::parse(&self.read_limited_file(blob, MAX_BYTES)?)
            .map_err(|error: ParseError| corrupt(error.to_string()))?;
        let entry = Arc::new(entry);
        entries.insert(blob, Arc::clone(&entry), estimate_memory(&entry));
        Ok(entry)
    }
}
