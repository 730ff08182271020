//! The state after an entry: what the tree of a ledger commit holds.
//!
//! A state is a map from [`Slot`] to [`Value`]; a slot is one path in the tree, a value one blob or gitlink. [`fold`] gives the
//! edits that an entry makes, so that a writer and a server touch only those slots. A state may be loaded in part: without the
//! components that an entry does not name, see [`Scope`].

mod edits;
mod env_state;
mod fold;
mod slot;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use env_state::{EnvState, OpenRun};
pub use fold::fold;
pub use slot::{Slot, SlotError, SlotKey, Value};

use super::entry::{Statement, StoredEntry};
use super::id::CommitId;
use super::name::{ComponentName, EnvName};

/// One change of a state: a slot gets a value, or is emptied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Where.
    pub slot: Slot,
    /// What; `None` empties it.
    pub value: Option<Value>,
}

/// Which components of a state are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// These; everything else of the environment is always needed.
    Components(BTreeSet<ComponentName>),
}

impl Scope {
    /// Returns what [`fold`] and the rules need for a statement: the components that it names; all of them in a pattern's ledger, where
    /// a destroy empties an environment, and environments are small.
    pub fn for_statement(statement: &Statement) -> Self {
        if statement.environment.is_some() {
            return Self::All;
        }
        Self::Components(statement.components())
    }

    /// Checks whether a component is in it.
    pub fn contains(&self, component: &str) -> bool {
        match self {
            Self::All => true,
            Self::Components(names) => names.contains(component),
        }
    }
}

/// What the tree of a ledger commit holds besides the entry itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    slots: BTreeMap<Slot, Value>,
}

impl State {
    /// Returns the state after a genesis: nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Fills a slot.
    pub fn insert(&mut self, slot: Slot, value: Value) {
        self.slots.insert(slot, value);
    }

    /// Applies edits.
    pub fn apply(&mut self, edits: &[Edit]) {
        for edit in edits {
            match &edit.value {
                Some(value) => drop(self.slots.insert(edit.slot.clone(), value.clone())),
                None => drop(self.slots.remove(&edit.slot)),
            }
        }
    }

    /// Iterates over the filled slots, in order.
    pub fn slots(&self) -> impl Iterator<Item = (&Slot, &Value)> {
        self.slots.iter()
    }

    /// Returns the value of a slot.
    pub fn get(&self, environment: Option<&EnvName>, key: SlotKey) -> Option<&Value> {
        self.slots.get(&Slot {
            environment: environment.cloned(),
            key,
        })
    }

    fn entry(&self, environment: Option<&EnvName>, key: SlotKey) -> Option<&Arc<StoredEntry>> {
        self.get(environment, key).and_then(Value::entry)
    }

    /// Returns one environment's part. `environment` is `None` in the ledger of a single environment, and names one in a pattern's.
    pub fn environment<'a>(&'a self, environment: Option<&'a EnvName>) -> EnvState<'a> {
        EnvState::new(self, environment)
    }

    /// Returns the part of the environment that a statement is about.
    pub fn environment_of<'a>(&'a self, statement: &'a Statement) -> EnvState<'a> {
        self.environment(statement.environment.as_ref())
    }

    /// Lists the environments of a pattern's ledger that exist now: those with a filled slot.
    pub fn environments(&self) -> BTreeSet<EnvName> {
        self.slots
            .keys()
            .filter_map(|slot| slot.environment.clone())
            .collect()
    }

    /// Returns the open yank of a commit, in `evidence`.
    pub fn yanked_commit(&self, commit: CommitId) -> Option<&Arc<StoredEntry>> {
        self.entry(None, SlotKey::YankedCommit(commit))
    }

    /// Returns the open yank of a digest, in `evidence`.
    pub fn yanked_digest(&self, digest: &super::id::Digest) -> Option<&Arc<StoredEntry>> {
        self.entry(None, SlotKey::YankedDigest(digest.clone()))
    }

    /// Returns the text of the policy in force, in `policy`.
    pub fn policy(&self) -> Option<&[u8]> {
        match self.get(None, SlotKey::Policy) {
            Some(Value::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// Iterates over the pending approvals of a proposed policy, in `policy`.
    pub fn policy_approvals(&self) -> impl Iterator<Item = &Arc<StoredEntry>> {
        self.slots
            .iter()
            .filter(|(slot, _)| matches!(slot.key, SlotKey::PolicyApproval { .. }))
            .filter_map(|(_, value)| value.entry())
    }
}
