//! How the entries of a ledger refer to other ledgers, and who signed them with removed keys.

use std::collections::BTreeMap;

use crate::domain::id::EntryId;
use crate::domain::name::Person;
use crate::ledger::Tips;

/// By the number of another ledger: the entries that have seen more of that ledger than all entries
/// before them, each as its own position and the position seen. Both increase.
pub(super) type SeenPositions = BTreeMap<usize, Vec<(usize, usize)>>;

/// How many entries of a ledger each person signed with keys that were removed later, and the first
/// such entry.
pub(super) type RemovedKeyUses = BTreeMap<Person, (usize, EntryId)>;

/// What a publish says about the other ledgers.
#[derive(Debug, Clone)]
pub(super) struct PublishRecord {
    /// Its position in the policy ledger.
    pub position: usize,
    /// The tips that it names.
    pub seen: Tips,
    /// The entries that it admits although it had not seen them, sorted.
    pub admits: Vec<EntryId>,
}

/// How the entries of a ledger refer to other ledgers.
#[derive(Debug, Default)]
pub(super) struct LedgerReferences {
    /// How much of the other ledgers the entries have seen.
    pub seen_positions: SeenPositions,
    /// The position of each entry, and of the policy that it has seen.
    pub policy_positions: Vec<(usize, usize)>,
    /// For the policy ledger: what each publish, oldest first, has seen and admits.
    pub publishes: Vec<PublishRecord>,
    /// Who signed entries with keys that were removed later.
    pub removed_keys: RemovedKeyUses,
}

/// Records what an entry has seen, if it is more than any entry before.
pub(super) fn record_seen(
    references: &mut SeenPositions,
    other: usize,
    position: usize,
    seen: usize,
) {
    let positions = references.entry(other).or_default();
    if positions.last().is_none_or(|(_, before)| *before < seen) {
        positions.push((position, seen));
    }
}
