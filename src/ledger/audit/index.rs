//! An index of the chains of all ledgers, read once: the position of each entry.
//!
//! It answers whether a ledger contains a commit, and whether one entry comes before another, for
//! any thread and without reading history again. It contains only commits and their first parents,
//! and proves nothing.

use std::collections::BTreeMap;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::git::error::{Error, Result};
use crate::git::repo::{Repository, RepositoryHandle};
use crate::ledger::Tips;

/// The chain of one ledger.
pub(super) struct IndexedChain {
    /// The ledger.
    pub ledger: LedgerName,
    /// Its tip.
    pub tip: EntryId,
    /// Its commits as far back as they can be read, oldest first. The first is the genesis, unless
    /// there is a gap.
    pub ids: Vec<EntryId>,
    /// The commit before all these, if it cannot be read.
    pub gap: Option<EntryId>,
    /// Whether the ledger may contain commits before the gap: not if the object there is no commit.
    pub may_contain_more: bool,
    /// The positions, sorted by commit id.
    by_id: Vec<u32>,
}

impl IndexedChain {
    /// Reads the chain that ends in a tip, as far back as possible.
    fn read(repository: &Repository, ledger: &LedgerName, tip: EntryId) -> Self {
        let (mut ids, mut next, mut gap) = (Vec::new(), Some(tip), None);
        let mut may_contain_more = false;
        while let Some(id) = next {
            let parent = match repository.first_parent(id.0) {
                Ok(parent) => parent,
                Err(error) => {
                    gap = Some(id);
                    may_contain_more = !error.is_malformed();
                    break;
                }
            };
            ids.push(id);
            next = parent.map(EntryId);
        }
        ids.reverse();
        Self {
            may_contain_more,
            ..Self::new(ledger, tip, ids, gap)
        }
    }

    /// Builds the index of a chain.
    pub(super) fn new(
        ledger: &LedgerName,
        tip: EntryId,
        ids: Vec<EntryId>,
        gap: Option<EntryId>,
    ) -> Self {
        Self {
            ledger: ledger.clone(),
            tip,
            by_id: sort_positions_by_id(&ids),
            ids,
            gap,
            may_contain_more: gap.is_some(),
        }
    }

    /// Returns the position of a commit in the chain; the oldest commit that can be read has
    /// position 0.
    pub fn position(&self, id: EntryId) -> Option<usize> {
        let index = self
            .by_id
            .binary_search_by_key(&id, |position| self.id_at(*position as usize))
            .ok()?;
        self.by_id.get(index).map(|position| *position as usize)
    }

    /// Returns the commit at a position; the tip if the position is past the end.
    pub fn id_at(&self, position: usize) -> EntryId {
        self.ids.get(position).copied().unwrap_or(self.tip)
    }
}

/// Returns the positions of these ids, sorted by id.
fn sort_positions_by_id(ids: &[EntryId]) -> Vec<u32> {
    // More than four billion entries would not fit into memory.
    let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    let mut positions: Vec<u32> = (0..count).collect();
    positions.sort_unstable_by_key(|position| ids.get(*position as usize));
    positions
}

/// The chains of all ledgers, by name.
#[derive(Default)]
pub(super) struct ChainIndex {
    /// The chains, in the order of the ledgers' names.
    pub chains: Vec<IndexedChain>,
    /// The ledgers whose refs are broken, and why: they may contain any entry.
    pub broken: BTreeMap<LedgerName, String>,
}

impl ChainIndex {
    /// Reads the chains with these tips in parallel.
    pub fn read(
        shared: &RepositoryHandle,
        tips: &Tips,
        broken: BTreeMap<LedgerName, String>,
    ) -> Self {
        let tips: Vec<(&LedgerName, &EntryId)> = tips.iter().collect();
        let read = |(ledger, tip): &(&LedgerName, &EntryId)| {
            IndexedChain::read(&shared.fork(), ledger, **tip)
        };
        Self {
            chains: tips.par_iter().map(read).collect(),
            broken,
        }
    }

    /// Returns the number and the chain of a ledger.
    pub fn chain(&self, ledger: &LedgerName) -> Option<(usize, &IndexedChain)> {
        let number = self
            .chains
            .binary_search_by(|chain| chain.ledger.cmp(ledger))
            .ok()?;
        Some((number, self.chains.get(number)?))
    }

    /// Checks whether the ledger contains the commit.
    ///
    /// # Errors
    /// Fails if the ledger's ref is broken, or if the commit, or the one before the readable part of
    /// the chain, cannot be read: the answer is then unknown.
    pub fn contains(
        &self,
        repository: &Repository,
        ledger: &LedgerName,
        id: EntryId,
    ) -> Result<bool> {
        let Some((_, chain)) = self.chain(ledger) else {
            let unknown = |why: &String| Err(Error::Unverified(why.clone()));
            return self.broken.get(ledger).map_or(Ok(false), unknown);
        };
        if chain.position(id).is_some() {
            return Ok(true);
        }
        repository.read_commit(id.0)?;
        // The commit may be behind the gap.
        chain
            .gap
            .map_or(Ok(()), |gap| repository.read_commit(gap.0).map(drop))?;
        Ok(false)
    }

    /// Checks whether `entry` is `tip` or comes before it in the ledger. Returns `None` if the ledger
    /// does not contain both.
    pub fn precedes(&self, ledger: &LedgerName, tip: EntryId, entry: EntryId) -> Option<bool> {
        let (_, chain) = self.chain(ledger)?;
        Some(chain.position(entry)? <= chain.position(tip)?)
    }
}
