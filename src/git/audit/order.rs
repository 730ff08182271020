//! The order among ledgers: what was done under an older policy must have been there when the next one was published.
//!
//! A publish names the tips of all environments' ledgers. An entry that says to have seen the policy before, and that no publish
//! knew of, was added later by somebody who wished the older rules back.

use std::collections::HashMap;

use super::{Audited, Finding};
use crate::domain::id::EntryId;
use crate::git::ledger::Tips;

/// What a publish says of the other ledgers.
#[derive(Debug, Clone)]
pub(super) struct Publish {
    /// Its commit.
    pub id: EntryId,
    /// The tips that it names.
    pub seen: Tips,
    /// The entries that it lets in although it had not seen them.
    pub admits: Vec<EntryId>,
}

/// Adds a finding for each entry of an environment that is out of order.
pub(super) fn check(audited: &mut [Audited]) {
    let Some(policy) = audited.iter().find(|it| it.ledger.is_policy()) else { return };
    let positions: HashMap<EntryId, usize> =
        policy.seen.iter().enumerate().map(|(position, (id, _))| (*id, position)).collect();
    let publishes: Vec<(usize, Publish)> =
        policy.publishes.iter().filter_map(|it| Some((*positions.get(&it.id)?, it.clone()))).collect();
    for ledger in audited.iter_mut().filter(|it| it.ledger.is_environment()) {
        let findings = of_ledger(ledger, &positions, &publishes);
        ledger.findings.extend(findings);
    }
}

fn of_ledger(ledger: &Audited, positions: &HashMap<EntryId, usize>, publishes: &[(usize, Publish)]) -> Vec<Finding> {
    let places: HashMap<EntryId, usize> = ledger.seen.iter().enumerate().map(|(place, (id, _))| (*id, place)).collect();
    let mut findings = Vec::new();
    for (place, (id, policy)) in ledger.seen.iter().enumerate() {
        // An entry that names no policy, or one that the ledger does not hold, has a finding of its own.
        let Some(position) = policy.and_then(|policy| positions.get(&policy)) else { continue };
        let next = publishes.partition_point(|(published, _)| published <= position);
        let Some((_, next)) = publishes.get(next) else { continue };
        let named = next.seen.get(&ledger.ledger).and_then(|tip| places.get(tip));
        let known = named.is_some_and(|named| place <= *named) || next.admits.contains(id);
        if !known {
            let what = format!("it was made under an older policy, and {} had not seen it", next.id.short());
            findings.push(Finding::fail(&ledger.ledger, Some(*id), what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::Oid;
    use crate::domain::name::LedgerName;

    fn id(byte: u8) -> EntryId {
        EntryId(Oid::from_bytes(&[byte; 20]).unwrap())
    }

    fn audited(ledger: &str, seen: &[(u8, Option<u8>)], publishes: Vec<Publish>) -> Audited {
        Audited {
            ledger: ledger.parse().unwrap(),
            tip: id(0),
            entries: seen.len(),
            span: None,
            findings: Vec::new(),
            remarks: Vec::new(),
            seen: seen.iter().map(|(entry, policy)| (id(*entry), policy.map(id))).collect(),
            publishes,
        }
    }

    fn publish(entry: u8, prod: Option<u8>, admits: &[u8]) -> Publish {
        let prod_ledger: LedgerName = "prod".parse().unwrap();
        let seen = prod.map(|tip| (prod_ledger, id(tip))).into_iter().collect();
        Publish { id: id(entry), seen, admits: admits.iter().copied().map(id).collect() }
    }

    /// The stolen key of a removed person signs under the policy that still knew it: no clock gives that away, the order does.
    #[test]
    fn entries_under_an_older_policy() {
        let found = |prod: &[(u8, Option<u8>)], admits: &[u8]| {
            let publishes = vec![publish(1, None, &[]), publish(3, Some(11), admits)];
            // Between the two publishes stands an approval, which also counts as a policy's tip.
            let policy = audited("policy", &[(1, None), (2, None), (3, None)], publishes);
            let mut all = [policy, audited("prod", prod, Vec::new())];
            check(&mut all);
            all[1].findings.iter().filter_map(|finding| finding.entry).collect::<Vec<_>>()
        };
        assert_eq!(found(&[(10, Some(1)), (11, Some(2)), (12, Some(3))], &[]), []);
        assert_eq!(found(&[(10, Some(1)), (11, Some(2)), (12, Some(2)), (13, Some(3))], &[]), [id(12)]);
        assert_eq!(found(&[(10, Some(1)), (11, Some(2)), (12, Some(1)), (13, Some(3))], &[12]), []);
        // A ledger that the publish did not name at all held nothing then.
        assert_eq!(found(&[(20, Some(1))], &[]), [id(20)]);
    }
}
