//! Merges the walks of several ledgers into one list, newest first.
//!
//! The times of entries are those of their signers' clocks, in whole seconds. An entry therefore comes
//! after every entry that it names as seen, and the times decide only between the others.

use std::collections::HashMap;
use std::iter::Peekable;
use std::sync::Arc;

use crate::domain::entry::StoredEntry;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::time::Time;
use crate::git::{Repository, Result};
use crate::ledger::facts::WalkedEntry;

/// The walk of one ledger, newest first.
pub(super) struct LedgerWalk<I: Iterator> {
    ledger: LedgerName,
    walk: Peekable<I>,
    /// The next entry, once it has been opened.
    next: Option<(EntryId, Arc<StoredEntry>)>,
}

impl<I: Iterator<Item = Result<WalkedEntry>>> LedgerWalk<I> {
    pub fn new(ledger: LedgerName, walk: I) -> Self {
        Self {
            ledger,
            walk: walk.peekable(),
            next: None,
        }
    }

    /// Opens the next entry. Returns `None` at the end of the walk.
    fn open_next(&mut self, repository: &Repository) -> Result<Option<&Arc<StoredEntry>>> {
        if self.next.is_none() {
            let Some(walked) = self.walk.next() else {
                return Ok(None);
            };
            let id = walked?.id;
            let commit = repository.read_commit(id.0)?;
            let entry = repository.read_entry_for_display(&self.ledger, &commit)?;
            self.next = Some((id, Arc::new(entry)));
        }
        Ok(self.next.as_ref().map(|(_, entry)| entry))
    }
}

/// Merges walks.
pub(super) struct EntryMerger<'a, I: Iterator> {
    repository: &'a Repository,
    walks: Vec<LedgerWalk<I>>,
    /// The sequence numbers of entries that others have seen.
    sequences: HashMap<EntryId, u64>,
}

impl<'a, I: Iterator<Item = Result<WalkedEntry>>> EntryMerger<'a, I> {
    pub fn new(repository: &'a Repository, walks: Vec<LedgerWalk<I>>) -> Self {
        Self {
            repository,
            walks,
            sequences: HashMap::new(),
        }
    }

    /// Returns the newest of the remaining entries.
    pub fn next_newest(&mut self) -> Result<Option<(EntryId, Arc<StoredEntry>)>> {
        let mut heads: Vec<(Time, usize)> = Vec::new();
        for (index, walk) in self.walks.iter_mut().enumerate() {
            if let Some(entry) = walk.open_next(self.repository)? {
                heads.push((entry.statement.at, index));
            }
        }
        // Of entries with the same time, those of the first ledger come first.
        heads.sort_by_key(|(time, index)| (std::cmp::Reverse(*time), *index));
        let mut newest = heads.first().map(|(_, index)| *index);
        for (_, index) in &heads {
            if !self.is_seen_by_another(*index, &heads)? {
                newest = Some(*index);
                break;
            }
        }
        let walk = newest.and_then(|index| self.walks.get_mut(index));
        Ok(walk.and_then(|walk| walk.next.take()))
    }

    /// Returns whether the next entry of another walk has seen the next entry of this one.
    fn is_seen_by_another(&mut self, index: usize, heads: &[(Time, usize)]) -> Result<bool> {
        let Some(walk) = self.walks.get(index) else {
            return Ok(false);
        };
        let Some((id, entry)) = walk.next.clone() else {
            return Ok(false);
        };
        let ledger = walk.ledger.clone();
        for (_, other) in heads.iter().filter(|(_, other)| *other != index) {
            let seen = self.walks.get(*other).and_then(|walk| {
                let (_, entry) = walk.next.as_ref()?;
                entry.statement.seen.get(&ledger).copied()
            });
            let Some(seen) = seen else { continue };
            if seen == id || self.sequence_of(&ledger, seen)? >= entry.statement.sequence {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the sequence number of an entry. That of a genesis, and of an entry that is not in this
    /// clone, is 0.
    fn sequence_of(&mut self, ledger: &LedgerName, id: EntryId) -> Result<u64> {
        if let Some(sequence) = self.sequences.get(&id) {
            return Ok(*sequence);
        }
        let commit = match self.repository.read_commit(id.0) {
            Ok(commit) if !commit.parents.is_empty() => Some(commit),
            Ok(_) | Err(crate::git::Error::Missing(_)) => None,
            Err(error) => return Err(error),
        };
        let sequence = match commit {
            Some(commit) => {
                let entry = self.repository.read_entry_for_display(ledger, &commit)?;
                entry.statement.sequence
            }
            None => 0,
        };
        self.sequences.insert(id, sequence);
        Ok(sequence)
    }
}
