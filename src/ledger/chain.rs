//! The chains of ledgers: which entries are new, and whether a ledger contains a commit.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};

use super::Tips;
use crate::domain::id::{EntryId, Oid};
use crate::domain::name::LedgerName;
use crate::domain::time::Time;
use crate::git::ancestry::FirstParents;
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;

impl Repository {
    /// Returns the first commit of a ledger's chain. The chain itself is read, because its tip could
    /// claim another one.
    pub(super) fn first_commit_of_chain(&self, tip: EntryId) -> Result<EntryId> {
        let chain = self.chain_between(None, tip)?.unwrap_or_default();
        Ok(chain.first().copied().unwrap_or(tip))
    }

    /// Returns the commits after `old` up to `new`, oldest first; `None` if `old` is not on the
    /// chain of `new`. Without `old`, returns the whole chain, including the genesis.
    pub fn chain_between(
        &self,
        old: Option<EntryId>,
        new: EntryId,
    ) -> Result<Option<Vec<EntryId>>> {
        let mut ids = Vec::new();
        for commit in self.first_parent_walk(new.0) {
            let id = EntryId(commit?.id);
            if Some(id) == old {
                ids.reverse();
                return Ok(Some(ids));
            }
            ids.push(id);
        }
        ids.reverse();
        Ok(old.is_none().then_some(ids))
    }

    /// Returns the ledger commits up to `other` that are neither `tip` nor before it, newest first.
    pub fn commits_beyond_tip(&self, tip: EntryId, other: EntryId) -> Result<Vec<EntryId>> {
        let ids_up_to_tip = self
            .chain_between(None, tip)?
            .unwrap_or_default()
            .into_iter()
            .collect::<std::collections::HashSet<_>>();
        let mut ids = Vec::new();
        for commit in self.first_parent_walk(other.0) {
            let id = EntryId(commit?.id);
            if ids_up_to_tip.contains(&id) {
                break;
            }
            ids.push(id);
        }
        Ok(ids)
    }

    /// Checks whether `entry` is `tip` or a ledger commit before it. For many checks of
    /// one ledger, use [`ChainMembership`].
    ///
    /// # Errors
    /// Fails if a commit is missing, even the tip, rather than answering "no". Fails with
    /// [`Error::LimitExceeded`] after `limit` commits.
    pub fn is_on_chain(&self, tip: EntryId, entry: EntryId, limit: usize) -> Result<bool> {
        let entry_time = self.read_commit(entry.0)?.committer_time;
        if entry == tip {
            return Ok(true);
        }
        for (index, commit) in self.first_parent_walk(tip.0).enumerate() {
            let commit = commit?;
            if commit.id == entry.0 {
                return Ok(true);
            }
            // The times along a ledger never decrease.
            if commit.committer_time < entry_time {
                return Ok(false);
            }
            if index >= limit {
                return Err(Error::limit_exceeded(
                    "the number of entries to look back over",
                    limit,
                ));
            }
        }
        Ok(false)
    }
}

/// The part of a ledger walked so far.
struct WalkedChain<'a> {
    /// The walk along the rest of the ledger.
    rest: FirstParents<'a>,
    /// The commits walked so far.
    ids: HashSet<Oid>,
    /// The time of the oldest commit walked; times on a verified chain never decrease.
    oldest: Time,
}

/// Checks whether ledgers contain commits. Walks each ledger at most once, and only as far as
/// needed.
pub struct ChainMembership<'a> {
    repository: &'a Repository,
    tips: &'a Tips,
    walked: RefCell<BTreeMap<LedgerName, WalkedChain<'a>>>,
}

impl<'a> ChainMembership<'a> {
    /// Creates a checker for the ledgers with these tips.
    pub fn new(repository: &'a Repository, tips: &'a Tips) -> Self {
        Self {
            repository,
            tips,
            walked: RefCell::default(),
        }
    }

    /// Checks whether the ledger contains the commit.
    pub fn contains(&self, ledger: &LedgerName, id: EntryId) -> Result<bool> {
        let Some(tip) = self.tips.get(ledger) else {
            return Ok(false);
        };
        let time = self.repository.read_commit(id.0)?.committer_time;
        let mut walked_chains = self.walked.borrow_mut();
        let walked = walked_chains
            .entry(ledger.clone())
            .or_insert_with(|| WalkedChain {
                rest: self.repository.first_parent_walk(tip.0),
                ids: HashSet::new(),
                // Later than any commit, so that the walk begins.
                oldest: Time::EPOCH.plus(crate::domain::time::Span::from_days(4_000_000)),
            });
        while !walked.ids.contains(&id.0) && walked.oldest >= time {
            let Some(commit) = walked.rest.next() else {
                break;
            };
            let commit = commit?;
            walked.oldest = commit.committer_time;
            walked.ids.insert(commit.id);
        }
        Ok(walked.ids.contains(&id.0))
    }
}
