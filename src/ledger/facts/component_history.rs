//! Follows one component's own history back along its environment's ledger, without reading the
//! entries in between.
//!
//! The state after each entry stores the component's newest outcome and its newest verification.
//! The newer of the two names the ledger commit before it, whose state stores the component's entry
//! before that. The number of reads therefore depends on how many times this component was
//! deployed, not on how long the ledger is.

use std::sync::Arc;

use super::LedgerHistory;
use crate::domain::entry::{Action, Outcome, StoredEntry};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{EntryId, Oid};
use crate::domain::name::{ComponentName, EnvName, LedgerName};
use crate::domain::state::{Slot, SlotKey};
use crate::domain::time::Time;
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;
use crate::git::tree::{Leaf, TreeItem};
use crate::ledger::entry_files::estimate_memory;

/// A key of the cache of the newest entries: a ledger commit, and the path of a component's newest
/// entry in its tree.
pub(in crate::ledger) type ComponentAt = (EntryId, Arc<str>);

/// The entries that make up one component's history, newest first.
pub struct ComponentEntries<'a> {
    repository: &'a Repository,
    ledger: LedgerName,
    environment: Option<EnvName>,
    component: ComponentName,
    /// The path of `last.json`, which is part of the cache's key.
    last_path: Arc<str>,
    /// The ledger commit whose state stores the next entry.
    next: Option<EntryId>,
    /// The sequence number of the last entry; the next one must be lower.
    sequence: u64,
    /// The start of the run whose abort was returned last. It is returned next.
    aborted_start: Option<Arc<StoredEntry>>,
    /// The number of entries that were returned, without such starts.
    passed: usize,
    /// The largest number of entries to return.
    limit: usize,
}

/// Returns whether an entry of a component's history is older than `since`, and so are all entries
/// further back. Returns false for a start, because it belongs to the abort that precedes it in the
/// iteration.
pub fn is_older(stored: &StoredEntry, since: Time) -> bool {
    stored.statement.at < since && !matches!(stored.statement.action, Action::Start(_))
}

impl<'a> LedgerHistory<'a> {
    /// Returns the entries that make up a component's history up to `tip`, newest first: each
    /// `baseline`, `finish`, `record` and `abort` that deployed or removed it or tried to, and each
    /// verification. [`History::read`](crate::domain::history::History::read) returns the same for
    /// them as for the whole ledger. An abort is directly followed by the start that it aborted.
    ///
    /// The history of an ephemeral environment ends at its last destruction.
    ///
    /// After 100,000 entries the next and last item is [`Error::LimitExceeded`].
    pub fn component_entries(
        &self,
        env: &EnvRef,
        component: &ComponentName,
        tip: EntryId,
    ) -> ComponentEntries<'a> {
        let last = Slot {
            environment: env.member().cloned(),
            key: SlotKey::LastAttempt(component.clone()),
        };
        ComponentEntries {
            repository: self.repository,
            ledger: env.ledger().clone(),
            environment: env.member().cloned(),
            component: component.clone(),
            last_path: last.to_string().into(),
            next: Some(tip),
            sequence: u64::MAX,
            aborted_start: None,
            passed: 0,
            limit: self.limit(),
        }
    }
}

impl ComponentEntries<'_> {
    /// Returns the next entry and steps back behind it.
    fn step(&mut self) -> Result<Option<Arc<StoredEntry>>> {
        if let Some(start) = self.aborted_start.take() {
            return Ok(Some(start));
        }
        let Some(id) = self.next.take() else {
            return Ok(None);
        };
        let Some(entry) = self.find_newest(id)? else {
            return Ok(None);
        };
        let statement = &entry.statement;
        if statement.ledger != self.ledger
            || statement.environment != self.environment
            || statement.sequence >= self.sequence
        {
            return Err(self.corrupt(
                id,
                "it stores an entry of another ledger or environment, or a later entry",
            ));
        }
        if self.passed >= self.limit {
            return Err(Error::limit_exceeded(
                "the number of entries to look back over",
                self.limit,
            ));
        }
        self.passed += 1;
        if let Action::Abort(abort) = &statement.action {
            self.aborted_start = Some(self.read_start(statement.previous, abort.start)?);
        }
        self.sequence = statement.sequence;
        self.next = Some(statement.previous);
        Ok(Some(entry))
    }

    /// Returns the component's newest entry in the state after a ledger commit.
    fn find_newest(&self, id: EntryId) -> Result<Option<Arc<StoredEntry>>> {
        let cache = &self.repository.ledger_cache().component_entries;
        let key: ComponentAt = (id, Arc::clone(&self.last_path));
        if let Some(cached) = cache.get(&key) {
            return Ok(cached);
        }
        let tree = self.repository.read_commit(id.0)?.tree;
        let paths = [SlotKey::LastAttempt, SlotKey::Verification].map(|key| {
            let key = key(self.component.clone());
            self.path_of(key)
        });
        let mut newest: Option<Arc<StoredEntry>> = None;
        for path in paths {
            if let Some(entry) = self.read_entry(id, tree, &path)?
                && newest
                    .as_ref()
                    .is_none_or(|other| other.statement.sequence < entry.statement.sequence)
            {
                newest = Some(entry);
            }
        }
        let weight = newest.as_deref().map_or(0, estimate_memory) + 200;
        cache.insert(key, newest.clone(), weight);
        Ok(newest)
    }

    /// Reads the start of an aborted run from the state before the abort.
    fn read_start(&self, before: EntryId, start: u64) -> Result<Arc<StoredEntry>> {
        let tree = self.repository.read_commit(before.0)?.tree;
        let path = self.path_of(SlotKey::RunStart(start));
        self.read_entry(before, tree, &path)?
            .ok_or_else(|| self.corrupt(before, "the run that the next entry aborts is not in it"))
    }

    /// Reads the copy of an entry in the tree of a ledger commit; `None` if there is none.
    fn read_entry(&self, id: EntryId, tree: Oid, path: &str) -> Result<Option<Arc<StoredEntry>>> {
        match self.repository.item_at(tree, path)? {
            None => Ok(None),
            Some(TreeItem::Leaf(Leaf::Blob(blob))) => self
                .repository
                .read_stored_entry(blob, &|why| self.corrupt(id, why))
                .map(Some),
            Some(_) => Err(self.corrupt(id, format!("{path} is not a file"))),
        }
    }

    fn path_of(&self, key: SlotKey) -> String {
        let environment = self.environment.clone();
        Slot { environment, key }.to_string()
    }

    fn corrupt(&self, id: EntryId, why: impl Into<String>) -> Error {
        Error::corrupt(
            format!("the state at {id} of the ledger {}", self.ledger),
            why,
        )
    }
}

impl Iterator for ComponentEntries<'_> {
    type Item = Result<Arc<StoredEntry>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// Returns whether an entry deploys or removes a component, and so begins a period of its history.
pub fn begins_period(stored: &StoredEntry, component: &ComponentName) -> bool {
    let result = stored.statement.component_result(component);
    result.is_some_and(|it| matches!(it.outcome, Outcome::Succeeded | Outcome::Destroyed))
}
