//! Audits ledgers: validates every entry from the root of trust on, as if it were pushed for the
//! first time.
//!
//! An audit continues after a failure, so that one forged entry does not hide the next: it takes
//! the stored tree as it is, and reports the failures of later entries as well. For the same
//! reason any chunk of a ledger can be validated separately, so a long ledger uses all processors.
//! The findings do not depend on how it was split.

mod chain_start;
mod chunk;
mod chunk_jobs;
mod dependencies;
mod expected_lines;
mod finding;
mod index;
mod ledger_audit;
mod missing;
mod note_differences;
mod notes;
mod order;
mod references;
mod refs;
mod remarks;
mod stored_notes;

use std::collections::{BTreeMap, BTreeSet};

use super::facts::FactGatherer;
use super::{Project, Tips};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::verdict::CheckResult;
use crate::git::repo::Repository;
pub use chain_start::find_project;
use chain_start::{check_gap, check_root, find_first_position};
use chunk::ChunkContext;
use chunk_jobs::{ChunkJob, split_into_chunks, validate_chunks};
use expected_lines::ExpectedLines;
pub use finding::{AuditFinding, AuditRemark, FindingKind, RemarkKind};
use index::ChainIndex;
pub use ledger_audit::LedgerAudit;
pub use notes::NotesAudit;
pub use refs::check_refs;

/// The number of entries that are validated in one chunk: enough to profit from a thread's caches,
/// and few enough to keep all threads busy.
pub const CHUNK_SIZE: usize = 1_000;

/// What to audit, and how.
pub struct AuditPlan<'a> {
    /// The ledgers, in the order of the report; the policy ledger must be among them.
    pub ledgers: &'a [LedgerName],
    /// The tips at an earlier audit. Only later entries are validated, except that the policy
    /// ledger is always validated as a whole.
    pub since: &'a BTreeMap<LedgerName, EntryId>,
    /// Whether to compare the notes with the ledgers. If so, `ledgers` must list all existing ones.
    pub notes: bool,
    /// Whether notes must exist: every writer without a remote, and every server, writes them.
    pub expects_notes: bool,
    /// The number of entries that are validated in one chunk: [`CHUNK_SIZE`], except in tests.
    pub chunk_size: usize,
}

/// Receives the progress of an audit.
pub trait AuditProgress: Sync {
    /// Gets the number of entries, before the first is validated.
    fn on_start(&self, entries: usize);
    /// Gets the number of entries validated since the last call. Called from any thread.
    fn on_validated(&self, entries: usize);
}

/// The result of an audit.
#[derive(Debug)]
pub struct AuditReport {
    /// The ledgers, in the plan's order.
    pub ledgers: Vec<LedgerAudit>,
    /// The result for the notes, if they were compared.
    pub notes: Option<NotesAudit>,
    /// The findings about ledgers that other ledgers name, and that do not exist or were not
    /// audited.
    pub missing: Vec<AuditFinding>,
}

/// Audits the planned ledgers on all processors, then the order among ledgers, then the notes.
/// `tips` names all ledgers.
pub fn audit(
    repository: &Repository,
    project: &Project,
    tips: &Tips,
    plan: &AuditPlan<'_>,
    progress: &dyn AuditProgress,
) -> AuditReport {
    // If the refs cannot be listed, `check_refs` reports it.
    let refs = repository.ledger_refs_below(super::PREFIX);
    let broken = refs.unwrap_or_default().broken.into_iter();
    let broken = broken.map(|it| (it.ledger, it.why)).collect();
    let index = ChainIndex::read(&repository.share().with_own_packs(), tips, broken);
    let (mut ledgers, jobs) = plan_jobs(repository, project, plan, &index);
    progress.on_start(jobs.iter().map(|job| job.positions.len()).sum());

    let gatherer = FactGatherer::new(repository, project);
    let present_policy = tips
        .get(&LedgerName::policy())
        .and_then(|tip| gatherer.policy_at(*tip).ok().flatten());
    let order = |ledger: &LedgerName, tip, entry| index.precedes(ledger, tip, entry);
    let on_validated = |entries| progress.on_validated(entries);
    let context = ChunkContext {
        project,
        index: &index,
        order: &order,
        present_policy: present_policy.as_ref(),
        wants_notes: plan.notes,
        on_validated: &on_validated,
    };
    let mut expected_lines = ExpectedLines::default();
    for ((ledger_index, _), mut result) in validate_chunks(repository, jobs, context) {
        expected_lines.append(std::mem::take(&mut result.note_lines));
        if let Some(audited) = ledgers.get_mut(ledger_index) {
            audited.add_chunk(result);
        }
    }
    ledgers
        .iter_mut()
        .for_each(remarks::add_removed_key_remarks);
    order::check_order(&index, &mut ledgers);
    dependencies::check_dependencies(&index, &mut ledgers);
    let missing = missing::explain_missing(&mut ledgers);
    for audited in &mut ledgers {
        if let Some((_, chain)) = index.chain(&audited.ledger) {
            audited.sort(chain);
        }
    }
    let notes = plan
        .notes
        .then(|| audit_notes(repository, tips, plan, &index, expected_lines, &ledgers));
    AuditReport {
        ledgers,
        notes,
        missing,
    }
}

/// Compares the notes with the lines that follow from the ledgers.
fn audit_notes(
    repository: &Repository,
    tips: &Tips,
    plan: &AuditPlan<'_>,
    index: &ChainIndex,
    expected_lines: ExpectedLines,
    ledgers: &[LedgerAudit],
) -> NotesAudit {
    let mut unreadable = find_partly_readable(index, ledgers);
    unreadable.extend(index.broken.keys());
    notes::check_notes(
        repository,
        index,
        tips,
        expected_lines,
        &unreadable,
        plan.expects_notes,
    )
}

/// Creates the result of each planned ledger, with the findings about the start of its chain, and
/// splits its entries into jobs.
fn plan_jobs(
    repository: &Repository,
    project: &Project,
    plan: &AuditPlan<'_>,
    index: &ChainIndex,
) -> (Vec<LedgerAudit>, Vec<ChunkJob>) {
    let mut ledgers: Vec<LedgerAudit> = Vec::new();
    let mut jobs = Vec::new();
    for ledger in plan.ledgers {
        let Some((chain_number, chain)) = index.chain(ledger) else {
            continue;
        };
        let mut audited = LedgerAudit::new(ledger.clone(), chain.tip);
        if let Some(finding) = check_root(repository, project, chain) {
            audited.findings.push(finding);
        } else {
            let first =
                find_first_position(chain, plan.since.get(ledger)).unwrap_or_else(|finding| {
                    audited.findings.push(finding);
                    1
                });
            audited.unread = chain.ids.len().saturating_sub(first);
            let chunks = split_into_chunks(chain, first, plan.chunk_size);
            jobs.extend(chunks.map(|positions| ChunkJob {
                ledger_index: ledgers.len(),
                chain_number,
                positions,
            }));
        }
        audited.findings.extend(check_gap(repository, chain));
        ledgers.push(audited);
    }
    (ledgers, jobs)
}

/// Returns the ledgers of which some entries cannot be read. The notes may contain lines of such
/// entries.
///
/// A commit that can be read but carries no entry counts as read: it adds no lines to the notes.
fn find_partly_readable<'a>(
    index: &ChainIndex,
    ledgers: &'a [LedgerAudit],
) -> BTreeSet<&'a LedgerName> {
    let is_partly_readable = |audited: &&LedgerAudit| {
        let has_unknown = audited
            .findings
            .iter()
            .any(|finding| finding.outcome == CheckResult::Unknown);
        let has_gap = index
            .chain(&audited.ledger)
            .is_some_and(|(_, chain)| chain.gap.is_some());
        audited.unread > 0 && has_unknown || has_gap
    };
    ledgers
        .iter()
        .filter(is_partly_readable)
        .map(|audited| &audited.ledger)
        .collect()
}
