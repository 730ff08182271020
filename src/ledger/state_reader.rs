//! Reads states from ledger trees, and only the parts needed.
//!
//! A path or a file that no ledger's tree may contain is an error.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::entry_files::{ENTRY_FILE, KEYS_FILE, POLICY_FILE, SIGNATURE_FILE};
use crate::domain::entry::{MAX_BYTES, StoredEntry};
use crate::domain::id::{CommitId, Content, Oid};
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::state::{Scope, Slot, SlotKey, State, Value};
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;
use crate::git::tree::{Leaf, TreeItem};

/// The maximum number of files in a ledger's tree.
const FILE_LIMIT: usize = 1_000_000;
/// The maximum size of `deploy.toml`.
pub const POLICY_LIMIT: usize = 1024 * 1024;
/// The maximum size of the key list. A key takes at least 58 bytes in `deploy.toml` and at most 129
/// in the list, so the list is never four times as large.
const KEYS_LIMIT: usize = 4 * POLICY_LIMIT;
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

    /// Creates a reader for display that does not validate the copies of entries again:
    /// `refs/deploy/*` only moves to trees that were computed and compared byte for byte. Do not
    /// use it for decisions.
    pub fn for_display(repository: &'a Repository) -> Self {
        Self {
            repository,
            display_cache: Some(RefCell::default()),
        }
    }

    /// Loads the part of the state that `scope` selects from a tree of `ledger`.
    ///
    /// # Errors
    /// Fails with [`Error::Corrupt`] for a path or file that a ledger's tree may not contain.
    pub fn load(&self, tree: Oid, ledger: &LedgerName, scope: &Scope) -> Result<State> {
        let mut state = State::empty();
        match scope {
            Scope::All => self.load_folder(tree, "", ledger, &mut state)?,
            Scope::Components(names) => {
                for (name, item) in self.repository.read_folder(tree)? {
                    match (&*name, item) {
                        (
                            "approvals" | "runs" | "holds" | "yanked" | "environments",
                            TreeItem::Tree(_),
                        ) => {
                            self.load_folder(tree, &name, ledger, &mut state)?;
                        }
                        (
                            "lock.json" | "expires.json" | POLICY_FILE | KEYS_FILE,
                            TreeItem::Leaf(leaf),
                        ) => {
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

    /// Loads only the filled slots with these keys.
    pub fn load_slots(
        &self,
        tree: Oid,
        ledger: &LedgerName,
        keys: impl IntoIterator<Item = SlotKey>,
    ) -> Result<State> {
        let mut state = State::empty();
        for key in keys {
            let path = Slot {
                environment: None,
                key,
            }
            .to_string();
            if let Some(TreeItem::Leaf(leaf)) = self.repository.item_at(tree, &path)? {
                self.load_slot(&path, leaf, ledger, &mut state)?;
            }
        }
        Ok(state)
    }

    /// Loads the slots with these keys, and the yanks that cover these contents.
    pub fn load_yanks(
        &self,
        tree: Oid,
        ledger: &LedgerName,
        keys: impl IntoIterator<Item = SlotKey>,
        contents: impl IntoIterator<Item = (ComponentName, Content)>,
    ) -> Result<State> {
        let mut state = self.load_slots(tree, ledger, keys)?;
        for (component, content) in contents {
            let folder = format!("yanked/content/{component}/{content}");
            self.load_folder(tree, &folder, ledger, &mut state)?;
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
        let corrupt = |why: String| Error::corrupt(format!("{path} in the ledger {ledger}"), why);
        let slot = if ledger.is_policy() {
            Slot::parse_policy(path)
        } else {
            Slot::parse(path)
        };
        let slot = slot.map_err(|error| corrupt(error.to_string()))?;
        let value = match (&slot.key, leaf) {
            (SlotKey::Commit(_), Leaf::Commit(id)) => Value::Commit(CommitId(id)),
            (SlotKey::Policy, Leaf::Blob(id)) => {
                Value::Bytes(self.repository.read_limited_file(id, POLICY_LIMIT)?.into())
            }
            (SlotKey::Keys, Leaf::Blob(id)) => {
                Value::Bytes(self.repository.read_limited_file(id, KEYS_LIMIT)?.into())
            }
            (SlotKey::Commit(_) | SlotKey::Policy | SlotKey::Keys, _) | (_, Leaf::Commit(_)) => {
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
        let Some(cache) = &self.display_cache else {
            return self.repository.read_stored_entry(id, corrupt);
        };
        if let Some(entry) = cache.borrow().get(&id) {
            return Ok(Arc::clone(entry));
        }
        let bytes = self.repository.read_limited_file(id, MAX_BYTES)?;
        let entry =
            StoredEntry::parse_trusted(&bytes).map_err(|error| corrupt(error.to_string()))?;
        let entry = Arc::new(entry);
        cache.borrow_mut().insert(id, Arc::clone(&entry));
        Ok(entry)
    }
}
