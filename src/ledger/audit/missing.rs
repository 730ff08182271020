//! Explains entries that name an entry which another ledger lacks.
//!
//! If a ledger was deleted, rewound or replaced, the entries of other ledgers that name its lost
//! entries fail. The finding then belongs to the damaged ledger, and the others depend on it.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{AuditFinding, FindingKind};
use super::ledger_audit::LedgerAudit;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;

/// Marks the findings of such entries as dependencies, and adds a finding about each ledger that
/// lacks an entry. Returns the findings about ledgers that were not audited or do not exist.
pub(super) fn explain_missing(audited: &mut [LedgerAudit]) -> Vec<AuditFinding> {
    let mut lacking: BTreeMap<LedgerName, (EntryId, LedgerName)> = BTreeMap::new();
    for ledger in audited.iter_mut() {
        let missing = std::mem::take(&mut ledger.references.missing);
        let dependents: BTreeSet<EntryId> = missing.iter().map(|it| it.entry).collect();
        for finding in &mut ledger.findings {
            let is_dependent = finding.entry.is_some_and(|id| dependents.contains(&id));
            if finding.kind == FindingKind::Entry && is_dependent {
                finding.kind = FindingKind::Dependency;
            }
        }
        // The earliest reference is the most useful, and each ledger is reported once.
        for reference in missing.into_iter().filter(|it| it.is_signed) {
            let named = (reference.named, ledger.ledger.clone());
            lacking.entry(reference.other).or_insert(named);
        }
    }
    let mut others = Vec::new();
    for (ledger, (named, by)) in lacking {
        let detail = format!("{by} names this entry, but the ledger {ledger} does not contain it");
        let finding = AuditFinding::chain_failure(FindingKind::Chain, &ledger, Some(named), detail);
        match audited.iter_mut().find(|it| it.ledger == ledger) {
            Some(audit) => audit.findings.push(finding),
            None => others.push(finding),
        }
    }
    others
}
