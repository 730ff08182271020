//! Audits ledgers: validates every entry from the root of trust on, as if it came in for the first
//! time.
//!
//! An audit continues after a failure, so that one forged entry does not hide the next: it takes
//! the resulting tree as it is, and reports the failures in what follows as well. For the same
//! reason any chunk of a ledger can be validated separately, so a long ledger uses all processors.
//! The findings do not depend on how it was split.

mod chunk;
mod dependencies;
mod index;
mod notes;
mod order;
mod remarks;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::iter::{ParallelBridge as _, ParallelIterator as _};
use schemars::JsonSchema;
use serde::Serialize;

use super::facts::FactGatherer;
use super::{Project, Tips};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::text::sanitize;
use crate::domain::time::Time;
use crate::domain::verdict::{Check, Outcome, Rule};
use crate::git::error::Error;
use crate::git::repo::{self, Repository};
use chunk::{ChunkAuditor, ChunkContext, ChunkResult};
use index::{ChainIndex, IndexedChain};

/// How many entries are validated in one chunk: enough to profit from a thread's caches, and few
/// enough to keep all threads busy.
pub const CHUNK_SIZE: usize = 1_000;
/// After how many chunks the packs are reopened.
const CHUNKS_PER_PACKS: usize = 16;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FindingKind {
    /// An entry: a rule fails, or lacks a fact.
    Entry,
    /// The chain of a ledger: its root, or unreadable commits.
    Chain,
    /// The order among ledgers.
    Order,
    /// An entry that depends on an invalid one.
    Dependency,
    /// The notes.
    Notes,
    /// The ledgers of the remote.
    Remote,
    /// The pinned project.
    Pin,
}

/// A failure, or something that could not be determined.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditFinding {
    /// What it is about.
    pub kind: FindingKind,
    /// The ledger, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerName>,
    /// The entry, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// The rule that reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// `fail`, or `unknown` if a fact is missing.
    #[schemars(extend("enum" = ["fail", "unknown"]))]
    pub outcome: Outcome,
    /// What is wrong, in one line.
    pub detail: String,
}

impl AuditFinding {
    /// Creates a finding about no entry and no rule.
    pub fn new(kind: FindingKind, outcome: Outcome, detail: String) -> Self {
        Self {
            kind,
            ledger: None,
            entry: None,
            rule: None,
            outcome,
            detail,
        }
    }

    /// Creates a failure of the chain rule.
    fn chain_failure(
        kind: FindingKind,
        ledger: &LedgerName,
        entry: Option<EntryId>,
        detail: impl Into<String>,
    ) -> Self {
        let (rule, outcome) = (Some(Rule::Chain), Outcome::Fail);
        Self {
            kind,
            ledger: Some(ledger.clone()),
            entry,
            rule,
            outcome,
            detail: detail.into(),
        }
    }

    /// Creates a finding from a git error: malformed data fails, unreadable data is unknown.
    fn from_error(kind: FindingKind, ledger: Option<&LedgerName>, error: &Error) -> Self {
        let outcome = if error.is_malformed() {
            Outcome::Fail
        } else {
            Outcome::Unknown
        };
        Self {
            kind,
            ledger: ledger.cloned(),
            entry: None,
            rule: None,
            outcome,
            detail: sanitize(&error.to_string()),
        }
    }

    /// Creates a finding from a rule's result for an entry; `None` if it passes.
    fn from_check(ledger: &LedgerName, id: EntryId, check: &Check) -> Option<Self> {
        (check.outcome != Outcome::Pass).then(|| Self {
            kind: FindingKind::Entry,
            ledger: Some(ledger.clone()),
            entry: Some(id),
            rule: Some(check.rule),
            outcome: check.outcome,
            detail: sanitize(&check.detail),
        })
    }
}

/// What a remark is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RemarkKind {
    /// A deployment bypassed rules with break-glass.
    BreakGlass,
    /// A policy was published with a server owner's key, after all admins' keys were lost.
    Recovered,
    /// A publish admits entries that it had not seen.
    #[serde(rename = "admitsUnseen")]
    AdmitsEntry,
    /// An entry is valid only because a publish admits it.
    #[serde(rename = "admittedUnseen")]
    AdmittedEntry,
    /// Something depends on a key that was removed later.
    RemovedKey,
    /// The notes are missing or not up to date.
    NotesBehind,
    /// How to fix wrong notes.
    NotesWrong,
    /// No project is pinned.
    Pin,
}

/// Something that is allowed, but that a reader should know.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRemark {
    /// What it is about.
    pub kind: RemarkKind,
    /// The ledger, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerName>,
    /// The entry, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// What it is, in one line.
    #[serde(rename = "detail")]
    pub text: String,
}

impl AuditRemark {
    /// Creates a remark on an entry.
    fn on_entry(kind: RemarkKind, ledger: &LedgerName, entry: EntryId, text: String) -> Self {
        Self {
            kind,
            ledger: Some(ledger.clone()),
            entry: Some(entry),
            text,
        }
    }
}

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
    references: LedgerReferences,
    /// How many entries could not be read or reached.
    #[serde(skip)]
    unread: usize,
}

/// How the entries of a ledger refer to other ledgers.
#[derive(Debug, Default)]
struct LedgerReferences {
    /// How much of the other ledgers the entries have seen.
    seen_positions: dependencies::SeenPositions,
    /// The position of each entry, and of the policy that it has seen.
    policy_positions: Vec<(usize, usize)>,
    /// For the policy ledger: what each publish, oldest first, has seen and admits.
    publishes: Vec<order::PublishRecord>,
    /// Who signed entries with keys that were removed later.
    removed_keys: remarks::RemovedKeyUses,
}

impl LedgerAudit {
    /// Creates a result without entries.
    fn new(ledger: LedgerName, tip: EntryId) -> Self {
        let (findings, remarks, ties) = (Vec::new(), Vec::new(), LedgerReferences::default());
        Self {
            ledger,
            tip,
            entries: 0,
            span: None,
            findings,
            remarks,
            references: ties,
            unread: 0,
        }
    }

    /// Adds the result of the next chunk.
    fn add_chunk(&mut self, piece: ChunkResult) {
        self.entries += piece.entries;
        self.unread = self.unread.saturating_sub(piece.read);
        self.span = match (self.span, piece.span) {
            (Some(first), Some(last)) => Some(EntrySpan {
                from: first.from,
                to: last.to,
            }),
            (own, other) => own.or(other),
        };
        self.findings.extend(piece.findings);
        self.remarks.extend(piece.remarks);
        for (other, far) in piece.references.seen_positions {
            for (place, seen) in far {
                dependencies::record_seen(&mut self.references.seen_positions, other, place, seen);
            }
        }
        self.references
            .policy_positions
            .extend(piece.references.policy_positions);
        self.references.publishes.extend(piece.references.publishes);
        for (person, (count, first)) in piece.references.removed_keys {
            self.references
                .removed_keys
                .entry(person)
                .or_insert((0, first))
                .0 += count;
        }
    }

    /// Sorts everything in the order of the chain; what is about no entry comes first.
    fn sort(&mut self, chain: &IndexedChain) {
        let place = |entry: Option<EntryId>| entry.and_then(|id| chain.position(id));
        self.findings
            .sort_by_cached_key(|finding| place(finding.entry));
        self.remarks
            .sort_by_cached_key(|remark| place(remark.entry));
    }
}

/// What to audit, and how.
pub struct AuditPlan<'a> {
    /// The ledgers, in the order of the report; the policy ledger must be among them.
    pub ledgers: &'a [LedgerName],
    /// The tips at an earlier audit. Only later entries are validated, except that the policy
    /// ledger is always validated as a whole.
    pub since: &'a BTreeMap<LedgerName, EntryId>,
    /// Whether to compare the notes with the ledgers, which must then be all existing ones.
    pub notes: bool,
    /// How many entries are validated in one chunk: [`STRETCH`].
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
    /// If the notes were compared: what is wrong, and what a reader should know.
    pub notes: Option<(Vec<AuditFinding>, Vec<AuditRemark>)>,
}

/// Returns the project that the ledgers belong to, from the root of the policy ledger.
///
/// # Errors
/// The finding if the root is missing or invalid: then no entry can be validated.
pub fn find_project(
    repository: &Repository,
    tips: &Tips,
) -> std::result::Result<Project, AuditFinding> {
    let policy = LedgerName::policy();
    let wrong = |error: &Error| AuditFinding::from_error(FindingKind::Chain, Some(&policy), error);
    let Some(tip) = tips.get(&policy) else {
        return Err(AuditFinding::chain_failure(
            FindingKind::Chain,
            &policy,
            None,
            "it does not exist, so there is no root of trust",
        ));
    };
    let chain = repository
        .chain_between(None, *tip)
        .map_err(|error| wrong(&error))?;
    // A chain without a given start contains at least its tip.
    let first = chain
        .and_then(|chain| chain.first().copied())
        .unwrap_or(*tip);
    Project::read(repository, first).map_err(|error| wrong(&error))
}

/// Audits the planned ledgers on all processors, then the order among ledgers, then the notes.
/// `tips` names all ledgers.
pub fn audit(
    repository: &Repository,
    project: &Project,
    tips: &Tips,
    plan: &AuditPlan<'_>,
    watch: &dyn AuditProgress,
) -> AuditReport {
    let index = ChainIndex::read(&repository.share().with_own_packs(), tips);
    let mut wanted: Vec<LedgerAudit> = Vec::new();
    let mut jobs = Vec::new();
    for ledger in plan.ledgers {
        let Some((number, chain)) = index.chain(ledger) else {
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
            let cut = split_into_chunks(chain, first, plan.chunk_size);
            jobs.extend(cut.map(|places| ChunkJob {
                ledger_index: wanted.len(),
                chain_number: number,
                positions: places,
            }));
        }
        audited.findings.extend(check_gap(repository, chain));
        wanted.push(audited);
    }
    watch.on_start(jobs.iter().map(|job| job.positions.len()).sum());

    let gatherer = FactGatherer::new(repository, project);
    let in_force = tips
        .get(&LedgerName::policy())
        .and_then(|tip| gatherer.policy_at(*tip).ok().flatten());
    let order = |ledger: &LedgerName, tip, wanted| index.precedes(ledger, tip, wanted);
    let step = |entries| watch.on_validated(entries);
    let with = ChunkContext {
        project,
        index: &index,
        order: &order,
        present_policy: in_force.as_ref(),
        wants_notes: plan.notes,
        on_validated: &step,
    };
    let mut told = Vec::new();
    for ((at, _), mut piece) in validate_chunks(repository, jobs, with) {
        told.append(&mut piece.note_lines);
        if let Some(audited) = wanted.get_mut(at) {
            audited.add_chunk(piece);
        }
    }
    wanted.iter_mut().for_each(remarks::add_removed_key_remarks);
    order::check_order(&index, &mut wanted);
    dependencies::check_dependencies(&index, &mut wanted);
    for audited in &mut wanted {
        if let Some((_, chain)) = index.chain(&audited.ledger) {
            audited.sort(chain);
        }
    }
    // A commit that can be read but carries no entry counts as read: it adds no lines to the notes.
    let missing = |it: &LedgerAudit| {
        it.unread > 0 && it.findings.iter().any(|it| it.outcome == Outcome::Unknown)
    };
    let partly = |it: &&LedgerAudit| {
        missing(it)
            || index
                .chain(&it.ledger)
                .is_some_and(|(_, chain)| chain.gap.is_some())
    };
    let partly: BTreeSet<&LedgerName> = wanted.iter().filter(partly).map(|it| &it.ledger).collect();
    let notes = plan
        .notes
        .then(|| notes::check_notes(repository, &index, tips, told, &partly));
    AuditReport {
        ledgers: wanted,
        notes,
    }
}

/// A chunk to validate.
struct ChunkJob {
    /// The index of its ledger in the results.
    ledger_index: usize,
    /// The number of that ledger's chain.
    chain_number: usize,
    positions: Range<usize>,
}

/// Validates chunks on all processors. The results are sorted by ledger and position, whichever is
/// ready first.
fn validate_chunks(
    repository: &Repository,
    mut jobs: Vec<ChunkJob>,
    with: ChunkContext<'_>,
) -> BTreeMap<(usize, usize), ChunkResult> {
    let (packs, chains) = (PackPool::new(repository.share()), &with.index.chains);
    // Sorted by time, not by ledger, so that an entry is still cached when entries that depend on
    // it are validated.
    jobs.sort_by_cached_key(|job| {
        read_start_time(
            repository,
            chains.get(job.chain_number),
            job.positions.start,
        )
    });
    let judged = jobs.into_iter().par_bridge().filter_map(|job| {
        let (own, start) = (packs.fork(), job.positions.start);
        let piece = ChunkAuditor::new(&own, with).audit(
            job.chain_number,
            chains.get(job.chain_number)?,
            job.positions,
        );
        Some(((job.ledger_index, start), piece))
    });
    judged.collect()
}

/// The packs that chunks are read from. They are reopened from time to time: what was read of a
/// pack counts as memory until it is closed, and an audit reads everything.
struct PackPool {
    shared: repo::RepositoryHandle,
    /// The open packs, and how many chunks used them.
    open: Mutex<(repo::RepositoryHandle, usize)>,
}

impl PackPool {
    /// Opens the packs.
    fn new(shared: repo::RepositoryHandle) -> Self {
        Self {
            open: Mutex::new((shared.with_own_packs(), 0)),
            shared,
        }
    }

    /// Returns a repository for one chunk.
    fn fork(&self) -> Repository {
        // A panic cannot leave the handle half changed.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.1 == CHUNKS_PER_PACKS {
            *open = (self.shared.with_own_packs(), 0);
        }
        open.1 += 1;
        open.0.fork()
    }
}

/// Returns the position of the first entry to validate, after the genesis and what was audited
/// before.
///
/// # Errors
/// The finding if the ledger no longer contains the tip that was audited before.
fn find_first_position(
    chain: &IndexedChain,
    since: Option<&EntryId>,
) -> std::result::Result<usize, AuditFinding> {
    match since.map(|since| (since, chain.position(*since))) {
        Some((since, None)) => {
            let what = "the earlier audit saw this tip, and the ledger does not hold it any more";
            Err(AuditFinding::chain_failure(
                FindingKind::Chain,
                &chain.ledger,
                Some(*since),
                what,
            ))
        }
        Some((_, Some(place))) if !chain.ledger.is_policy() => Ok(place + 1),
        _ => Ok(1),
    }
}

/// Splits the entries of a chain, from a position on, into chunks.
fn split_into_chunks(
    chain: &IndexedChain,
    first: usize,
    length: usize,
) -> impl Iterator<Item = Range<usize>> + use<> {
    let (end, length) = (chain.ids.len(), length.max(1));
    (first..end)
        .step_by(length)
        .map(move |start| start..end.min(start.saturating_add(length)))
}

/// Returns the committer time at the start of a chunk.
fn read_start_time(
    repository: &Repository,
    chain: Option<&IndexedChain>,
    place: usize,
) -> Option<Time> {
    Some(
        repository
            .read_commit(chain?.id_at(place).0)
            .ok()?
            .committer_time,
    )
}

/// Returns a finding if the chain does not begin with the genesis of this project and ledger.
fn check_root(
    repository: &Repository,
    project: &Project,
    chain: &IndexedChain,
) -> Option<AuditFinding> {
    let genesis = match project.genesis_id(repository, &chain.ledger) {
        Ok(genesis) => genesis,
        Err(error) => {
            return Some(AuditFinding::from_error(
                FindingKind::Chain,
                Some(&chain.ledger),
                &error,
            ));
        }
    };
    let first = chain
        .ids
        .first()
        .filter(|first| chain.gap.is_none() && **first != genesis)?;
    let what = format!(
        "it does not begin with the genesis {} of this project",
        genesis.short()
    );
    Some(AuditFinding::chain_failure(
        FindingKind::Chain,
        &chain.ledger,
        Some(*first),
        what,
    ))
}

/// Returns a finding if the start of the chain cannot be read: the entries before it are unknown.
fn check_gap(repository: &Repository, chain: &IndexedChain) -> Option<AuditFinding> {
    let error = repository.read_commit(chain.gap?.0).err()?;
    Some(AuditFinding::from_error(
        FindingKind::Chain,
        Some(&chain.ledger),
        &error,
    ))
}
