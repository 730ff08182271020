//! The audit: every ledger from the root of trust, each entry judged as if it came in for the first time.
//!
//! It goes on after what it finds, so that one forged entry does not hide the next: the tree that follows is then taken as it is, and
//! whatever else is wrong with what builds on it is told as well. For the same reason any stretch of a ledger can be judged by itself,
//! so that all processors share one long ledger; what is found does not depend on how it was cut.

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

use super::facts::FactGatherer;
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

/// How many entries are judged in one go: enough to make use of what a thread remembers, and few enough to give all threads some.
pub const STRETCH: usize = 1_000;
/// For how many stretches packs stay open.
const STRETCHES: usize = 16;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An entry: a rule says no, or lacks a fact.
    Entry,
    /// The chain of a ledger: its root, or commits that cannot be read.
    Chain,
    /// The order among ledgers.
    Order,
    /// An entry that leans on one that does not stand.
    Support,
    /// The notes.
    Notes,
}

/// Something that is wrong, or could not be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub kind: Kind,
    /// The ledger; `None` for the notes.
    pub ledger: Option<LedgerName>,
    /// The entry, where it is about one.
    pub entry: Option<EntryId>,
    /// The rule that says so.
    pub rule: Option<Rule>,
    /// `Fail`, or `Unknown` where a fact is missing.
    pub outcome: Outcome,
    /// What is wrong, in one line.
    pub detail: String,
}

impl Finding {
    fn fail(
        kind: Kind,
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

    /// What is malformed is wrong; what cannot be read cannot be told.
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

    /// What a rule says of an entry, unless it lets it pass.
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
    /// Somebody broke the glass.
    BreakGlass,
    /// A policy was published with a server owner's key, after all admins' keys were lost.
    Recovered,
    /// A publish admits entries that it had not seen.
    Admits,
    /// An entry stands by such leave alone.
    Admitted,
    /// Something rests on a key that was removed since.
    RemovedKey,
    /// The notes lag behind, or are not here.
    NotesBehind,
    /// What to do about wrong notes.
    NotesWrong,
}

/// Something that is allowed and that a reader should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// What it is about.
    pub kind: Special,
    /// The ledger; `None` for the notes.
    pub ledger: Option<LedgerName>,
    /// The entry, where it is about one.
    pub entry: Option<EntryId>,
    /// What it is, in one line.
    pub text: String,
}

impl Remark {
    fn of(kind: Special, ledger: &LedgerName, entry: EntryId, text: String) -> Self {
        Self {
            kind,
            ledger: Some(ledger.clone()),
            entry: Some(entry),
            text,
        }
    }
}

/// What was found in one ledger.
#[derive(Debug)]
pub struct Audited {
    /// The ledger.
    pub ledger: LedgerName,
    /// Its tip.
    pub tip: EntryId,
    /// How many entries were looked at.
    pub entries: usize,
    /// The times of the first and the last of them.
    pub span: Option<(Time, Time)>,
    /// What is wrong, by place.
    pub findings: Vec<Finding>,
    /// What should be known, by place.
    pub remarks: Vec<Remark>,
    ties: Ties,
    /// How many entries there are to look at that could not be read, or were not reached for that.
    unread: usize,
}

/// How the entries of a ledger lie to the other ledgers.
#[derive(Debug, Default)]
struct Ties {
    /// What of the other ledgers the entries have seen.
    leans: dependencies::Leans,
    /// The place of each entry, and of the policy that it has seen.
    policies: Vec<(usize, usize)>,
    /// For the policy's ledger: what each publish, oldest first, has seen and admits.
    publishes: Vec<order::Publish>,
    /// Who signed entries with keys that were removed since.
    removed: remarks::Removed,
}

impl Audited {
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

    /// Takes over what was found in the next stretch.
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

    /// Puts everything in the order of the chain; what is about no entry comes first.
    fn sort(&mut self, chain: &Chain) {
        let place = |entry: Option<EntryId>| entry.and_then(|id| chain.place(id));
        self.findings
            .sort_by_cached_key(|finding| place(finding.entry));
        self.remarks
            .sort_by_cached_key(|remark| place(remark.entry));
    }
}

/// What is audited, and how.
pub struct Plan<'a> {
    /// The ledgers, in the order in which they are told of; the policy's must be among them.
    pub ledgers: &'a [LedgerName],
    /// The ends of ledgers that were audited before: what comes after them is judged, and the policy's ledger as a whole all the same.
    pub since: &'a BTreeMap<LedgerName, EntryId>,
    /// Whether the notes are compared with the ledgers, which must then be all that there are.
    pub notes: bool,
    /// How many entries are judged in one go: [`STRETCH`].
    pub stretch: usize,
}

/// Told how far an audit is.
pub trait Watch: Sync {
    /// Before the first entry is judged: how many there are.
    fn begin(&self, entries: usize);
    /// So many more were judged. Called from any thread.
    fn step(&self, entries: usize);
}

/// What an audit found.
#[derive(Debug)]
pub struct Report {
    /// The ledgers, in the plan's order.
    pub ledgers: Vec<Audited>,
    /// The notes, where they were compared: what is wrong, and what should be known.
    pub notes: Option<(Vec<Finding>, Vec<Remark>)>,
}

/// Finds the project that the ledgers belong to, at the root of the policy's ledger.
///
/// # Errors
/// What is wrong with the root: then there is nothing to hold an entry against.
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
    // A chain without a given end is never empty: it holds its tip.
    let first = chain
        .and_then(|chain| chain.first().copied())
        .unwrap_or(*tip);
    Project::read(repository, first).map_err(|error| wrong(&error))
}

/// Audits ledgers among all that `tips` names, on all processors, then their order among each other, then the notes.
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

    let gatherer = FactGatherer::new(repository, project);
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
    // What is there and is no entry is read: it tells nothing, and so no note either.
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

/// A stretch to judge.
struct Job {
    /// Which of the wanted ledgers it is of.
    at: usize,
    /// The number of that ledger's chain.
    number: usize,
    places: Range<usize>,
}

/// Judges stretches on all processors. Whichever is ready first, they come out by ledger and place.
fn judge(
    repository: &Repository,
    mut jobs: Vec<Job>,
    with: Shared<'_>,
) -> BTreeMap<(usize, usize), Piece> {
    let (packs, chains) = (Packs::new(repository.share()), &with.index.chains);
    // By time, and not by ledgers: what leans on an entry is judged while that is still remembered.
    jobs.sort_by_cached_key(|job| begin(repository, chains.get(job.number), job.places.start));
    let judged = jobs.into_iter().par_bridge().filter_map(|job| {
        let (own, start) = (packs.fork(), job.places.start);
        let piece = Auditor::new(&own, with).audit(job.number, chains.get(job.number)?, job.places);
        Some(((job.at, start), piece))
    });
    judged.collect()
}

/// The packs that stretches are read from, opened anew after some of them: what was read of a pack counts as memory until it is closed,
/// and an audit reads all there is.
struct Packs {
    shared: repo::Shared,
    /// The open ones, and by how many stretches they were used.
    open: Mutex<(repo::Shared, usize)>,
}

impl Packs {
    fn new(shared: repo::Shared) -> Self {
        Self {
            open: Mutex::new((shared.apart(), 0)),
            shared,
        }
    }

    /// A repository for one stretch.
    fn fork(&self) -> Repository {
        // A thread that panicked has left a whole handle.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.1 == STRETCHES {
            *open = (self.shared.apart(), 0);
        }
        open.1 += 1;
        open.0.fork()
    }
}

/// The place of the first entry that is judged: the genesis is none, and what was audited before is not judged again.
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

/// The places of a chain's entries from one on, cut into stretches.
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

/// When the stretch from this place begins, as its commit says.
fn begin(repository: &Repository, chain: Option<&Chain>, place: usize) -> Option<Time> {
    Some(
        repository
            .read_commit(chain?.at(place).0)
            .ok()?
            .committer_time,
    )
}

/// A chain that does not begin where it must: then none of its entries is of this ledger.
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

/// A chain that breaks off: nothing can be told of what lies before.
fn gap(repository: &Repository, chain: &Chain) -> Option<Finding> {
    let error = repository.read_commit(chain.gap?.0).err()?;
    Some(Finding::error(Kind::Chain, Some(&chain.ledger), &error))
}
