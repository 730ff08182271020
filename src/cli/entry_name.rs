//! The short names of entries in messages.

use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;

/// Formats the short name of an entry as the notes write it: `prod@3f2a9c1e77`.
pub fn format_entry_name(ledger: &LedgerName, id: EntryId) -> String {
    format!("{ledger}@{}", id.0.prefix(10))
}
