//! Reads states from ledger trees, only the parts needed, and computes the tree after an entry.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::ledger_commit::{ENTRY_FILE, SIGNATURE_FILE};
use crate::domain::entry::{Entry, MAX_BYTES, ParseError, StoredEntry, Verified};
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::LedgerName;
use crate::domain::state::{Edit, Scope, Slot, SlotKey, State, Value};
use crate::git::error::{Error, Result};
use crate::git::object::ObjectKind;
use crate::git::repo::Repository;
use crate::git::tree::{Leaf, TreeItem};
use crate::git::tree_edit::ComputedFolders;

/// The maximum number of files in a ledger's tree.
const FILE_LIMIT: usize = 1_000_000;
/// The maximum size of `deploy.toml`.
pub const POLICY_LIMIT: usize = 1024 * 1024;
/// The folder that holds the components.
const COMPONENTS: &str = "components";

/// Reads states from ledger trees.
pub struct StateReader<'a> {
    repository: &'a Repository,
    /// Entries read for display only. They are kept out of the shared caches, which decisions rely
    /// on.
    display_cache: Option<RefCell<HashMap<Oid, Arc<StoredEntry>>>>,
}

impl<'a> StateReader<'a> {
    /// Creates a reader for this repository's ledgers.
    pub fn new(repository: &'a Repository) -> Self {
        Self {
            repository,
            display_cache: None,
        }
    }

    /// Creates a reader for display that does not check again how the copies of entries are
    /// written. They are what was signed, byte for byte: `refs/deploy/*` only moves to trees that
    /// were computed and compared. Do not use it for decisions.
    pub fn for_display(repository: &'a Repository) -> Self {
        Self {
            repository,
            display_cache: Some(RefCell::default()),
        }
    }

    /// Loads the part of the state that `scope` selects from a tree of `ledger`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a path or file that a ledger's tree may not contain.
    pub fn load(&self, tree: Oid, ledger: &LedgerName, scope: &Scope) -> Result<State> {
        let mut state = State::empty();
        match scope {
            Scope::All => self.load_folder(tree, "", ledger, &mut state)?,
            Scope::Components(names) => {
                for (name, found) in self.repository.read_folder(tree)? {
                    match (&*name, found) {
                        (
                            "approvals" | "runs" | "holds" | "yanked" | "environments",
                            TreeItem::Tree(_),
                        ) => {
                            self.load_folder(tree, &name, ledger, &mut state)?;
                        }
                        ("lock.json" | "expires.json" | "deploy.toml", TreeItem::Leaf(leaf)) => {
                            self.load_slot(&name, leaf, ledger, &mut state)?;
                        }
                        _ => {}
                    }
                }
                for name in names {
                    self.load_folder(tree, &format!("{COMPONENTS}/{name}"), ledger, &mut state)?;
                }
            }
        }
        Ok(state)
    }

    /// Loads only the filled slots at these places.
    pub fn load_slots(
        &self,
        tree: Oid,
        ledger: &LedgerName,
        places: impl IntoIterator<Item = SlotKey>,
    ) -> Result<State> {
        let mut state = State::empty();
        for place in places {
            let path = Slot {
                environment: None,
                key: place,
            }
            .to_string();
            if let Some(TreeItem::Leaf(leaf)) = self.repository.item_at(tree, &path)? {
                self.load_slot(&path, leaf, ledger, &mut state)?;
            }
        }
        Ok(state)
    }

    /// Loads all slots below a folder into `state`.
    fn load_folder(
        &self,
        tree: Oid,
        folder: &str,
        ledger: &LedgerName,
        state: &mut State,
    ) -> Result<()> {
        for (path, leaf) in self.repository.list_tree(tree, folder, FILE_LIMIT)? {
            if path != ENTRY_FILE && path != SIGNATURE_FILE {
                self.load_slot(&path, leaf, ledger, state)?;
            }
        }
        Ok(())
    }

    /// Reads the file or commit at a path into its slot of `state`.
    fn load_slot(
        &self,
        path: &str,
        leaf: Leaf,
        ledger: &LedgerName,
        state: &mut State,
    ) -> Result<()> {
        let corrupt = |why: String| Error::Corrupt {
            what: format!("{path} in the ledger {ledger}"),
            why,
        };
        let slot = if ledger.is_policy() {
            Slot::parse_policy(path)
        } else {
            Slot::parse(path)
        };
        let slot = slot.map_err(|error| corrupt(error.to_string()))?;
        let value = match (&slot.key, leaf) {
            (SlotKey::Commit(_), Leaf::Commit(id)) => Value::Commit(CommitId(id)),
            (SlotKey::Policy, Leaf::Blob(id)) => {
                Value::Bytes(self.repository.read_blob(id, POLICY_LIMIT)?.into())
            }
            (SlotKey::Commit(_) | SlotKey::Policy, _) | (_, Leaf::Commit(_)) => {
                return Err(corrupt(
                    "it is a file where a commit should be, or the other way round".to_owned(),
                ));
            }
            (_, Leaf::Blob(id)) => Value::Entry(self.read_entry(id, &corrupt)?),
        };
        state.insert(slot, value);
        Ok(())
    }

    /// Reads and parses the copy of an entry, from a cache if possible.
    fn read_entry(&self, id: Oid, corrupt: &dyn Fn(String) -> Error) -> Result<Arc<StoredEntry>> {
        let parse = |parse: fn(&[u8]) -> std::result::Result<StoredEntry, ParseError>| {
            let bytes = self.repository.read_blob(id, MAX_BYTES)?;
            Ok(Arc::new(
                parse(&bytes).map_err(|error| corrupt(error.to_string()))?,
            ))
        };
        // One entry is often stored at many paths.
        if let Some(shown) = &self.display_cache {
            if let Some(kept) = shown.borrow().get(&id) {
                return Ok(Arc::clone(kept));
            }
            let kept = parse(StoredEntry::parse_trusted)?;
            shown.borrow_mut().insert(id, Arc::clone(&kept));
            return Ok(kept);
        }
        let memory = &self.repository.ledger_cache().entries;
        if let Some(kept) = memory.get(&id) {
            return Ok(kept);
        }
        let kept = parse(StoredEntry::parse)?;
        memory.insert(id, Arc::clone(&kept), estimate_memory(&kept));
        Ok(kept)
    }
}

/// Estimates the memory that a parsed entry takes, in bytes; it is larger than its text.
pub(super) fn estimate_memory(kept: &StoredEntry) -> usize {
    kept.bytes.len() * 3 + 500
}

impl Repository {
    /// Computes the tree after an entry: the previous tree with the edits of the fold and the
    /// entry's own two files. Writes nothing.
    pub fn compute_tree_after(
        &self,
        before: Oid,
        entry: &Entry<Verified>,
        edits: &[Edit],
    ) -> Result<(Oid, ComputedFolders)> {
        let leaves = build_tree_edits(entry, edits, &|bytes| {
            self.hash_object(ObjectKind::Blob, bytes)
        })?;
        let edits: Vec<(&str, Option<Leaf>)> = leaves
            .iter()
            .map(|(path, leaf)| (path.as_str(), *leaf))
            .collect();
        self.compute_edited_tree(Some(before), &edits)
    }

    /// Writes the tree that [`Repository::folded_id`] computes.
    pub fn write_tree_after(
        &self,
        before: Oid,
        entry: &Entry<Verified>,
        edits: &[Edit],
    ) -> Result<Oid> {
        let leaves = build_tree_edits(entry, edits, &|bytes| self.write_blob(bytes))?;
        let edits: Vec<(&str, Option<Leaf>)> = leaves
            .iter()
            .map(|(path, leaf)| (path.as_str(), *leaf))
            .collect();
        self.write_edited_tree(Some(before), &edits)
    }
}

/// Returns the paths that an entry changes, with their new values. `blob` returns the id of a
/// file's bytes, and may write them.
fn build_tree_edits(
    entry: &Entry<Verified>,
    edits: &[Edit],
    blob: &dyn Fn(&[u8]) -> Result<Oid>,
) -> Result<Vec<(String, Option<Leaf>)>> {
    let own = blob(entry.bytes())?;
    let mut leaves: Vec<(String, Option<Leaf>)> = vec![
        (ENTRY_FILE.to_owned(), Some(Leaf::Blob(own))),
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
            Some(Value::Entry(kept)) if Arc::ptr_eq(kept, entry.stored()) => Some(Leaf::Blob(own)),
            Some(Value::Entry(kept)) => Some(Leaf::Blob(blob(&kept.bytes)?)),
        };
        leaves.push((edit.slot.to_string(), leaf));
    }
    Ok(leaves)
}
