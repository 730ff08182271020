//! Looking back along a ledger: what it says of a commit.
//!
//! A walk follows first parents and reads commit objects only; an entry is opened where its message says that it is of interest.
//! Further parents are commits of the code, where anybody may have put anything: they are never followed. Only for ledgers whose
//! entries were verified.

use std::sync::Arc;

use crate::domain::entry::{Kept, Mention, mention};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::LedgerName;
use crate::domain::time::Time;
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;
use crate::ledger::LedgerCommit;

/// The most ledger commits that one walk passes; what lies behind cannot be told.
const WALK_LIMIT: usize = 100_000;

/// Reads the past of ledgers.
pub struct History<'a> {
    repository: &'a Repository,
    limit: usize,
}

/// What a walk learns of a ledger commit. Walks of neighbouring entries pass the same commits, so it is remembered.
#[derive(Debug)]
pub struct Step {
    /// When the entry was signed: the commit's time.
    pub at: Time,
    /// The commit before; none for a genesis.
    pub previous: Option<EntryId>,
    /// What its message says that the entry speaks of.
    pub mention: Mention,
}

/// A ledger commit on a walk.
#[derive(Debug)]
pub struct Passed {
    /// Its id.
    pub id: EntryId,
    step: Arc<Step>,
}

impl Passed {
    /// When the entry was signed.
    pub fn at(&self) -> Time {
        self.step.at
    }
}

impl std::ops::Deref for Passed {
    type Target = Step;

    fn deref(&self) -> &Step {
        &self.step
    }
}

impl<'a> History<'a> {
    /// The history of this repository's ledgers.
    pub fn new(repository: &'a Repository) -> Self {
        Self {
            repository,
            limit: WALK_LIMIT,
        }
    }

    #[cfg(test)]
    pub(super) fn limited(repository: &'a Repository, limit: usize) -> Self {
        Self { repository, limit }
    }

    /// How many ledger commits one walk may pass.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The entries of a ledger, newest first, the genesis left out. Past 100,000 the next item is [`Error::Bounds`], the last one.
    pub fn walk(&self, tip: EntryId) -> impl Iterator<Item = Result<Passed>> + use<'a> {
        let (repository, limit) = (self.repository, self.limit);
        let (mut next, mut passed) = (Some(tip), 0);
        std::iter::from_fn(move || {
            let id = next.take()?;
            let step = match step(repository, id) {
                Ok(step) => step,
                Err(error) => return Some(Err(error)),
            };
            // The genesis says nothing.
            let previous = step.previous?;
            if passed >= limit {
                let what = "the number of entries to look back over".to_owned();
                return Some(Err(Error::LimitExceeded {
                    what,
                    limit: limit as u64,
                }));
            }
            passed += 1;
            next = Some(previous);
            Some(Ok(Passed { id, step }))
        })
    }

    /// Opens an entry of a ledger.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a genesis, and for whatever is no entry of that ledger.
    pub fn entry(&self, ledger: &LedgerName, id: EntryId) -> Result<Arc<Kept>> {
        let LedgerCommit::Entry { entry, .. } = self.repository.read_ledger_commit(ledger, id)?
        else {
            return Err(Error::corrupt(
                format!("the commit {id} of the ledger {ledger}"),
                "it carries no entry",
            ));
        };
        Ok(Arc::clone(entry.kept()))
    }

    /// The entries of a ledger that speak of a commit and are not older than `since`, newest first.
    ///
    /// With the commit's time less [`SKEW`](crate::domain::rules::SKEW) as `since` these are all there are: an entry about a commit
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

fn step(repository: &Repository, id: EntryId) -> Result<Arc<Step>> {
    let memory = &repository.ledger_cache().steps;
    if let Some(step) = memory.get(&id) {
        return Ok(step);
    }
    let commit = repository.read_commit(id.0)?;
    let previous = commit.parents.first().copied().map(EntryId);
    let mention = mention(&String::from_utf8_lossy(commit.message()));
    let step = Arc::new(Step {
        at: commit.committer_time,
        previous,
        mention,
    });
    memory.insert(id, Arc::clone(&step), commit.raw.len() / 2 + 200);
    Ok(step)
}
