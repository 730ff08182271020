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

use super::facts::Gatherer;
use super::{Project, Tips};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::text::harmless;
use crate::domain::time::Time;
use crate::domain::verdict::{Check, Outcome, Rule};
use crate::git::error::Error;
use crate::git::repo::{self, Repository};
use chunk::{Auditor, Piece, Shared};
use index::{Chain, Index};

/// How many entries are validated in one chunk: enough to profit from a thread's caches, and few
/// enough to keep all threads busy.
pub const STRETCH: usize = 1_000;
/// After how many chunks the packs are reopened.
const STRETCHES: usize = 16;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An entry: a rule fails, or lacks a fact.
    Entry,
    /// The chain of a ledger: its root, or unreadable commits.
    Chain,
    /// The order among ledgers.
    Order,
    /// An entry that depends on an invalid one.
    Support,
    /// The notes.
    Notes,
}

/// A failure, or something that could not be determined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub kind: Kind,
    /// The ledger; `None` for notes.
    pub ledger: Option<LedgerName>,
    /// The entry, if it is about one.
    pub entry: Option<EntryId>,
    /// The rule that reports it.
    pub rule: Option<Rule>,
    /// `Fail`, or `Unknown` if a fact is missing.
    pub outcome: Outcome,
    /// What is wrong, in one line.
    pub detail: String,
}

impl Finding {
    /// Creates a failure of the chain rule.
    fn fail(
        kind: Kind,
        ledger: &LedgerName,
        entry: Option<EntryId>,
        detail: impl Into<String>,
    ) -> Self {
        let (rule, outcome) = (Some(Rule::Place), Outcome::Fail);
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
    fn error(kind: Kind, ledger: Option<&LedgerName>, error: &Error) -> Self {
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
            detail: harmless(&error.to_string()),
        }
    }

    /// Creates a finding from a rule's result for an entry; `None` if it passes.
    fn of(ledger: &LedgerName, id: EntryId, check: &Check) -> Option<Self> {
        (check.outcome != Outcome::Pass).then(|| Self {
            kind: Kind::Entry,
            ledger: Some(ledger.clone()),
            entry: Some(id),
            rule: Some(check.rule),
            outcome: check.outcome,
            detail: harmless(&check.detail),
        })
    }
}

/// What a remark is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// A deployment bypassed rules with break-glass.
    BreakGlass,
    /// A policy was published with a server owner's key, after all admins' keys were lost.
    Recovered,
    /// A publish admits entries that it had not seen.
    Admits,
    /// An entry is valid only because a publish admits it.
    Admitted,
    /// Something depends on a key that was removed later.
    RemovedKey,
    /// The notes are missing or not up to date.
    NotesBehind,
    /// How to fix wrong notes.
    NotesWrong,
}

/// Something that is allowed, but that a reader should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What it is about.
    pub kind: Special,
    /// The ledger; `None` for notes.
    pub ledger: Option<LedgerName>,
    /// The entry, if it is about one.
    pub entry: Option<EntryId>,
    /// What it is, in one line.
    pub text: String,
}

impl Remark {
    /// Creates a remark on an entry.
    fn of(kind: Special, ledger: &LedgerName, entry: EntryId, text: String) -> Self {
        Self {
            kind,
            ledger: Some(ledger.clone()),
            entry: Some(entry),
            text,
        }
    }
}

/// The result for one ledger.
#[derive(Debug)]
pub struct Audited {
    /// The ledger.
    pub ledger: LedgerName,
    /// Its tip.
    pub tip: EntryId,
    /// How many entries were validated.
    pub entries: usize,
    /// The times of the first and the last of them.
    pub span: Option<(Time, Time)>,
    /// What is wrong, in the order of the chain.
    pub findings: Vec<Finding>,
    /// What a reader should know, in the order of the chain.
    pub remarks: Vec<Remark>,
    ties: Ties,
    /// How many entries could not be read or reached.
    unread: usize,
}

/// How the entries of a ledger refer to other ledgers.
#[derive(Debug, Default)]
struct Ties {
    /// How much of the other ledgers the entries have seen.
    leans: dependencies::Leans,
    /// The position of each entry, and of the policy that it has seen.
    policies: Vec<(usize, usize)>,
    /// For the policy ledger: what each publish, oldest first, has seen and admits.
    publishes: Vec<order::Publish>,
    /// Who signed entries with keys that were removed later.
    removed: remarks::Removed,
}

impl Audited {
    /// Creates a result without entries.
    fn empty(ledger: LedgerName, tip: EntryId) -> Self {
        let (findings, remarks, ties) = (Vec::new(), Vec::new(), Ties::default());
        Self {
            ledger,
            tip,
            entries: 0,
            span: None,
            findings,
            remarks,
            ties,
            unread: 0,
        }
    }

    /// Adds the result of the next chunk.
    fn add(&mut self, piece: Piece) {
        self.entries += piece.entries;
        self.unread = self.unread.saturating_sub(piece.read);
        self.span = match (self.span, piece.span) {
            (Some((first, _)), Some((_, last))) => Some((first, last)),
            (own, other) => own.or(other),
        };
        self.findings.extend(piece.findings);
        self.remarks.extend(piece.remarks);
        for (other, far) in piece.ties.leans {
            for (place, seen) in far {
                dependencies::lean(&mut self.ties.leans, other, place, seen);
            }
        }
        self.ties.policies.extend(piece.ties.policies);
        self.ties.publishes.extend(piece.ties.publishes);
        for (person, (count, first)) in piece.ties.removed {
            self.ties.removed.entry(person).or_insert((0, first)).0 += count;
        }
    }

    /// Sorts everything in the order of the chain; what is about no entry comes first.
    fn sort(&mut self, chain: &Chain) {
        let place = |entry: Option<EntryId>| entry.and_then(|id| chain.place(id));
        self.findings
            .sort_by_cached_key(|finding| place(finding.entry));
        self.remarks
            .sort_by_cached_key(|remark| place(remark.entry));
    }
}

/// What to audit, and how.
pub struct Plan<'a> {
    /// The ledgers, in the order of the report; the policy ledger must be among them.
    pub ledgers: &'a [LedgerName],
    /// The tips at an earlier audit. Only later entries are validated, except that the policy
    /// ledger is always validated as a whole.
    pub since: &'a BTreeMap<LedgerName, EntryId>,
    /// Whether to compare the notes with the ledgers, which must then be all existing ones.
    pub notes: bool,
    /// How many entries are validated in one chunk: [`STRETCH`].
    pub stretch: usize,
}

/// Receives the progress of an audit.
pub trait Watch: Sync {
    /// Gets the number of entries, before the first is validated.
    fn begin(&self, entries: usize);
    /// Gets the number of entries validated since the last call. Called from any thread.
    fn step(&self, entries: usize);
}

/// The result of an audit.
#[derive(Debug)]
pub struct Report {
    /// The ledgers, in the plan's order.
    pub ledgers: Vec<Audited>,
    /// If the notes were compared: what is wrong, and what a reader should know.
    pub notes: Option<(Vec<Finding>, Vec<Remark>)>,
}

/// Returns the project that the ledgers belong to, from the root of the policy ledger.
///
/// # Errors
/// The finding if the root is missing or invalid: then no entry can be validated.
pub fn root(repository: &Repository, tips: &Tips) -> std::result::Result<Project, Finding> {
    let policy = LedgerName::policy();
    let wrong = |error: &Error| Finding::error(Kind::Chain, Some(&policy), error);
    let Some(tip) = tips.get(&policy) else {
        return Err(Finding::fail(
            Kind::Chain,
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
    plan: &Plan<'_>,
    watch: &dyn Watch,
) -> Report {
    let index = Index::read(&repository.share().apart(), tips);
    let mut wanted: Vec<Audited> = Vec::new();
    let mut jobs = Vec::new();
    for ledger in plan.ledgers {
        let Some((number, chain)) = index.chain(ledger) else {
            continue;
        };
        let mut audited = Audited::empty(ledger.clone(), chain.tip);
        if let Some(finding) = root_of(repository, project, chain) {
            audited.findings.push(finding);
        } else {
            let first = first(chain, plan.since.get(ledger)).unwrap_or_else(|finding| {
                audited.findings.push(finding);
                1
            });
            audited.unread = chain.ids.len().saturating_sub(first);
            let cut = stretches(chain, first, plan.stretch);
            jobs.extend(cut.map(|places| Job {
                at: wanted.len(),
                number,
                places,
            }));
        }
        audited.findings.extend(gap(repository, chain));
        wanted.push(audited);
    }
    watch.begin(jobs.iter().map(|job| job.places.len()).sum());

    let gatherer = Gatherer::new(repository, project);
    let in_force = tips
        .get(&LedgerName::policy())
        .and_then(|tip| gatherer.policy_at(*tip).ok().flatten());
    let order = |ledger: &LedgerName, tip, wanted| index.precedes(ledger, tip, wanted);
    let step = |entries| watch.step(entries);
    let with = Shared {
        project,
        index: &index,
        order: &order,
        present: in_force.as_ref(),
        notes: plan.notes,
        step: &step,
    };
    let mut told = Vec::new();
    for ((at, _), mut piece) in judge(repository, jobs, with) {
        told.append(&mut piece.told);
        if let Some(audited) = wanted.get_mut(at) {
            audited.add(piece);
        }
    }
    wanted.iter_mut().for_each(remarks::removed_keys);
    order::check(&index, &mut wanted);
    dependencies::check(&index, &mut wanted);
    for audited in &mut wanted {
        if let Some((_, chain)) = index.chain(&audited.ledger) {
            audited.sort(chain);
        }
    }
    // A commit that can be read but carries no entry counts as read: it adds no lines to the notes.
    let missing =
        |it: &Audited| it.unread > 0 && it.findings.iter().any(|it| it.outcome == Outcome::Unknown);
    let partly = |it: &&Audited| {
        missing(it)
            || index
                .chain(&it.ledger)
                .is_some_and(|(_, chain)| chain.gap.is_some())
    };
    let partly: BTreeSet<&LedgerName> = wanted.iter().filter(partly).map(|it| &it.ledger).collect();
    let notes = plan
        .notes
        .then(|| notes::check(repository, &index, tips, told, &partly));
    Report {
        ledgers: wanted,
        notes,
    }
}

/// A chunk to validate.
struct Job {
    /// The index of its ledger in the results.
    at: usize,
    /// The number of that ledger's chain.
    number: usize,
    places: Range<usize>,
}

/// Validates chunks on all processors. The results are sorted by ledger and position, whichever is
/// ready first.
fn judge(
    repository: &Repository,
    mut jobs: Vec<Job>,
    with: Shared<'_>,
) -> BTreeMap<(usize, usize), Piece> {
    let (packs, chains) = (Packs::new(repository.share()), &with.index.chains);
    // Sorted by time, not by ledger, so that an entry is still cached when entries that depend on
    // it are validated.
    jobs.sort_by_cached_key(|job| begin(repository, chains.get(job.number), job.places.start));
    let judged = jobs.into_iter().par_bridge().filter_map(|job| {
        let (own, start) = (packs.fork(), job.places.start);
        let piece = Auditor::new(&own, with).audit(job.number, chains.get(job.number)?, job.places);
        Some(((job.at, start), piece))
    });
    judged.collect()
}

/// The packs that chunks are read from. They are reopened from time to time: what was read of a
/// pack counts as memory until it is closed, and an audit reads everything.
struct Packs {
    shared: repo::Shared,
    /// The open packs, and how many chunks used them.
    open: Mutex<(repo::Shared, usize)>,
}

impl Packs {
    /// Opens the packs.
    fn new(shared: repo::Shared) -> Self {
        Self {
            open: Mutex::new((shared.apart(), 0)),
            shared,
        }
    }

    /// Returns a repository for one chunk.
    fn fork(&self) -> Repository {
        // A panic cannot leave the handle half changed.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.1 == STRETCHES {
            *open = (self.shared.apart(), 0);
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
fn first(chain: &Chain, since: Option<&EntryId>) -> std::result::Result<usize, Finding> {
    match since.map(|since| (since, chain.place(*since))) {
        Some((since, None)) => {
            let what = "the earlier audit saw this tip, and the ledger does not hold it any more";
            Err(Finding::fail(
                Kind::Chain,
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
fn stretches(
    chain: &Chain,
    first: usize,
    length: usize,
) -> impl Iterator<Item = Range<usize>> + use<> {
    let (end, length) = (chain.ids.len(), length.max(1));
    (first..end)
        .step_by(length)
        .map(move |start| start..end.min(start.saturating_add(length)))
}

/// Returns the committer time at the start of a chunk.
fn begin(repository: &Repository, chain: Option<&Chain>, place: usize) -> Option<Time> {
    Some(
        repository
            .read_commit(chain?.at(place).0)
            .ok()?
            .committer_time,
    )
}

/// Returns a finding if the chain does not begin with the genesis of this project and ledger.
fn root_of(repository: &Repository, project: &Project, chain: &Chain) -> Option<Finding> {
    let genesis = match project.genesis(repository, &chain.ledger) {
        Ok(genesis) => genesis,
        Err(error) => return Some(Finding::error(Kind::Chain, Some(&chain.ledger), &error)),
    };
    let first = chain
        .ids
        .first()
        .filter(|first| chain.gap.is_none() && **first != genesis)?;
    let what = format!(
        "it does not begin with the genesis {} of this project",
        genesis.short()
    );
    Some(Finding::fail(
        Kind::Chain,
        &chain.ledger,
        Some(*first),
        what,
    ))
}

/// Returns a finding if the start of the chain cannot be read: the entries before it are unknown.
fn gap(repository: &Repository, chain: &Chain) -> Option<Finding> {
    let error = repository.read_commit(chain.gap?.0).err()?;
    Some(Finding::error(Kind::Chain, Some(&chain.ledger), &error))
}
