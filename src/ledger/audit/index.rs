//! The chains of all ledgers, read once: where each entry stands.
//!
//! What an audit asks of order (does that ledger hold this, did it come before that) is answered from here, by any thread and without
//! reading the history again. It knows commits and their first parents alone: nothing here is proven.

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::git::error::Result;
use crate::git::repo::{Repository, Shared};
use crate::ledger::Tips;

/// The chain of one ledger.
pub(super) struct Chain {
    /// The ledger.
    pub ledger: LedgerName,
    /// Its tip.
    pub tip: EntryId,
    /// Its commits as far back as they can be read, oldest first: the first is the genesis, unless there is a gap.
    pub ids: Vec<EntryId>,
    /// The commit that should come before all these and cannot be read.
    pub gap: Option<EntryId>,
    /// The places in the order of their ids.
    by_id: Vec<u32>,
}

impl Chain {
    fn read(repository: &Repository, ledger: &LedgerName, tip: EntryId) -> Self {
        let (mut ids, mut next, mut gap) = (Vec::new(), Some(tip), None);
        while let Some(id) = next {
            let Ok(parent) = repository.first_parent(id.0) else {
                gap = Some(id);
                break;
            };
            ids.push(id);
            next = parent.map(EntryId);
        }
        ids.reverse();
        Self::new(ledger, tip, ids, gap)
    }

    pub(super) fn new(
        ledger: &LedgerName,
        tip: EntryId,
        ids: Vec<EntryId>,
        gap: Option<EntryId>,
    ) -> Self {
        Self {
            ledger: ledger.clone(),
            tip,
            by_id: by_id(&ids),
            ids,
            gap,
        }
    }

    /// The place of a commit in the chain; the oldest that can be read has place 0.
    pub fn place(&self, id: EntryId) -> Option<usize> {
        let found = self
            .by_id
            .binary_search_by_key(&id, |place| self.at(*place as usize));
        found
            .ok()
            .and_then(|index| self.by_id.get(index))
            .map(|place| *place as usize)
    }

    /// The commit at a place; the tip behind the end.
    pub fn at(&self, place: usize) -> EntryId {
        self.ids.get(place).copied().unwrap_or(self.tip)
    }
}

/// The places of these ids in the order of the ids.
fn by_id(ids: &[EntryId]) -> Vec<u32> {
    // Four billion entries would not fit into memory.
    let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    let mut places: Vec<u32> = (0..count).collect();
    places.sort_unstable_by_key(|place| ids.get(*place as usize));
    places
}

/// The chains of all ledgers, by name.
pub(super) struct Index {
    /// The chains, in the order of the ledgers' names.
    pub chains: Vec<Chain>,
}

impl Index {
    /// Reads the chains that end in these tips, each on its own processor.
    pub fn read(shared: &Shared, tips: &Tips) -> Self {
        let tips: Vec<(&LedgerName, &EntryId)> = tips.iter().collect();
        let read =
            |(ledger, tip): &(&LedgerName, &EntryId)| Chain::read(&shared.fork(), ledger, **tip);
        Self {
            chains: tips.par_iter().map(read).collect(),
        }
    }

    /// The number and the chain of a ledger.
    pub fn chain(&self, ledger: &LedgerName) -> Option<(usize, &Chain)> {
        let number = self
            .chains
            .binary_search_by(|chain| chain.ledger.cmp(ledger))
            .ok()?;
        Some((number, self.chains.get(number)?))
    }

    /// Whether the ledger holds the commit.
    ///
    /// # Errors
    /// A commit, its or the one before the chain breaks off, that cannot be read: then nothing can be told.
    pub fn holds(&self, repository: &Repository, ledger: &LedgerName, id: EntryId) -> Result<bool> {
        let Some((_, chain)) = self.chain(ledger) else {
            return Ok(false);
        };
        if chain.place(id).is_some() {
            return Ok(true);
        }
        repository.read_commit(id.0)?;
        // It may lie behind the gap.
        chain
            .gap
            .map_or(Ok(()), |gap| repository.read_commit(gap.0).map(drop))?;
        Ok(false)
    }

    /// Whether `wanted` is `tip` or before it in the ledger; `None` if the ledger does not hold both.
    pub fn precedes(&self, ledger: &LedgerName, tip: EntryId, wanted: EntryId) -> Option<bool> {
        let (_, chain) = self.chain(ledger)?;
        Some(chain.place(wanted)? <= chain.place(tip)?)
    }
}
