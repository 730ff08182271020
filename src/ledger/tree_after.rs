//! Computes and writes the tree of an entry's ledger commit.

use std::sync::Arc;

use super::entry_files::{ENTRY_FILE, SIGNATURE_FILE};
use crate::domain::entry::{Entry, Verified};
use crate::domain::id::Oid;
use crate::domain::state::{Edit, Value};
use crate::git::error::Result;
use crate::git::object::ObjectKind;
use crate::git::repo::Repository;
use crate::git::tree::Leaf;
use crate::git::tree_edit::ComputedFolders;

impl Repository {
    /// Computes the tree after an entry: the previous tree with the edits of the fold and the
    /// entry's own two files. Writes nothing.
    pub fn compute_tree_after(
        &self,
        before: Oid,
        entry: &Entry<Verified>,
        edits: &[Edit],
    ) -> Result<(Oid, ComputedFolders)> {
        let edits = build_tree_edits(entry, edits, &|bytes| {
            self.hash_object(ObjectKind::Blob, bytes)
        })?;
        self.compute_edited_tree(Some(before), &borrow_paths(&edits))
    }

    /// Writes the tree that [`Repository::compute_tree_after`] computes, and returns its id.
    pub fn write_tree_after(
        &self,
        before: Oid,
        entry: &Entry<Verified>,
        edits: &[Edit],
    ) -> Result<Oid> {
        let edits = build_tree_edits(entry, edits, &|bytes| self.write_blob(bytes))?;
        self.write_edited_tree(Some(before), &borrow_paths(&edits))
    }
}

/// Returns the paths that an entry changes, with their new values. `blob` returns the id of a
/// file's bytes, and may write them.
fn build_tree_edits(
    entry: &Entry<Verified>,
    edits: &[Edit],
    blob: &dyn Fn(&[u8]) -> Result<Oid>,
) -> Result<Vec<(String, Option<Leaf>)>> {
    let entry_blob = blob(entry.bytes())?;
    let mut leaves: Vec<(String, Option<Leaf>)> = vec![
        (ENTRY_FILE.to_owned(), Some(Leaf::Blob(entry_blob))),
        (
            SIGNATURE_FILE.to_owned(),
            Some(Leaf::Blob(blob(entry.signature())?)),
        ),
    ];
    for edit in edits {
        let leaf = match &edit.value {
            None => None,
            Some(Value::Commit(commit)) => Some(Leaf::Commit(commit.0)),
            Some(Value::Bytes(bytes)) => Some(Leaf::Blob(blob(bytes)?)),
            Some(Value::Entry(copy)) if Arc::ptr_eq(copy, entry.stored()) => {
                Some(Leaf::Blob(entry_blob))
            }
            Some(Value::Entry(copy)) => Some(Leaf::Blob(blob(&copy.bytes)?)),
        };
        leaves.push((edit.slot.to_string(), leaf));
    }
    Ok(leaves)
}

/// Borrows the paths of edits.
fn borrow_paths(edits: &[(String, Option<Leaf>)]) -> Vec<(&str, Option<Leaf>)> {
    edits
        .iter()
        .map(|(path, leaf)| (path.as_str(), *leaf))
        .collect()
}
