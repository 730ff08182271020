//! [`State`]: the slots of a ledger commit's tree, and the edits that change them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::slot::{Slot, SlotKey, Value};
use crate::domain::entry::StoredEntry;
use crate::domain::id::{CommitId, Content, Digest};
use crate::domain::name::{ComponentName, EnvName};

/// One change of a state: a slot gets a value, or is emptied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The slot.
    pub slot: Slot,
    /// The new value; `None` empties the slot.
    pub value: Option<Value>,
}

/// The contents of a ledger commit's tree, except for the entry itself and its signature.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    pub(super) slots: BTreeMap<Slot, Value>,
}

impl State {
    /// Returns the state without any filled slot, as after a genesis.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Fills a slot.
    pub fn insert(&mut self, slot: Slot, value: Value) {
        self.slots.insert(slot, value);
    }

    /// Applies edits.
    #[cfg(any(test, feature = "testing"))]
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

    /// Returns the entry that a slot stores.
    pub(super) fn entry(
        &self,
        environment: Option<&EnvName>,
        key: SlotKey,
    ) -> Option<&Arc<StoredEntry>> {
        self.get(environment, key).and_then(Value::entry)
    }

    /// Returns the environments of a pattern's ledger that have a filled slot. One that has only a
    /// lock or an approval does not exist: see [`EnvState::exists`](super::EnvState::exists).
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

    /// Returns an open yank that covers a component's content, in `evidence`.
    pub fn yanked_content(
        &self,
        component: &ComponentName,
        content: Content,
    ) -> Option<&Arc<StoredEntry>> {
        let covers = |key: &SlotKey| {
            matches!(key, SlotKey::YankedContent { component: name, content: other, .. }
                if name == component && *other == content)
        };
        let mut slots = self.slots.iter().filter(|(slot, _)| covers(&slot.key));
        slots.find_map(|(_, value)| value.entry())
    }

    /// Returns the open yank of a digest, in `evidence`.
    pub fn yanked_digest(&self, digest: &Digest) -> Option<&Arc<StoredEntry>> {
        self.entry(None, SlotKey::YankedDigest(digest.clone()))
    }

    /// Returns the text of the policy in force, in `policy`.
    pub fn policy(&self) -> Option<&[u8]> {
        match self.get(None, SlotKey::Policy) {
            Some(Value::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// Iterates over the pending approvals of proposed policies, in `policy`.
    pub fn policy_approvals(&self) -> impl Iterator<Item = &Arc<StoredEntry>> {
        self.slots
            .iter()
            .filter(|(slot, _)| matches!(slot.key, SlotKey::PolicyApproval { .. }))
            .filter_map(|(_, value)| value.entry())
    }
}
