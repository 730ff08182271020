//! What a remote says, believed only after checking: fetched beside our ledgers, verified, moved forward only.
//!
//! A ledger that was rewound, deleted or that does not verify keeps its last good tip here, and is a problem that every command tells.

use std::time::Duration;

use super::chain::Chains;
use super::entry_validator::{Against, Judge};
use super::facts::FactGatherer;
use super::notes::NOTES;
use super::{INCOMING, Project, Tips};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::verdict::{Decision, Verdict};
use crate::git::error::{Error, Result};
use crate::git::remote::PushOutcome;
use crate::git::repo::Repository;

/// The refspec that brings ledgers along without believing them.
pub const LEDGERS: &str = "+refs/deploy/*:refs/deploy-incoming/*";
/// Where fetched notes wait: a pattern of its own, so that no other notes of the user's are touched.
const NOTES_INCOMING: &str = "refs/deploy-incoming-notes/deploy";
/// The refspec for them; a pattern, because a remote may have none.
const NOTES_REFSPEC: &str = "+refs/notes/deploy*:refs/deploy-incoming-notes/deploy*";
/// How often a fetch is tried that another one beside it disturbs.
const FETCHES: u32 = 10;
/// How often the notes are told anew while others tell theirs. Whoever comes next catches up.
const TELLINGS: u32 = 5;
/// The pin in git's configuration: the project's id, trusted on first use.
pub const PIN: &str = "deploy.root";

/// Why nothing could be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The remote holds another project than the one that this clone trusts.
    #[error("the remote's ledgers belong to the project {found}, and this clone trusts {pinned}")]
    OtherProject {
        /// The pin.
        pinned: EntryId,
        /// What the remote has.
        found: EntryId,
    },
    /// The pin cannot be read.
    #[error("deploy.root in git's configuration is not a project's id: {0:?}")]
    Pin(String),
    /// Some ledgers are not to be believed, and somebody wants to write on them.
    #[error("the remote's ledgers are not what they were, so nothing is written on them")]
    Problems(Vec<Problem>),
    /// What the remote has cannot be verified in a shallow clone: that is no word against the remote.
    #[error(
        "this clone is shallow: what the remote's ledgers say cannot be verified without the history that it lacks"
    )]
    Shallow(Vec<Problem>),
    /// Nothing could be fetched.
    #[error("cannot fetch from {remote}")]
    Fetch {
        /// The remote.
        remote: String,
        /// What git said.
        source: Error,
    },
    /// Git failed.
    #[error(transparent)]
    Git(#[from] Error),
}

/// What is wrong with a remote's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The ledger.
    pub ledger: LedgerName,
    /// The tip that is kept.
    pub kept: Option<EntryId>,
    /// What the remote shows.
    pub shown: Option<EntryId>,
    /// What is wrong.
    pub fault: Fault,
}

impl Problem {
    /// Whether nothing is known to be wrong: something that a rule asks about is not here, as in a shallow clone.
    pub fn is_open(&self) -> bool {
        matches!(&self.fault, Fault::Unverified { verdict, .. } if verdict.decision() == Decision::CannotTell)
    }
}

impl Problem {
    /// The last tip that is known to be right: the one that is kept, or where the remote went on from there, the last before what is wrong.
    /// `None` where nothing of the ledger is.
    pub fn last_valid(&self, repository: &Repository) -> Result<Option<EntryId>> {
        let Fault::Unverified { id, .. } = &self.fault else {
            return Ok(self.kept);
        };
        let Some(before) = repository.first_parent(id.0)? else {
            return Ok(self.kept);
        };
        // A genesis is no entry.
        let entry = repository.first_parent(before)?.is_some();
        Ok(entry.then_some(EntryId(before)).or(self.kept))
    }
}

/// The ways in which a remote's ledger can be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is gone.
    Deleted,
    /// What was there is not before what is there now.
    Rewound,
    /// An entry does not verify.
    Unverified {
        /// The first such commit.
        id: EntryId,
        /// What the rules say of it.
        verdict: Box<Verdict>,
    },
}

/// A ledger that moved forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The ledger.
    pub ledger: LedgerName,
    /// Where it was.
    pub old: Option<EntryId>,
    /// Where it is.
    pub new: EntryId,
    /// How many entries are new.
    pub entries: usize,
}

/// What a sync brought.
#[derive(Debug, Clone, Default)]
pub struct Synced {
    /// The tips that are believed now.
    pub tips: Tips,
    /// What moved.
    pub moved: Vec<Moved>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// The project, where it was trusted just now for the first time.
    pub pinned: Option<EntryId>,
}

impl Repository {
    /// The project's id that this clone trusts.
    pub fn pin(&self) -> std::result::Result<Option<EntryId>, SyncError> {
        let Some(text) = self.config_string(PIN)? else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|_| SyncError::Pin(text.chars().take(80).collect()))
    }
}

/// Fetches branches, ledgers and notes, verifies what is new, and moves our ledgers forward.
pub fn sync(repository: &Repository, remote: &str) -> std::result::Result<Synced, SyncError> {
    // What no ledger can be called the fetch may take away: nothing of that is put back.
    let before = repository.tips_below(INCOMING).unwrap_or_default();
    let mut synced = look(repository, remote)?;
    if synced
        .problems
        .iter()
        .any(|problem| problem.fault == Fault::Deleted)
    {
        // An answer that breaks off can look to git like one that names no refs: nobody is said to have lost anything on one word.
        let again = look(repository, remote);
        let again = again.inspect_err(|_| restore(repository, &before, &synced.problems))?;
        let (first, pinned) = (std::mem::take(&mut synced.moved), synced.pinned);
        synced = Synced {
            pinned: pinned.or(again.pinned),
            moved: [first, again.moved].concat(),
            ..again
        };
    }
    if synced.problems.is_empty() {
        return Ok(synced);
    }
    let cut_off = synced.problems.iter().all(Problem::is_open) && repository.is_shallow()?;
    Err(if cut_off {
        SyncError::Shallow(synced.problems)
    } else {
        SyncError::Problems(synced.problems)
    })
}

/// Takes it back that the remote does not show some ledgers any more: nobody could say so a second time.
fn restore(repository: &Repository, before: &Tips, problems: &[Problem]) {
    for problem in problems
        .iter()
        .filter(|problem| problem.fault == Fault::Deleted)
    {
        if let Some(tip) = before.get(&problem.ledger) {
            // Where even this fails the next fetch does it.
            let name = format!("{INCOMING}{}", problem.ledger);
            let _ = repository.compare_and_swap(&name, None, tip.0, "git-deploy: sync");
        }
    }
}

/// Fetches once, and takes over what verifies.
fn look(repository: &Repository, remote: &str) -> std::result::Result<Synced, SyncError> {
    // Read before the fetch: what another process of ours pushes meanwhile must not look like a rewound remote.
    let tips = repository.tips()?;
    let branches = format!("+refs/heads/*:refs/remotes/{remote}/*");
    fetch(repository, remote, &[&branches, LEDGERS, NOTES_REFSPEC]).map_err(|source| {
        match repository.ref_lock() {
            // A process that was killed leaves its locks.
            Some(lock) => SyncError::Git(Error::Locked(lock)),
            None => SyncError::Fetch {
                remote: remote.to_owned(),
                source,
            },
        }
    })?;
    match believe(repository, tips) {
        Err(SyncError::Git(Error::Shallow)) => Err(SyncError::Shallow(Vec::new())),
        believed => believed,
    }
}

/// Fetches, and again where a ref could not be moved: another process fetches or pushes in the same clone.
fn fetch(repository: &Repository, remote: &str, refspecs: &[&str]) -> Result<()> {
    for attempt in 1..FETCHES {
        match repository.fetch(remote, refspecs) {
            // Git's word for "some refs were not updated"; what is worse ends with 128.
            Err(Error::Git { code: Some(1), .. }) => {
                std::thread::sleep(Duration::from_millis(20 << attempt.min(4)))
            }
            done => return done,
        }
    }
    repository.fetch(remote, refspecs)
}

/// Verifies what was fetched and goes beyond `tips`, the ledgers as they were believed before the fetch.
fn believe(repository: &Repository, mut tips: Tips) -> std::result::Result<Synced, SyncError> {
    let incoming = repository.tips_below(INCOMING)?;
    let mut synced = Synced::default();
    let Some((project, pinned)) = trusted(repository, &tips, &incoming)? else {
        return Ok(synced);
    };
    synced.pinned = pinned;
    synced.problems = examine(repository, &project, &mut tips, &incoming, |moved| {
        advance(repository, &moved.ledger, moved.old, moved.new)?;
        synced.moved.push(moved);
        Ok(())
    })?;
    believe_notes(repository)?;
    synced.tips = tips;
    Ok(synced)
}

/// Verifies what the remote shows beyond `tips`, moves them along, tells of each that goes forward, and returns what is wrong.
///
/// An entry may lean only on entries of other ledgers that verify: else a forged policy, itself refused, would let in what it allows. So
/// where a ledger is at fault, those that were good are asked again without what it shows.
fn examine(
    repository: &Repository,
    project: &Project,
    tips: &mut Tips,
    incoming: &Tips,
    mut forward: impl FnMut(Moved) -> Result<()>,
) -> Result<Vec<Problem>> {
    let judge = Judge::new(
        repository,
        FactGatherer::new(repository, project).with_branches_as_entered(),
        None,
    );
    let mut believed = incoming.clone();
    let mut problems = Vec::new();
    // The policy first: without it nothing else can be judged.
    let policy = LedgerName::policy();
    loop {
        let known: Tips = tips
            .iter()
            .chain(&believed)
            .map(|(name, tip)| (name.clone(), *tip))
            .collect();
        let chains = Chains::new(repository, &known);
        let (mut moves, faults) = (Vec::new(), problems.len());
        let others = known.keys().filter(|name| **name != policy);
        for ledger in std::iter::once(&policy).chain(others) {
            let (kept, shown) = (tips.get(ledger).copied(), believed.get(ledger).copied());
            let Some(new) = shown.filter(|_| shown != kept) else {
                continue;
            };
            match verify(repository, &judge, &chains, ledger, kept, new)? {
                Ok(entries) => moves.push(Moved {
                    ledger: ledger.clone(),
                    old: kept,
                    new,
                    entries,
                }),
                Err(fault) => {
                    believed.remove(ledger);
                    problems.push(Problem {
                        ledger: ledger.clone(),
                        kept,
                        shown,
                        fault,
                    });
                }
            }
        }
        if problems.iter().skip(faults).any(Problem::is_open) {
            // What leans on an entry of which nobody here can tell is as open, and no fault: nothing moves until it can be told.
            break;
        }
        if problems.len() > faults {
            continue;
        }
        for moved in moves {
            tips.insert(moved.ledger.clone(), moved.new);
            forward(moved)?;
        }
        break;
    }
    for (ledger, kept) in &*tips {
        if !incoming.contains_key(ledger) {
            let problem = Problem {
                ledger: ledger.clone(),
                kept: Some(*kept),
                shown: None,
                fault: Fault::Deleted,
            };
            problems.push(problem);
        }
    }
    Ok(problems)
}

/// The project that this clone trusts; the first one that it meets is pinned.
fn trusted(
    repository: &Repository,
    tips: &Tips,
    incoming: &Tips,
) -> std::result::Result<Option<(Project, Option<EntryId>)>, SyncError> {
    let policy = LedgerName::policy();
    let shown = match incoming.get(&policy).or(tips.get(&policy)) {
        // The first commit of the chain itself, not the word of its tip.
        Some(tip) => repository
            .chain_between(None, *tip)?
            .and_then(|chain| chain.first().copied()),
        None => None,
    };
    match (repository.pin()?, shown) {
        (Some(pinned), Some(found)) if pinned != found => {
            Err(SyncError::OtherProject { pinned, found })
        }
        (Some(pinned), Some(_)) => Ok(Some((Project::read(repository, pinned)?, None))),
        (None, Some(found)) => {
            let project = Project::read(repository, found)?;
            repository.set_config(PIN, &found.to_string())?;
            Ok(Some((project, Some(found))))
        }
        (_, None) => Ok(None),
    }
}

/// Judges the entries after `kept` up to `new`; how many there are, or what is wrong.
fn verify(
    repository: &Repository,
    judge: &Judge<'_>,
    chains: &Chains<'_>,
    ledger: &LedgerName,
    kept: Option<EntryId>,
    new: EntryId,
) -> Result<std::result::Result<usize, Fault>> {
    let Some(mut ids) = repository.chain_between(kept, new)? else {
        return Ok(Err(Fault::Rewound));
    };
    let mut head = judge.head(ledger, kept)?;
    if kept.is_none() {
        if ids.first() != Some(&head.chain.tip) {
            return Ok(Err(Fault::Rewound));
        }
        ids.remove(0);
    }
    for id in &ids {
        let judged = judge.judge(
            ledger,
            &head,
            *id,
            Against::Past(&|ledger, id| chains.hold(ledger, id)),
        );
        match judged.head {
            Some(next) => head = next,
            None => {
                return Ok(Err(Fault::Unverified {
                    id: *id,
                    verdict: Box::new(judged.verdict),
                }));
            }
        }
    }
    Ok(Ok(ids.len()))
}

/// Moves our ledger; that another process of ours moved it meanwhile is no error, the next sync sees it.
fn advance(
    repository: &Repository,
    ledger: &LedgerName,
    old: Option<EntryId>,
    new: EntryId,
) -> Result<()> {
    match repository.advance_ledger(ledger, old, new, "git-deploy: sync") {
        Ok(()) | Err(Error::LostRace { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What is wrong with the remote's ledgers as of the last fetch: for commands that do not fetch.
///
/// What git itself fetched since the last sync is judged as a sync would judge it, and not taken over.
pub fn standing_problems(repository: &Repository) -> Result<Vec<Problem>> {
    let (mut tips, incoming) = (repository.tips()?, repository.tips_below(INCOMING)?);
    let Some(policy) = tips
        .get(&LedgerName::policy())
        .filter(|_| !incoming.is_empty())
    else {
        return Ok(Vec::new());
    };
    let project = Project::of_policy(repository, *policy)?;
    examine(repository, &project, &mut tips, &incoming, |_| Ok(()))
}

/// Remembers that the remote's ledger is at what we pushed.
pub(super) fn pushed(repository: &Repository, ledger: &LedgerName, new: EntryId) -> Result<()> {
    let name = format!("{INCOMING}{ledger}");
    let old = repository.read_ref(&name)?;
    match repository.compare_and_swap(&name, old, new.0, "git-deploy: push") {
        Ok(()) | Err(Error::LostRace { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Takes the fetched notes over. They prove nothing, so they need no proof: `audit` compares them with the ledgers.
fn believe_notes(repository: &Repository) -> Result<()> {
    let (ours, theirs) = (
        repository.read_ref(NOTES)?,
        repository.read_ref(NOTES_INCOMING)?,
    );
    match theirs {
        Some(theirs) if ours != Some(theirs) => {
            match repository.compare_and_swap(NOTES, ours, theirs, "git-deploy: sync") {
                Ok(()) | Err(Error::LostRace { .. }) => Ok(()),
                Err(error) => Err(error),
            }
        }
        _ => Ok(()),
    }
}

/// After our entry went in: takes the remote's notes if they tell of it, else tells them ourselves and pushes them.
///
/// Ledgers and notes are fetched together, so that the notes never cover what this clone has not seen.
pub fn sync_notes(
    repository: &Repository,
    remote: &str,
    ledger: &LedgerName,
    id: EntryId,
) -> std::result::Result<(), SyncError> {
    for _ in 0..TELLINGS {
        let tips = sync(repository, remote)?.tips;
        let notes = repository.notes(repository.read_ref(NOTES)?)?;
        // The notes are anybody's word: what they say to cover may be no commit at all.
        if let Some(covered) = notes.covers.get(ledger)
            && repository.read_commit(covered.0).is_ok()
            && repository.on_chain(*covered, id, usize::MAX)?
        {
            return Ok(());
        }
        let old = repository.read_ref(NOTES_INCOMING)?;
        if repository.catch_up_notes(&tips)?
            && let Some(new) = repository.read_ref(NOTES)?
            && let PushOutcome::LostRace { .. } = repository.push_one(remote, new, NOTES, old)?
        {
            continue;
        }
        // A remote that refuses them has notes of its own.
        break;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
