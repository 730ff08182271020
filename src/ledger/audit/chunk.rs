//! Validates one chunk of a ledger on one thread.
//!
//! A chunk takes the entry and tree of the commit before it as they are, because the previous chunk
//! validates them. So every entry is validated once, however the ledger is split, and a failure is
//! reported at the entry that causes it.

use std::ops::Range;
use std::sync::Arc;

use super::dependencies::record_seen;
use super::index::{ChainIndex, IndexedChain};
use super::notes::{ExpectedLine, collect_lines};
use super::order::PublishRecord;
use super::remarks::RemarkCollector;
use super::{AuditFinding, AuditRemark, EntrySpan, FindingKind, LedgerReferences};
use crate::domain::entry::{Action, Statement};
use crate::domain::name::LedgerName;
use crate::domain::policy::Policy;
use crate::domain::verdict::Outcome;
use crate::git::error::Result;
use crate::git::repo::Repository;
use crate::ledger::entry_validator::{ChainTip, EntryValidator, ValidatedEntry, ValidationContext};
use crate::ledger::facts::{EntryOrder, FactGatherer};
use crate::ledger::{LedgerCommit, Project};

/// What all chunks share.
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
    pub note_lines: Vec<ExpectedLine>,
}

/// Validates chunks of ledgers.
pub(super) struct ChunkAuditor<'a> {
    repository: &'a Repository,
    shared: ChunkContext<'a>,
    validator: EntryValidator<'a>,
}

impl<'a> ChunkAuditor<'a> {
    /// Creates an auditor for one thread.
    pub fn new(repository: &'a Repository, shared: ChunkContext<'a>) -> Self {
        let gatherer = FactGatherer::new(repository, shared.project).with_branches_as_entered();
        let gatherer = gatherer.with_order(shared.order);
        Self {
            repository,
            shared,
            validator: EntryValidator::new(repository, gatherer, None),
        }
    }

    /// Validates the entries of a chain at these positions. An error that prevents validation
    /// becomes a finding.
    pub fn audit(&self, number: usize, chain: &IndexedChain, places: Range<usize>) -> ChunkResult {
        let mut piece = ChunkResult::default();
        if let Err(error) = self.audit_positions(number, chain, places, &mut piece) {
            piece.findings.push(AuditFinding::from_error(
                FindingKind::Chain,
                Some(&chain.ledger),
                &error,
            ));
        }
        piece
    }

    /// Validates from the first position whose preceding entry can be read, and continues past the
    /// end to the next such position: entries between two of them belong to the chunk of the first.
    fn audit_positions(
        &self,
        number: usize,
        chain: &IndexedChain,
        places: Range<usize>,
        piece: &mut ChunkResult,
    ) -> Result<()> {
        let genesis = self.validator.load_tip(&chain.ledger, None)?;
        let head_at = |place| self.load_tip_before(&genesis, chain, place);
        let Some((mut place, first)) = places
            .clone()
            .find_map(|place| Some((place, head_at(place)?)))
        else {
            return Ok(());
        };
        let (mut head, mut readable) = (Some(first), true);
        while place < chain.ids.len() && (place < places.end || !readable) {
            let id = chain.id_at(place);
            let Some(before) = head else {
                let why = "it cannot be judged: the commit before it cannot be read";
                let finding =
                    AuditFinding::chain_failure(FindingKind::Chain, &chain.ledger, Some(id), why);
                piece.findings.push(AuditFinding {
                    outcome: Outcome::Unknown,
                    ..finding
                });
                place += 1;
                head = head_at(place);
                readable = head.is_some();
                continue;
            };
            let judged = self.audit_entry(number, chain, place, &before, piece);
            readable = judged.stored.is_some();
            // An invalid entry is taken as it is, so that the entries after it are still validated.
            head = judged.next_tip.or_else(|| {
                let tree = self.repository.read_commit(id.0).ok()?.tree;
                Some(match &judged.stored {
                    Some(kept) => before.advanced_by(id, tree, &kept.statement),
                    None => before.advanced_unread(id, tree),
                })
            });
            place += 1;
        }
        Ok(())
    }

    /// Returns the end of the chain before a position, or `None` if the entry there cannot be read.
    fn load_tip_before(
        &self,
        genesis: &ChainTip,
        chain: &IndexedChain,
        place: usize,
    ) -> Option<ChainTip> {
        let before = chain.id_at(place.checked_sub(1)?);
        match self.repository.read_ledger_commit(&chain.ledger, before) {
            Ok(LedgerCommit::Genesis) if before == genesis.chain.tip => Some(genesis.clone()),
            Ok(LedgerCommit::Entry { commit, entry, .. }) => {
                Some(genesis.advanced_by(before, commit.tree, entry.statement()))
            }
            Ok(LedgerCommit::Genesis) | Err(_) => None,
        }
    }

    /// Validates one entry, and adds its findings, remarks and references to `piece`.
    fn audit_entry(
        &self,
        number: usize,
        chain: &IndexedChain,
        place: usize,
        head: &ChainTip,
        piece: &mut ChunkResult,
    ) -> ValidatedEntry {
        let ChunkContext {
            index,
            present_policy: present,
            wants_notes: notes,
            on_validated: step,
            ..
        } = self.shared;
        let (ledger, id) = (&chain.ledger, chain.id_at(place));
        let holds = |ledger: &LedgerName, id| index.contains(self.repository, ledger, id);
        let judged = self
            .validator
            .validate(ledger, head, id, ValidationContext::History(&holds));
        piece.entries += 1;
        piece.findings.extend(
            judged
                .verdict
                .checks
                .iter()
                .filter_map(|check| AuditFinding::from_check(ledger, id, check)),
        );
        if let Some(statement) = judged.stored.as_ref().map(|kept| &kept.statement) {
            let to = statement.at;
            let from = piece.span.map_or(to, |span| span.from);
            piece.span = Some(EntrySpan { from, to });
            piece.read += 1;
            self.record_references(place, statement, &mut piece.references);
            if notes {
                collect_lines(number, place, id, statement, &mut piece.note_lines);
            }
        }
        if let (Some(entry), Some(facts)) = (&judged.entry, &judged.facts) {
            let reader = RemarkCollector {
                index,
                present_policy: present.map(AsRef::as_ref),
            };
            let seen = entry.statement().seen.get(&LedgerName::policy());
            let then = seen.and_then(|tip| self.validator.gatherer.policy_at(*tip).ok().flatten());
            piece
                .remarks
                .extend(reader.collect(id, entry, then.as_deref(), facts));
            reader.count_removed_key(id, entry, &mut piece.references.removed_keys);
        }
        step(1);
        judged
    }

    /// Records which entries of other ledgers an entry has seen.
    fn record_references(&self, place: usize, statement: &Statement, ties: &mut LedgerReferences) {
        for (ledger, seen) in &statement.seen {
            // A ledger that does not contain the entry has a finding of its own.
            let Some((other, chain)) = self.shared.index.chain(ledger) else {
                continue;
            };
            let Some(seen) = chain.position(*seen) else {
                continue;
            };
            record_seen(&mut ties.seen_positions, other, place, seen);
            if ledger.is_policy() {
                ties.policy_positions.push((place, seen));
            }
        }
        if let Action::Publish(publish) = &statement.action {
            let mut admits = publish.admits.clone();
            admits.sort_unstable();
            ties.publishes.push(PublishRecord {
                position: place,
                seen: statement.seen.clone(),
                admits,
            });
        }
    }
}
