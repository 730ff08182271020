//! States as trees: loaded in the part that is needed, spliced where an entry changes them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::link::{ENTRY, SIGNATURE};
use crate::domain::entry::{Entry, Kept, MAX_BYTES, Verified};
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::LedgerName;
use crate::domain::state::{Edit, Place, Scope, Slot, State, Value};
use crate::git::error::{Error, Result};
use crate::git::object::Kind;
use crate::git::repo::Repository;
use crate::git::tree::Leaf;

/// The most files in the tree of a ledger.
const FILE_LIMIT: usize = 1_000_000;
/// The largest `deploy.toml`.
pub const POLICY_LIMIT: usize = 1024 * 1024;
/// The folder of the components.
const COMPONENTS: &str = "components";

/// Reads states, and remembers the copies of entries that it parsed: one entry often stands at many places.
pub struct StateReader<'a> {
    repository: &'a Repository,
    /// Whether copies of entries are read for showing alone.
    to_show: bool,
    kept: RefCell<HashMap<Oid, Arc<Kept>>>,
}

/// How many parsed copies are remembered.
const REMEMBERED: usize = 4_096;

impl<'a> StateReader<'a> {
    /// A reader without memories.
    pub fn new(repository: &'a Repository) -> Self {
        Self { repository, to_show: false, kept: RefCell::default() }
    }

    /// A reader of the ledgers of this repository that does not check again how the copies of entries in them are written. They are
    /// what was signed, byte for byte: `refs/deploy/*` moves only to trees that were computed and compared. Nothing is decided on it.
    pub fn to_show(repository: &'a Repository) -> Self {
        Self { to_show: true, ..Self::new(repository) }
    }

    /// The state that a tree of `ledger` holds, as far as `scope` asks.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where a path or a file is not what a ledger's tree may hold.
    pub fn load(&self, tree: Oid, ledger: &LedgerName, scope: &Scope) -> Result<State> {
        let mut state = State::empty();
        match scope {
            Scope::All => self.load_folder(tree, "", ledger, &mut state)?,
            Scope::Components(names) => {
                for folder in ["approvals", "runs", "holds", "yanked", "environments"] {
                    self.load_folder(tree, folder, ledger, &mut state)?;
                }
                for name in names {
                    self.load_folder(tree, &format!("{COMPONENTS}/{name}"), ledger, &mut state)?;
                }
                for file in ["lock.json", "expires.json", "deploy.toml"] {
                    if let Some(crate::git::tree::Found::Leaf(leaf)) = self.repository.entry_at(tree, file)? {
                        self.insert(file, leaf, ledger, &mut state)?;
                    }
                }
            }
        }
        Ok(state)
    }

    /// The slots at these places alone, where they are filled.
    pub fn load_places(
        &self,
        tree: Oid,
        ledger: &LedgerName,
        places: impl IntoIterator<Item = Place>,
    ) -> Result<State> {
        let mut state = State::empty();
        for place in places {
            let path = Slot { environment: None, place }.to_string();
            if let Some(crate::git::tree::Found::Leaf(leaf)) = self.repository.entry_at(tree, &path)? {
                self.insert(&path, leaf, ledger, &mut state)?;
            }
        }
        Ok(state)
    }

    fn load_folder(&self, tree: Oid, folder: &str, ledger: &LedgerName, state: &mut State) -> Result<()> {
        for (path, leaf) in self.repository.list_tree(tree, folder, FILE_LIMIT)? {
            if path != ENTRY && path != SIGNATURE {
                self.insert(&path, leaf, ledger, state)?;
            }
        }
        Ok(())
    }

    fn insert(&self, path: &str, leaf: Leaf, ledger: &LedgerName, state: &mut State) -> Result<()> {
        let corrupt = |why: String| Error::Corrupt { what: format!("{path} in the ledger {ledger}"), why };
        let slot = if ledger.is_policy() { Slot::parse_policy(path) } else { Slot::parse(path) };
        let slot = slot.map_err(|error| corrupt(error.to_string()))?;
        let value = match (&slot.place, leaf) {
            (Place::Commit(_), Leaf::Commit(id)) => Value::Commit(CommitId(id)),
            (Place::Policy, Leaf::Blob(id)) => Value::Bytes(self.repository.read_blob(id, POLICY_LIMIT)?.into()),
            (Place::Commit(_) | Place::Policy, _) | (_, Leaf::Commit(_)) => {
                return Err(corrupt("it is a file where a commit should be, or the other way round".to_owned()));
            }
            (_, Leaf::Blob(id)) => Value::Kept(self.kept(id, &corrupt)?),
        };
        state.insert(slot, value);
        Ok(())
    }

    fn kept(&self, id: Oid, corrupt: &dyn Fn(String) -> Error) -> Result<Arc<Kept>> {
        if let Some(kept) = self.kept.borrow().get(&id) {
            return Ok(Arc::clone(kept));
        }
        let bytes = self.repository.read_blob(id, MAX_BYTES)?;
        let kept = if self.to_show { Kept::parse_again(&bytes) } else { Kept::parse(&bytes) };
        let kept = Arc::new(kept.map_err(|error| corrupt(error.to_string()))?);
        let mut memory = self.kept.borrow_mut();
        if memory.len() >= REMEMBERED {
            memory.clear();
        }
        memory.insert(id, Arc::clone(&kept));
        Ok(kept)
    }
}

/// Whether the objects of a new tree are written or only named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Write,
    Name,
}

impl Repository {
    /// The tree after an entry: the one before, with the edits of its fold and the entry's own two files. Nothing is written.
    pub fn folded_id(&self, before: Oid, entry: &Entry<Verified>, edits: &[Edit]) -> Result<Oid> {
        self.folded(before, entry, edits, Mode::Name)
    }

    /// The same tree, written.
    pub fn write_folded(&self, before: Oid, entry: &Entry<Verified>, edits: &[Edit]) -> Result<Oid> {
        self.folded(before, entry, edits, Mode::Write)
    }

    fn folded(&self, before: Oid, entry: &Entry<Verified>, edits: &[Edit], mode: Mode) -> Result<Oid> {
        let blob = |bytes: &[u8]| match mode {
            Mode::Write => self.write_blob(bytes),
            Mode::Name => self.hash(Kind::Blob, bytes),
        };
        let own = blob(entry.bytes())?;
        let mut leaves: Vec<(String, Option<Leaf>)> = vec![
            (ENTRY.to_owned(), Some(Leaf::Blob(own))),
            (SIGNATURE.to_owned(), Some(Leaf::Blob(blob(entry.signature())?))),
        ];
        for edit in edits {
            let leaf = match &edit.value {
                None => None,
                Some(Value::Commit(commit)) => Some(Leaf::Commit(commit.0)),
                Some(Value::Bytes(bytes)) => Some(Leaf::Blob(blob(bytes)?)),
                Some(Value::Kept(kept)) if Arc::ptr_eq(kept, entry.kept()) => Some(Leaf::Blob(own)),
                Some(Value::Kept(kept)) => Some(Leaf::Blob(blob(&kept.bytes)?)),
            };
            leaves.push((edit.slot.to_string(), leaf));
        }
        let edits: Vec<(&str, Option<Leaf>)> = leaves.iter().map(|(path, leaf)| (path.as_str(), *leaf)).collect();
        match mode {
            Mode::Write => self.edit(Some(before), &edits),
            Mode::Name => self.edited_id(Some(before), &edits),
        }
    }
}
