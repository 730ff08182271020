//! The result of auditing one ledger, put together from the results of its chunks.

use schemars::JsonSchema;
use serde::Serialize;

use super::expected_lines::ExpectedLines;
use super::finding::{AuditFinding, AuditRemark};
use super::index::IndexedChain;
use super::references::{LedgerReferences, RemovedKeyUses, SeenPosition, record_seen};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::time::Time;

/// The times of the first and the last of some entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
pub struct EntryPeriod {
    /// The time of the first entry.
    pub from: Time,
    /// The time of the last entry.
    pub to: Time,
}

/// The result for one ledger.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerAudit {
    /// The ledger.
    pub ledger: LedgerName,
    /// Its tip.
    pub tip: EntryId,
    /// How many entries were validated.
    pub entries: usize,
    /// The times of the first and the last of them.
    #[serde(flatten)]
    pub period: Option<EntryPeriod>,
    /// The findings, in the order of the chain.
    pub findings: Vec<AuditFinding>,
    /// The remarks, in the order of the chain.
    pub remarks: Vec<AuditRemark>,
    #[serde(skip)]
    pub(super) references: LedgerReferences,
    /// How many entries could not be read or reached.
    #[serde(skip)]
    pub(super) unread: usize,
}

impl LedgerAudit {
    /// Creates a result without entries.
    pub(super) fn new(ledger: LedgerName, tip: EntryId) -> Self {
        Self {
            ledger,
            tip,
            entries: 0,
            period: None,
            findings: Vec::new(),
            remarks: Vec::new(),
            references: LedgerReferences::default(),
            unread: 0,
        }
    }

    /// Adds the result of the next chunk.
    pub(super) fn add_chunk(&mut self, chunk: ChunkResult) {
        self.entries += chunk.entries;
        self.unread = self.unread.saturating_sub(chunk.read);
        self.period = match (self.period, chunk.period) {
            (Some(first), Some(last)) => Some(EntryPeriod {
                from: first.from,
                to: last.to,
            }),
            (own, other) => own.or(other),
        };
        self.findings.extend(chunk.findings);
        self.remarks.extend(chunk.remarks);
        for (other, positions) in chunk.references.seen_positions {
            for SeenPosition { position, seen } in positions {
                record_seen(&mut self.references.seen_positions, other, position, seen);
            }
        }
        self.references
            .policy_positions
            .extend(chunk.references.policy_positions);
        self.references.publishes.extend(chunk.references.publishes);
        self.references.missing.extend(chunk.references.missing);
        for (person, uses) in chunk.references.removed_keys {
            self.references
                .removed_keys
                .entry(person)
                .or_insert_with(|| RemovedKeyUses::new(uses.first))
                .count += uses.count;
        }
    }

    /// Sorts findings and remarks in the order of the chain. Those about no entry come first.
    pub(super) fn sort(&mut self, chain: &IndexedChain) {
        let position = |entry: Option<EntryId>| entry.and_then(|id| chain.position(id));
        self.findings
            .sort_by_cached_key(|finding| position(finding.entry));
        self.remarks
            .sort_by_cached_key(|remark| position(remark.entry));
    }
}

/// The result of one chunk.
#[derive(Default)]
pub(super) struct ChunkResult {
    /// The number of validated entries.
    pub entries: usize,
    /// The number of these that could be read.
    pub read: usize,
    /// The times of the first and the last of the read entries.
    pub period: Option<EntryPeriod>,
    pub findings: Vec<AuditFinding>,
    pub remarks: Vec<AuditRemark>,
    pub references: LedgerReferences,
    pub note_lines: ExpectedLines,
}
