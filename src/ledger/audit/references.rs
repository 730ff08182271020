//! The references of a ledger's entries to other ledgers, and the use of removed keys.

use std::collections::BTreeMap;

use crate::domain::id::EntryId;
use crate::domain::name::{LedgerName, Person};
use crate::ledger::Tips;

/// A reference of an entry to another ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SeenPosition {
    /// The position of the entry in its own ledger.
    pub position: usize,
    /// The position of the tip of the other ledger that the entry has seen.
    pub seen: usize,
}

/// By the number of another ledger: the references of those entries that have seen more of that
/// ledger than all entries before them. Both positions increase.
pub(super) type SeenPositions = BTreeMap<usize, Vec<SeenPosition>>;

/// The entries of a ledger that one person signed with keys that were removed later.
#[derive(Debug, Clone, Copy)]
pub(super) struct RemovedKeyUses {
    /// The number of these entries.
    pub count: usize,
    /// The first of them.
    pub first: EntryId,
}

impl RemovedKeyUses {
    /// Returns a count of zero. `first` is the first entry that will be counted.
    pub fn new(first: EntryId) -> Self {
        Self { count: 0, first }
    }
}

/// The references of a publish to the other ledgers.
#[derive(Debug, Clone)]
pub(super) struct PublishRecord {
    /// Its position in the policy ledger.
    pub position: usize,
    /// The tips that it names.
    pub seen: Tips,
    /// The entries that it admits although it had not seen them, sorted.
    pub admits: Vec<EntryId>,
}

/// A reference to an entry that the other ledger does not contain.
#[derive(Debug, Clone)]
pub(super) struct MissingReference {
    /// The entry with the reference.
    pub entry: EntryId,
    /// Whether its signature is valid.
    pub is_signed: bool,
    /// The other ledger.
    pub other: LedgerName,
    /// The entry that it names.
    pub named: EntryId,
}

/// The references of a ledger's entries to other ledgers, and the use of removed keys.
#[derive(Debug, Default)]
pub(super) struct LedgerReferences {
    /// The references to each other ledger.
    pub seen_positions: SeenPositions,
    /// The reference of each entry to the policy ledger.
    pub policy_positions: Vec<SeenPosition>,
    /// For the policy ledger: the references of each publish, oldest first.
    pub publishes: Vec<PublishRecord>,
    /// The entries of other ledgers that entries name, and that those ledgers do not contain.
    pub missing: Vec<MissingReference>,
    /// The people who signed entries with keys that were removed later.
    pub removed_keys: BTreeMap<Person, RemovedKeyUses>,
}

/// Records the reference of an entry to another ledger if the entry has seen more of that ledger
/// than any entry before it.
pub(super) fn record_seen(
    references: &mut SeenPositions,
    other: usize,
    position: usize,
    seen: usize,
) {
    let positions = references.entry(other).or_default();
    if positions.last().is_none_or(|last| last.seen < seen) {
        positions.push(SeenPosition { position, seen });
    }
}
