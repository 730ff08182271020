//! Finds entries that depend on invalid ones.
//!
//! An entry is validated against the policy and other ledgers that it claims to have seen. If one
//! of those is forged, an entry that it allows proves nothing, even if it is valid by itself.

use std::collections::BTreeMap;

use super::finding::{AuditFinding, FindingKind};
use super::index::ChainIndex;
use super::ledger_audit::LedgerAudit;
use super::references::{SeenPosition, SeenPositions};
use crate::domain::id::EntryId;
use crate::domain::verdict::CheckResult;

/// The first invalid position of each ledger, by the ledger's number. Every later position is
/// invalid, too.
type InvalidFrom = BTreeMap<usize, usize>;

/// An entry that depends on an entry of another ledger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Dependency {
    /// The position of the dependent entry in its ledger.
    position: usize,
    /// The number of the other ledger.
    other: usize,
}

/// Adds a finding for the first entry of each ledger that depends on an invalid entry of another
/// ledger, unless the ledger has a failure at or before that entry.
pub(super) fn check_dependencies(index: &ChainIndex, audited: &mut [LedgerAudit]) {
    let mut invalid: InvalidFrom = audited
        .iter()
        .filter_map(|ledger| find_first_failure(index, ledger))
        .collect();
    let mut dependencies: BTreeMap<usize, Dependency> = BTreeMap::new();
    // Each round shortens the valid part of some ledger, until nothing changes.
    loop {
        let mut is_changed = false;
        for ledger in audited.iter() {
            let Some((number, _)) = index.chain(&ledger.ledger) else {
                continue;
            };
            let Some(dependency) =
                find_first_invalid_dependency(&ledger.references.seen_positions, &invalid)
            else {
                continue;
            };
            let position = dependency.position;
            if invalid.get(&number).is_none_or(|first| position < *first) {
                invalid.insert(number, position);
                dependencies.insert(number, dependency);
                is_changed = true;
            }
        }
        if !is_changed {
            break;
        }
    }
    for ledger in audited {
        let Some((number, chain)) = index.chain(&ledger.ledger) else {
            continue;
        };
        let Some(dependency) = dependencies.get(&number) else {
            continue;
        };
        let (Some(seen_tip), Some(other)) = (
            find_seen_tip(ledger, index, *dependency),
            index.chains.get(dependency.other),
        ) else {
            continue;
        };
        let detail = format!(
            "it depends on {} of {}, which is invalid",
            seen_tip.short(),
            other.ledger
        );
        ledger.findings.push(AuditFinding::chain_failure(
            FindingKind::Dependency,
            &ledger.ledger,
            Some(chain.id_at(dependency.position)),
            detail,
        ));
    }
}

/// Returns the number of a ledger and the position of its first failure. A failure of no particular
/// entry counts for the whole ledger.
fn find_first_failure(index: &ChainIndex, ledger: &LedgerAudit) -> Option<(usize, usize)> {
    let (number, chain) = index.chain(&ledger.ledger)?;
    let failures = ledger
        .findings
        .iter()
        .filter(|finding| finding.outcome == CheckResult::Fail);
    let positions =
        failures.map(|finding| finding.entry.and_then(|id| chain.position(id)).unwrap_or(0));
    Some((number, positions.min()?))
}

/// Returns the first entry that depends on an invalid entry of another ledger.
fn find_first_invalid_dependency(
    references: &SeenPositions,
    invalid: &InvalidFrom,
) -> Option<Dependency> {
    let first_on = |(other, positions): (&usize, &Vec<SeenPosition>)| {
        let first_invalid = *invalid.get(other)?;
        let index = positions.partition_point(|reference| reference.seen < first_invalid);
        positions.get(index).map(|reference| Dependency {
            position: reference.position,
            other: *other,
        })
    };
    references.iter().filter_map(first_on).min()
}

/// Returns the commit of the other ledger that a dependent entry has seen.
fn find_seen_tip(
    ledger: &LedgerAudit,
    index: &ChainIndex,
    dependency: Dependency,
) -> Option<EntryId> {
    let references = ledger.references.seen_positions.get(&dependency.other)?;
    let reference = references
        .iter()
        .find(|reference| reference.position == dependency.position)?;
    Some(index.chains.get(dependency.other)?.id_at(reference.seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Oid;
    use crate::ledger::audit::index::IndexedChain;
    use crate::ledger::audit::references::{LedgerReferences, record_seen};

    fn id(ledger: u8, position: u8) -> EntryId {
        let mut bytes = [ledger; 20];
        bytes[19] = position;
        EntryId(Oid::from_bytes(&bytes).unwrap())
    }

    /// An invalid entry invalidates all that depend on it, over any number of steps, and each
    /// ledger is reported once, at its first such entry.
    #[test]
    fn dependents_are_reported() {
        let names = ["a", "b", "c"];
        let chain = |(number, name): (u8, &str)| {
            IndexedChain::new(
                &name.parse().unwrap(),
                id(number, 9),
                (0..10).map(|position| id(number, position)).collect(),
                None,
            )
        };
        let index = ChainIndex {
            chains: (0..).zip(names).map(chain).collect(),
            ..ChainIndex::default()
        };
        let audited = |name: &str, seen: &[(usize, usize, usize)], failure: Option<EntryId>| {
            let ledger = name.parse().unwrap();
            let mut references = LedgerReferences::default();
            for (other, position, seen_position) in seen {
                record_seen(
                    &mut references.seen_positions,
                    *other,
                    *position,
                    *seen_position,
                );
            }
            let findings = failure
                .map(|id| {
                    AuditFinding::chain_failure(FindingKind::Entry, &ledger, Some(id), "forged")
                })
                .into_iter()
                .collect();
            LedgerAudit {
                findings,
                references,
                ..LedgerAudit::new(ledger, id(0, 9))
            }
        };
        // The third ledger's seventh entry is forged. The second ledger has seen it at its fifth
        // entry, and the first ledger has seen that at its third.
        let second = |failure| audited("b", &[(2, 1, 2), (2, 2, 1), (2, 5, 8), (0, 6, 9)], failure);
        let first = || audited("a", &[(1, 2, 4), (1, 3, 6), (1, 4, 7)], None);
        let third = || audited("c", &[(0, 6, 2), (0, 7, 3)], Some(id(2, 7)));
        let findings_with = |second| {
            let mut all = [first(), second, third()];
            check_dependencies(&index, &mut all);
            all.map(|it| {
                it.findings
                    .iter()
                    .filter_map(|it| it.entry)
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(
            findings_with(second(None)),
            [vec![id(0, 3)], vec![id(1, 5)], vec![id(2, 7)]]
        );
        // If the fourth entry of the second ledger is forged too, that failure replaces the finding
        // at its fifth. The first ledger then becomes invalid at its second entry. So the third
        // ledger depends on an invalid entry at its sixth, before the failure at its seventh.
        assert_eq!(
            findings_with(second(Some(id(1, 4)))),
            [vec![id(0, 2)], vec![id(1, 4)], vec![id(2, 7), id(2, 6)]]
        );
    }
}
