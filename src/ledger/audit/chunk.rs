//! Validates one chunk of a ledger on one thread.
//!
//! A chunk takes the entry and tree of the commit before it as they are, because the previous chunk
//! validates them. Therefore each entry is validated exactly once, no matter how the ledger is
//! split, and a failure is reported at the entry that causes it.

use std::ops::Range;
use std::sync::Arc;

use super::finding::{AuditFinding, FindingKind};
use super::index::{ChainIndex, IndexedChain};
use super::ledger_audit::{ChunkResult, EntryPeriod};
use super::references::{
    LedgerReferences, MissingReference, PublishRecord, SeenPosition, record_seen,
};
use super::remarks::RemarkCollector;
use crate::domain::entry::{Action, Entry, Statement, Verified};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::policy::Policy;
use crate::domain::rules::Facts;
use crate::domain::verdict::CheckResult;
use crate::git::error::Result;
use crate::git::repo::Repository;
use crate::ledger::entry_notes::EntryNotes;
use crate::ledger::entry_validator::{ChainTip, EntryValidator, ValidatedEntry, ValidationContext};
use crate::ledger::facts::{EntryOrder, FactGatherer};
use crate::ledger::{LedgerCommit, Project};

/// The context that all chunks share.
#[derive(Clone, Copy)]
pub(super) struct ChunkContext<'a> {
    pub project: &'a Project,
    pub index: &'a ChainIndex,
    pub order: &'a EntryOrder<'a>,
    /// The policy in force now, if it can be read.
    pub present_policy: Option<&'a Arc<Policy>>,
    /// Whether the lines of the notes are collected.
    pub wants_notes: bool,
    /// Called with the number of entries validated since the last call.
    pub on_validated: &'a (dyn Fn(usize) + Sync),
}

/// Validates chunks of ledgers.
pub(super) struct ChunkAuditor<'a> {
    repository: &'a Repository,
    shared: ChunkContext<'a>,
    validator: EntryValidator<'a>,
    entry_notes: EntryNotes<'a>,
}

impl<'a> ChunkAuditor<'a> {
    /// Creates an auditor for one thread.
    pub fn new(repository: &'a Repository, shared: ChunkContext<'a>) -> Self {
        let gatherer = FactGatherer::new(repository, shared.project).with_stated_branches();
        let gatherer = gatherer.with_order(shared.order);
        Self {
            repository,
            shared,
            validator: EntryValidator::new(repository, gatherer, None),
            entry_notes: EntryNotes::new(repository),
        }
    }

    /// Validates the entries of a chain at these positions. `chain_number` is the chain's index in
    /// [`ChainIndex::chains`]. An error that prevents validation becomes a finding.
    pub fn audit(
        &self,
        chain_number: usize,
        chain: &IndexedChain,
        positions: Range<usize>,
    ) -> ChunkResult {
        let mut result = ChunkResult::default();
        if let Err(error) = self.audit_positions(chain_number, chain, positions, &mut result) {
            result.findings.push(AuditFinding::from_error(
                FindingKind::Chain,
                Some(&chain.ledger),
                &error,
            ));
        }
        result
    }

    /// Validates from the first position whose preceding entry can be read, and continues past the
    /// end of the chunk to the next such position. The next chunk begins there.
    fn audit_positions(
        &self,
        chain_number: usize,
        chain: &IndexedChain,
        positions: Range<usize>,
        result: &mut ChunkResult,
    ) -> Result<()> {
        let genesis = self.validator.load_tip(&chain.ledger, None)?;
        let tip_before = |position| self.load_tip_before(&genesis, chain, position);
        let Some((mut position, first)) = positions
            .clone()
            .find_map(|position| Some((position, tip_before(position)?)))
        else {
            return Ok(());
        };
        let (mut tip, mut is_readable) = (Some(first), true);
        while position < chain.ids.len() && (position < positions.end || !is_readable) {
            let id = chain.id_at(position);
            let Some(before) = tip else {
                let why = "it cannot be validated: the commit before it cannot be read";
                let finding =
                    AuditFinding::chain_failure(FindingKind::Chain, &chain.ledger, Some(id), why);
                result.findings.push(AuditFinding {
                    outcome: CheckResult::Unknown,
                    ..finding
                });
                position += 1;
                tip = tip_before(position);
                is_readable = tip.is_some();
                continue;
            };
            let validated = self.audit_entry(chain_number, chain, position, &before, result);
            is_readable = validated.stored.is_some();
            // The chain continues with an invalid entry as it is, so that later entries are still
            // validated.
            tip = validated.next_tip.or_else(|| {
                let tree = self.repository.read_commit(id.0).ok()?.tree;
                Some(match &validated.stored {
                    Some(stored) => before.at_entry(id, tree, &stored.statement),
                    None => before.advanced_unread(id, tree),
                })
            });
            position += 1;
        }
        Ok(())
    }

    /// Returns the end of the chain before a position, or `None` if the entry there cannot be read.
    fn load_tip_before(
        &self,
        genesis: &ChainTip,
        chain: &IndexedChain,
        position: usize,
    ) -> Option<ChainTip> {
        let before = chain.id_at(position.checked_sub(1)?);
        match self.repository.read_ledger_commit(&chain.ledger, before) {
            Ok(LedgerCommit::Genesis) if before == genesis.chain.tip => Some(genesis.clone()),
            Ok(LedgerCommit::Entry { commit, entry, .. }) => {
                Some(genesis.at_entry(before, commit.tree, entry.statement()))
            }
            Ok(LedgerCommit::Genesis) | Err(_) => None,
        }
    }

    /// Validates one entry, and adds its findings, remarks and references to `result`.
    fn audit_entry(
        &self,
        chain_number: usize,
        chain: &IndexedChain,
        position: usize,
        tip: &ChainTip,
        result: &mut ChunkResult,
    ) -> ValidatedEntry {
        let ChunkContext {
            index,
            wants_notes,
            on_validated,
            ..
        } = self.shared;
        let (ledger, id) = (&chain.ledger, chain.id_at(position));
        let contains = |ledger: &LedgerName, id| index.contains(self.repository, ledger, id);
        let validated =
            self.validator
                .validate(ledger, tip, id, ValidationContext::History(&contains));
        result.entries += 1;
        let checks = validated.verdict.checks.iter();
        let findings = checks.filter_map(|check| AuditFinding::from_check(ledger, id, check));
        result.findings.extend(findings);
        if let Some(statement) = validated.stored.as_ref().map(|stored| &stored.statement) {
            let to = statement.at;
            let from = result.period.map_or(to, |period| period.from);
            result.period = Some(EntryPeriod { from, to });
            result.read += 1;
            self.record_references(position, statement, &mut result.references);
            if !validated.is_forged() {
                let is_signed = validated.entry.is_some();
                self.record_missing(id, is_signed, statement, &mut result.references);
            }
            if wants_notes {
                result.note_lines.add_entry(
                    chain_number,
                    position,
                    id,
                    tip.chain.tip,
                    statement,
                    &self.entry_notes,
                );
            }
        }
        if let (Some(entry), Some(facts)) = (&validated.entry, &validated.facts) {
            self.collect_remarks(id, entry, facts, result);
        }
        on_validated(1);
        validated
    }

    /// Collects the remarks about an entry.
    fn collect_remarks(
        &self,
        id: EntryId,
        entry: &Entry<Verified>,
        facts: &Facts,
        result: &mut ChunkResult,
    ) {
        let collector = RemarkCollector {
            index: self.shared.index,
            present_policy: self.shared.present_policy.map(AsRef::as_ref),
        };
        let seen = entry.statement().seen.get(&LedgerName::policy());
        let seen_policy =
            seen.and_then(|tip| self.validator.gatherer.policy_at(*tip).ok().flatten());
        result
            .remarks
            .extend(collector.collect(id, entry, seen_policy.as_deref(), facts));
        collector.count_removed_key(id, entry, &mut result.references.removed_keys);
    }

    /// Records which entries an entry names that are not in the other ledgers.
    fn record_missing(
        &self,
        entry: EntryId,
        is_signed: bool,
        statement: &Statement,
        references: &mut LedgerReferences,
    ) {
        // Behind a gap, and in a ledger whose ref is broken, there may be any entry.
        let contains = |ledger: &LedgerName, id| {
            let index = self.shared.index;
            let chain = index.chain(ledger);
            index.broken.contains_key(ledger)
                || chain.is_some_and(|(_, chain)| {
                    chain.may_contain_more || chain.position(id).is_some()
                })
        };
        let missing = statement
            .seen
            .iter()
            .filter(|(other, named)| !contains(other, **named));
        references
            .missing
            .extend(missing.map(|(other, named)| MissingReference {
                entry,
                is_signed,
                other: other.clone(),
                named: *named,
            }));
    }

    /// Records which entries of other ledgers an entry has seen.
    fn record_references(
        &self,
        position: usize,
        statement: &Statement,
        references: &mut LedgerReferences,
    ) {
        for (ledger, seen) in &statement.seen {
            // If the ledger does not contain the entry, the validation has reported that.
            let Some((other, chain)) = self.shared.index.chain(ledger) else {
                continue;
            };
            let Some(seen) = chain.position(*seen) else {
                continue;
            };
            record_seen(&mut references.seen_positions, other, position, seen);
            if ledger.is_policy() {
                references
                    .policy_positions
                    .push(SeenPosition { position, seen });
            }
        }
        if let Action::Publish(publish) = &statement.action {
            let mut admits = publish.admits.clone();
            admits.sort_unstable();
            references.publishes.push(PublishRecord {
                position,
                seen: statement.seen.clone(),
                admits,
            });
        }
    }
}
