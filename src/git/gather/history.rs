//! Looking back along a ledger: what it says of a commit.
//!
//! A walk follows first parents and reads commit objects only; an entry is opened where its message says that it is of interest.
//! Further parents are commits of the code, where anybody may have put anything: they are never followed. Only for ledgers whose
//! entries were verified.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::entry::{Kept, Mention};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::LedgerName;
use crate::domain::time::Time;
use crate::git::error::{Error, Result};
use crate::git::ledger::Link;
use crate::git::object::Commit;
use crate::git::repo::Repository;

/// The most ledger commits that one walk passes; what lies behind cannot be told.
const WALK_LIMIT: usize = 100_000;
/// How many opened entries are remembered: the same ones are asked for on two sets of tips.
const REMEMBERED: usize = 4_096;

/// Reads the past of ledgers, and remembers the entries that it opened.
pub struct History<'a> {
    repository: &'a Repository,
    kept: RefCell<HashMap<EntryId, Arc<Kept>>>,
    limit: usize,
}

/// A ledger commit on a walk.
#[derive(Debug)]
pub struct Passed {
    /// Its id.
    pub id: EntryId,
    /// The commit; its time is its entry's.
    pub commit: Commit,
    /// What its message says that the entry speaks of.
    pub mention: Mention,
}

impl Passed {
    /// When the entry was signed.
    pub fn at(&self) -> Time {
        self.commit.committer_time
    }
}

impl<'a> History<'a> {
    /// A history without memories.
    pub fn new(repository: &'a Repository) -> Self {
        Self { repository, kept: RefCell::default(), limit: WALK_LIMIT }
    }

    #[cfg(test)]
    pub(super) fn limited(repository: &'a Repository, limit: usize) -> Self {
        Self { limit, ..Self::new(repository) }
    }

    /// How many ledger commits one walk may pass.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The entries of a ledger, newest first, the genesis left out. Past 100,000 the next item is [`Error::Bounds`], the last one.
    pub fn walk(&self, tip: EntryId) -> impl Iterator<Item = Result<Passed>> + use<'a> {
        let limit = self.limit;
        let mut links = self.repository.links(tip).enumerate();
        let mut over = false;
        std::iter::from_fn(move || {
            let (index, link) = if over { return None } else { links.next()? };
            over = index >= limit;
            if over {
                let what = "the number of entries to look back over".to_owned();
                return Some(Err(Error::Bounds { what, limit: limit as u64 }));
            }
            Some(link.map(|(commit, mention)| Passed { id: EntryId(commit.id), commit, mention }))
        })
    }

    /// Opens an entry of a ledger.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a genesis, and for whatever is no entry of that ledger.
    pub fn entry(&self, ledger: &LedgerName, id: EntryId) -> Result<Arc<Kept>> {
        if let Some(kept) = self.kept.borrow().get(&id).filter(|kept| kept.statement.ledger == *ledger) {
            return Ok(Arc::clone(kept));
        }
        let Link::Entry { entry, .. } = self.repository.read_link(ledger, id)? else {
            return Err(Error::corrupt(format!("the commit {id} of the ledger {ledger}"), "it carries no entry"));
        };
        let mut memory = self.kept.borrow_mut();
        if memory.len() >= REMEMBERED {
            memory.clear();
        }
        memory.insert(id, Arc::clone(entry.kept()));
        Ok(Arc::clone(entry.kept()))
    }

    /// The entries of a ledger that speak of a commit and are not older than `since`, newest first.
    ///
    /// With the commit's time less [`SKEW`](crate::domain::gate::SKEW) as `since` these are all there are: an entry about a commit
    /// that is dated later than that is refused.
    pub fn entries_about(
        &self,
        ledger: &LedgerName,
        tip: EntryId,
        commit: CommitId,
        since: Time,
    ) -> Result<Vec<(EntryId, Arc<Kept>)>> {
        let mut found = Vec::new();
        for passed in self.walk(tip) {
            let passed = passed?;
            if passed.at() < since {
                break;
            }
            if passed.mention.commits.contains(&commit) {
                found.push((passed.id, self.entry(ledger, passed.id)?));
            }
        }
        Ok(found)
    }
}
