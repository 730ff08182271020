//! Entries that lean on ones that do not stand.
//!
//! An entry is judged by the policy, and by the other ledgers, that it says to have seen. Where one of those is forged, what it allows
//! proves nothing, however well it fits.

use std::collections::BTreeMap;

use super::index::Index;
use super::{Audited, Finding, Kind};
use crate::domain::id::EntryId;
use crate::domain::verdict::Outcome;

/// By the number of another ledger: the places at which more of it had been seen than ever before, each with how far, both rising.
pub(super) type Leans = BTreeMap<usize, Vec<(usize, usize)>>;

/// Where each ledger, by its number, no longer stands: from the first entry with a fault on.
type Fallen = BTreeMap<usize, usize>;

/// Remembers what an entry has seen, if it is more than was seen before.
pub(super) fn lean(leans: &mut Leans, other: usize, place: usize, seen: usize) {
    let far = leans.entry(other).or_default();
    if far.last().is_none_or(|(_, before)| *before < seen) {
        far.push((place, seen));
    }
}

/// Adds a finding to each ledger that leans, before any fault of its own, on what does not stand: at its first entry that does.
pub(super) fn check(index: &Index, audited: &mut [Audited]) {
    let mut fallen: Fallen = audited
        .iter()
        .filter_map(|it| own_fault(index, it))
        .collect();
    let mut leaning: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    // Each round takes ground from some ledger, until nothing more falls.
    loop {
        let mut more = false;
        for ledger in audited.iter() {
            let Some((number, _)) = index.chain(&ledger.ledger) else {
                continue;
            };
            let Some((place, other)) = first(&ledger.ties.leans, &fallen) else {
                continue;
            };
            if fallen.get(&number).is_none_or(|at| place < *at) {
                fallen.insert(number, place);
                leaning.insert(number, (place, other));
                more = true;
            }
        }
        if !more {
            break;
        }
    }
    for ledger in audited {
        let Some((number, chain)) = index.chain(&ledger.ledger) else {
            continue;
        };
        let Some((place, other)) = leaning.get(&number) else {
            continue;
        };
        let (Some(what), Some(other)) =
            (tip(ledger, index, *place, *other), index.chains.get(*other))
        else {
            continue;
        };
        let what = format!(
            "it leans on {} of {}, which does not stand",
            what.short(),
            other.ledger
        );
        ledger.findings.push(Finding::fail(
            Kind::Support,
            &ledger.ledger,
            Some(chain.at(*place)),
            what,
        ));
    }
}

/// The number of a ledger with the place of its first fault; a fault of no entry in particular is one of the whole ledger.
fn own_fault(index: &Index, ledger: &Audited) -> Option<(usize, usize)> {
    let (number, chain) = index.chain(&ledger.ledger)?;
    let faults = ledger
        .findings
        .iter()
        .filter(|finding| finding.outcome == Outcome::Fail);
    let places = faults.map(|finding| finding.entry.and_then(|id| chain.place(id)).unwrap_or(0));
    Some((number, places.min()?))
}

/// The first place that leans on what is fallen, and on which ledger.
fn first(leans: &Leans, fallen: &Fallen) -> Option<(usize, usize)> {
    let of_one = |(other, far): (&usize, &Vec<(usize, usize)>)| {
        let from = fallen.get(other)?;
        let at = far.partition_point(|(_, seen)| seen < from);
        far.get(at).map(|(place, _)| (*place, *other))
    };
    leans.iter().filter_map(of_one).min()
}

/// What of the other ledger the entry at a place has seen.
fn tip(ledger: &Audited, index: &Index, place: usize, other: usize) -> Option<EntryId> {
    let far = ledger.ties.leans.get(&other)?;
    let (_, seen) = far.iter().find(|(at, _)| *at == place)?;
    Some(index.chains.get(other)?.at(*seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Oid;
    use crate::ledger::audit::index::Chain;
    use crate::ledger::audit::{Audited, Ties};

    fn id(ledger: u8, place: u8) -> EntryId {
        let mut bytes = [ledger; 20];
        bytes[19] = place;
        EntryId(Oid::from_bytes(&bytes).unwrap())
    }

    /// What falls takes with it what leans on it, however long the way round, and each ledger is told of once, at its first such entry.
    #[test]
    fn falls_on() {
        let names = ["a", "b", "c"];
        let chain = |(number, name): (u8, &str)| {
            Chain::new(
                &name.parse().unwrap(),
                id(number, 9),
                (0..10).map(|place| id(number, place)).collect(),
                None,
            )
        };
        let index = Index {
            chains: (0..).zip(names).map(chain).collect(),
        };
        let audited = |name: &str, seen: &[(usize, usize, usize)], fault: Option<EntryId>| {
            let ledger = name.parse().unwrap();
            let mut ties = Ties::default();
            for (other, place, far) in seen {
                lean(&mut ties.leans, *other, *place, *far);
            }
            let findings = fault
                .map(|id| Finding::fail(Kind::Entry, &ledger, Some(id), "forged"))
                .into_iter()
                .collect();
            Audited {
                findings,
                ties,
                ..Audited::empty(ledger, id(0, 9))
            }
        };
        // The third's seventh is forged; the second has seen it at its fifth, and the first has seen that at its third.
        let second = |fault| audited("b", &[(2, 1, 2), (2, 2, 1), (2, 5, 8), (0, 6, 9)], fault);
        let first = || audited("a", &[(1, 2, 4), (1, 3, 6), (1, 4, 7)], None);
        let third = || audited("c", &[(0, 6, 2), (0, 7, 3)], Some(id(2, 7)));
        let found = |second| {
            let mut all = [first(), second, third()];
            check(&index, &mut all);
            all.map(|it| {
                it.findings
                    .iter()
                    .filter_map(|it| it.entry)
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(
            found(second(None)),
            [vec![id(0, 3)], vec![id(1, 5)], vec![id(2, 7)]]
        );
        // A fault of its own before that says it already, and lets the first fall sooner: under the third, too, before its own.
        assert_eq!(
            found(second(Some(id(1, 4)))),
            [vec![id(0, 2)], vec![id(1, 4)], vec![id(2, 7), id(2, 6)]]
        );
    }
}
