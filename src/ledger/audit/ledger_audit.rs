//! The result of auditing one ledger, put together from the results of its chunks.

use schemars::JsonSchema;
use serde::Serialize;

use super::expected_lines::ExpectedLines;
use super::finding::{AuditFinding, AuditRemark};
use super::index::IndexedChain;
use super::references::{LedgerReferences, record_seen};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::time::Time;

/// The times of the first and the last of some entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
pub struct EntrySpan {
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
    pub span: Option<EntrySpan>,
    /// What is wrong, in the order of the chain.
    pub findings: Vec<AuditFinding>,
    /// What a reader should know, in the order of the chain.
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
            span: None,
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
        self.span = match (self.span, chunk.span) {
            (Some(first), Some(last)) => Some(EntrySpan {
                from: first.from,
                to: last.to,
            }),
            (own, other) => own.or(other),
        };
        self.findings.extend(chunk.findings);
        self.remarks.extend(chunk.remarks);
        for (other, positions) in chunk.references.seen_positions {
            for (position, seen) in positions {
                record_seen(&mut self.references.seen_positions, other, position, seen);
            }
        }
        self.references
            .policy_positions
            .extend(chunk.references.policy_positions);
        self.references.publishes.extend(chunk.references.publishes);
        for (person, (count, first)) in chunk.references.removed_keys {
            self.references
                .removed_keys
                .entry(person)
                .or_insert((0, first))
                .0 += count;
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
    pub entries: usize,
    /// How many of the entries could be read.
    pub read: usize,
    pub span: Option<EntrySpan>,
    pub findings: Vec<AuditFinding>,
    pub remarks: Vec<AuditRemark>,
    pub references: LedgerReferences,
    pub note_lines: ExpectedLines,
}
