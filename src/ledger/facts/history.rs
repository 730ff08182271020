//! Walks back along a ledger and reads its entries.
//!
//! A walk follows first parents and reads commit objects only. An entry is read only if the
//! trailers of its commit message are relevant. Further parents are code commits, which can contain
//! anything, and are never followed. Use this only for ledgers whose entries are verified.

use std::sync::Arc;

use crate::domain::entry::{RunStep, Statement, StoredEntry, Trailers, read_trailers};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::LedgerName;
use crate::domain::time::Time;
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;
use crate::ledger::LedgerCommit;

/// The largest number of ledger commits in one walk. Facts that need older entries are unknown.
const WALK_LIMIT: usize = 100_000;

/// Walks back along ledgers and reads their entries.
pub struct LedgerHistory<'a> {
    pub(in crate::ledger) repository: &'a Repository,
    limit: usize,
}

/// The parts of a ledger commit that a walk reads. They are cached, because the walks for
/// neighbouring entries read the same commits.
#[derive(Debug)]
pub struct LedgerStep {
    /// When the entry was signed: the commit's time.
    pub at: Time,
    /// The previous ledger commit; `None` for a genesis.
    pub previous: Option<EntryId>,
    /// The trailers of its commit message, which name what the entry is about.
    pub trailers: Trailers,
}

/// A ledger commit on a walk.
#[derive(Debug)]
pub struct WalkedEntry {
    /// Its id.
    pub id: EntryId,
    step: Arc<LedgerStep>,
}

impl WalkedEntry {
    /// Returns when the entry was signed.
    pub fn at(&self) -> Time {
        self.step.at
    }
}

impl std::ops::Deref for WalkedEntry {
    type Target = LedgerStep;

    fn deref(&self) -> &LedgerStep {
        &self.step
    }
}

impl<'a> LedgerHistory<'a> {
    /// Returns the history of this repository's ledgers.
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

    /// Returns the largest number of ledger commits in one walk.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the entries of a ledger, newest first, without the genesis. After 100,000 entries
    /// the next and last item is [`Error::LimitExceeded`].
    pub fn walk(&self, tip: EntryId) -> impl Iterator<Item = Result<WalkedEntry>> + use<'a> {
        let (repository, limit) = (self.repository, self.limit);
        let (mut next, mut passed) = (Some(tip), 0);
        std::iter::from_fn(move || {
            let id = next.take()?;
            let step = match read_step(repository, id) {
                Ok(step) => step,
                Err(error) => return Some(Err(error)),
            };
            // The genesis has no entry.
            let previous = step.previous?;
            if passed >= limit {
                return Some(Err(Error::limit_exceeded(
                    "the number of entries to look back over",
                    limit,
                )));
            }
            passed += 1;
            next = Some(previous);
            Some(Ok(WalkedEntry { id, step }))
        })
    }

    /// Reads an entry of a ledger.
    ///
    /// # Errors
    /// Fails with [`Error::Corrupt`] for a genesis, and for a commit that carries no entry of that ledger.
    pub fn entry(&self, ledger: &LedgerName, id: EntryId) -> Result<Arc<StoredEntry>> {
        let LedgerCommit::Entry { entry, .. } = self.repository.read_ledger_commit(ledger, id)?
        else {
            return Err(Error::corrupt(
                format!("the commit {id} of the ledger {ledger}"),
                "it carries no entry",
            ));
        };
        Ok(Arc::clone(entry.stored()))
    }

    /// Returns the start of the run that an entry ends or resumes. Returns `None` for other entries.
    ///
    /// # Errors
    /// Fails like [`Self::walk`] and [`Self::entry`].
    pub fn start_of(&self, statement: &Statement) -> Result<Option<Arc<StoredEntry>>> {
        let start = match statement.action.run_step() {
            Some(RunStep::Ends { start, .. } | RunStep::Resumes { start, .. }) => start,
            Some(RunStep::Starts { .. }) | None => return Ok(None),
        };
        // Sequence numbers have no gaps, so their difference is the number of steps back.
        let steps = statement.sequence.checked_sub(start + 1);
        let Some(steps) = steps.and_then(|steps| usize::try_from(steps).ok()) else {
            return Ok(None);
        };
        match self.walk(statement.previous).nth(steps) {
            Some(walked) => self.entry(&statement.ledger, walked?.id).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the entries of a ledger that name a commit and are not older than `since`, newest
    /// first.
    ///
    /// If `since` is the commit's time minus [`SKEW`](crate::domain::rules::SKEW), the result is
    /// complete: the rule `time` refuses older entries about the commit.
    pub fn entries_about(
        &self,
        ledger: &LedgerName,
        tip: EntryId,
        commit: CommitId,
        since: Time,
    ) -> Result<Vec<(EntryId, Arc<StoredEntry>)>> {
        let mut entries = Vec::new();
        for walked in self.walk(tip) {
            let walked = walked?;
            if walked.at() < since {
                break;
            }
            if walked.trailers.commits.contains(&commit) {
                entries.push((walked.id, self.entry(ledger, walked.id)?));
            }
        }
        Ok(entries)
    }
}

fn read_step(repository: &Repository, id: EntryId) -> Result<Arc<LedgerStep>> {
    let cache = &repository.ledger_cache().steps;
    if let Some(step) = cache.get(&id) {
        return Ok(step);
    }
    let commit = repository.read_commit(id.0)?;
    let previous = commit.parents.first().copied().map(EntryId);
    let trailers = read_trailers(&String::from_utf8_lossy(commit.message()));
    let step = Arc::new(LedgerStep {
        at: commit.committer_time,
        previous,
        trailers,
    });
    // An estimate of the memory that the step takes: the trailers are about half of the commit.
    let weight = commit.raw.len() / 2 + 200;
    cache.insert(id, Arc::clone(&step), weight);
    Ok(step)
}
