//! Checks the order among ledgers: entries made under an older policy must exist when the next
//! policy is published.
//!
//! A publish names the tips of all environment ledgers. If an entry claims to have seen the
//! previous policy but the next publish did not know the entry, someone added it later to evade the
//! newer rules.

use super::finding::{AuditFinding, AuditRemark, FindingKind, RemarkKind};
use super::index::{ChainIndex, IndexedChain};
use super::ledger_audit::LedgerAudit;
use super::references::PublishRecord;
use crate::domain::name::LedgerName;
use crate::domain::verdict::CheckResult;

/// Adds a finding for each entry of an environment that is out of order, or a remark if the publish
/// admits the entry.
pub(super) fn check_order(index: &ChainIndex, audited: &mut [LedgerAudit]) {
    let Some(policy_audit) = audited.iter().find(|audit| audit.ledger.is_policy()) else {
        return;
    };
    let Some((_, policy_chain)) = index.chain(&policy_audit.ledger) else {
        return;
    };
    let publishes = list_valid_publishes(policy_audit, policy_chain);
    for audit in audited
        .iter_mut()
        .filter(|audit| audit.ledger.is_environment())
    {
        let Some((_, chain)) = index.chain(&audit.ledger) else {
            continue;
        };
        for reference in &audit.references.policy_positions {
            let position = reference.position;
            let next = publishes.partition_point(|publish| publish.position <= reference.seen);
            let Some(next) = publishes.get(next) else {
                continue;
            };
            if find_seen_position(next, &audit.ledger, chain).is_some_and(|seen| position <= seen) {
                continue;
            }
            let id = chain.id_at(position);
            let publish_id = policy_chain.id_at(next.position).short();
            if next.admits.binary_search(&id).is_ok() {
                let text = format!(
                    "it was made under an older policy, after the publish {publish_id} had replaced that policy, and the publish admits it"
                );
                audit.remarks.push(AuditRemark::on_entry(
                    RemarkKind::AdmittedEntry,
                    &audit.ledger,
                    id,
                    text,
                ));
            } else {
                let detail = format!(
                    "it was made under an older policy, and the publish {publish_id} of the next policy had not seen it"
                );
                audit.findings.push(AuditFinding::chain_failure(
                    FindingKind::Order,
                    &audit.ledger,
                    Some(id),
                    detail,
                ));
            }
        }
    }
}

/// Lists the publishes that order other entries: those before the first invalid entry of the policy.
fn list_valid_publishes(audit: &LedgerAudit, chain: &IndexedChain) -> Vec<PublishRecord> {
    let failures = audit.findings.iter();
    let first_invalid = failures
        .filter(|finding| finding.outcome == CheckResult::Fail)
        .map(|finding| finding.entry.and_then(|id| chain.position(id)).unwrap_or(0))
        .min()
        .unwrap_or(usize::MAX);
    let mut publishes = audit.references.publishes.clone();
    publishes.retain(|publish| publish.position < first_invalid);
    publishes
}

/// Returns the position of the ledger's tip that a publish names.
fn find_seen_position(
    publish: &PublishRecord,
    ledger: &LedgerName,
    chain: &IndexedChain,
) -> Option<usize> {
    chain.position(*publish.seen.get(ledger)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{EntryId, Oid};
    use crate::ledger::audit::references::{LedgerReferences, SeenPosition};

    fn id(byte: u8) -> EntryId {
        EntryId(Oid::from_bytes(&[byte; 20]).unwrap())
    }

    fn publish(position: usize, prod: Option<u8>, admits: &[u8]) -> PublishRecord {
        let prod_ledger: LedgerName = "prod".parse().unwrap();
        let seen = prod.map(|tip| (prod_ledger, id(tip))).into_iter().collect();
        PublishRecord {
            position,
            seen,
            admits: admits.iter().copied().map(id).collect(),
        }
    }

    /// The stolen key of a removed person signs an entry under the older policy that still listed
    /// the key. Its time can be forged, but its position in the ledger shows that it came later.
    #[test]
    fn entries_under_an_older_policy() {
        // The policy ledger is 0 (genesis), 1 and 3 (publishes), and 2 between them (an approval,
        // which also counts as a policy tip).
        let check = |prod: &[(u8, u8)], admits: &[u8]| {
            let ids: Vec<EntryId> = prod.iter().map(|(entry, _)| id(*entry)).collect();
            let chain = |name: &str, ids: Vec<EntryId>| {
                IndexedChain::new(&name.parse().unwrap(), ids[ids.len() - 1], ids, None)
            };
            let index = ChainIndex {
                chains: vec![
                    chain("policy", (0..4).map(id).collect()),
                    chain("prod", ids),
                ],
                ..ChainIndex::default()
            };
            let publishes = vec![publish(1, None, &[]), publish(3, Some(11), admits)];
            let policies = prod
                .iter()
                .enumerate()
                .map(|(position, (_, policy))| SeenPosition {
                    position,
                    seen: usize::from(*policy),
                })
                .collect();
            let audited = |name: &str, references| LedgerAudit {
                references,
                ..LedgerAudit::new(name.parse().unwrap(), id(0))
            };
            let policy = audited(
                "policy",
                LedgerReferences {
                    publishes,
                    ..LedgerReferences::default()
                },
            );
            let mut all = [
                policy,
                audited(
                    "prod",
                    LedgerReferences {
                        policy_positions: policies,
                        ..LedgerReferences::default()
                    },
                ),
            ];
            check_order(&index, &mut all);
            let [_, prod] = all;
            let findings: Vec<_> = prod
                .findings
                .iter()
                .filter_map(|finding| finding.entry)
                .collect();
            let admitted: Vec<_> = prod
                .remarks
                .iter()
                .filter_map(|remark| remark.entry)
                .collect();
            (findings, admitted)
        };
        assert_eq!(check(&[(10, 1), (11, 2), (12, 3)], &[]), (vec![], vec![]));
        assert_eq!(
            check(&[(10, 1), (11, 2), (12, 2), (13, 3)], &[]),
            (vec![id(12)], vec![])
        );
        assert_eq!(
            check(&[(10, 1), (11, 2), (12, 1), (13, 3)], &[12]),
            (vec![], vec![id(12)])
        );
        // A ledger that the publish did not name was empty at that time.
        assert_eq!(check(&[(20, 1)], &[]), (vec![id(20)], vec![]));
    }
}
