//! The edits that [`fold`](super::fold()) collects for one entry.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Edit, EnvState, Slot, SlotKey, State, Value};
use crate::domain::entry::{ComponentResult, StoredEntry};
use crate::domain::id::{CommitId, Content};
use crate::domain::name::{ComponentName, EnvName};

/// The edits so far. A later edit of a slot replaces an earlier one.
pub(super) struct Edits<'a> {
    /// The state before the entry.
    pub state: &'a State,
    /// The part of it that belongs to the entry's environment.
    pub env_state: EnvState<'a>,
    /// The name of that environment in a pattern's ledger; otherwise `None`.
    pub environment: Option<&'a EnvName>,
    entry: &'a Arc<StoredEntry>,
    map: BTreeMap<Slot, Option<Value>>,
}

impl<'a> Edits<'a> {
    /// Begins the edits of an entry.
    pub fn new(state: &'a State, entry: &'a Arc<StoredEntry>) -> Self {
        Self {
            state,
            env_state: state.environment_of(&entry.statement),
            environment: entry.statement.environment.as_ref(),
            entry,
            map: BTreeMap::new(),
        }
    }

    /// Returns the edits that change something, in order of slot.
    pub fn finish(self) -> Vec<Edit> {
        let Self { state, map, .. } = self;
        map.into_iter()
            .filter(|(slot, value)| value.is_some() || state.slots.contains_key(slot))
            .map(|(slot, value)| Edit { slot, value })
            .collect()
    }

    /// Fills or empties a slot.
    pub fn set(&mut self, key: SlotKey, value: Option<Value>) {
        let slot = Slot {
            environment: self.environment.cloned(),
            key,
        };
        self.map.insert(slot, value);
    }

    /// Fills a slot with a copy of the entry.
    pub fn store_entry(&mut self, key: SlotKey) {
        self.set(key, Some(Value::Entry(Arc::clone(self.entry))));
    }

    /// Empties a slot. It may already be empty.
    pub fn clear(&mut self, key: SlotKey) {
        self.set(key, None);
    }

    /// Empties the filled slots that `is_selected` accepts, in all environments of the ledger.
    pub fn clear_where(&mut self, is_selected: impl Fn(&Slot, &Value) -> bool) {
        let slots = self.state.slots();
        let selected = slots.filter(|(slot, value)| is_selected(slot, value));
        self.map
            .extend(selected.map(|(slot, _)| (slot.clone(), None)));
    }

    /// Empties all slots of the entry's environment, and drops its earlier edits.
    pub fn clear_environment(&mut self) {
        let environment = self.environment.cloned();
        self.map.retain(|slot, _| slot.environment != environment);
        self.clear_where(|slot, _| slot.environment == environment);
    }

    /// Drops the approvals in the entry's environment that `is_selected` accepts by commit and
    /// entry.
    pub fn drop_approvals(&mut self, is_selected: impl Fn(CommitId, &StoredEntry) -> bool) {
        for (commit, sequence, approval) in self.env_state.approvals() {
            if is_selected(commit, approval) {
                self.clear(SlotKey::Approval {
                    commit,
                    person: approval.statement.by.clone(),
                    sequence,
                });
            }
        }
    }

    /// Marks a component as running the target of a result.
    pub fn set_running(&mut self, result: &ComponentResult) {
        let component = &result.target.component;
        self.set_commit(component, result.target.commit);
        self.store_entry(SlotKey::Live(component.clone()));
        self.store_entry(SlotKey::LastAttempt(component.clone()));
        self.clear(SlotKey::Verification(component.clone()));
        self.clear(SlotKey::Unknown(component.clone()));
    }

    /// Sets the commit at which a component runs.
    pub fn set_commit(&mut self, component: &ComponentName, commit: CommitId) {
        self.set(
            SlotKey::Commit(component.clone()),
            Some(Value::Commit(commit)),
        );
    }

    /// Marks the running version of a component as unknown.
    pub fn set_unknown(&mut self, component: &ComponentName) {
        self.store_entry(SlotKey::LastAttempt(component.clone()));
        self.store_entry(SlotKey::Unknown(component.clone()));
    }

    /// Puts the content of a component on hold. Does nothing for `None`.
    pub fn hold(&mut self, component: &ComponentName, content: Option<Content>) {
        if let Some(content) = content {
            self.store_entry(SlotKey::Hold(component.clone(), content));
        }
    }

    /// Marks a component as removed. A lock on it stays. The entry stays as its last one, because
    /// the component's history is followed from there.
    pub fn remove_component(&mut self, component: &ComponentName) {
        let keys = [
            SlotKey::Commit,
            SlotKey::Live,
            SlotKey::Verification,
            SlotKey::Unknown,
        ];
        for key in keys {
            self.clear(key(component.clone()));
        }
        self.store_entry(SlotKey::LastAttempt(component.clone()));
    }

    /// Removes an unfinished run.
    pub fn remove_run(&mut self, start: u64) {
        self.clear(SlotKey::RunStart(start));
        self.clear(SlotKey::RunOwner(start));
    }
}
