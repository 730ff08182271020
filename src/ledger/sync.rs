//! Syncs with a remote: fetches its ledgers beside ours, verifies them, and only moves ours
//! forward.
//!
//! A ledger that was rewound or deleted, or that does not verify, keeps its last valid tip here.
//! Every command reports that problem.

use std::time::Duration;

use super::chain::ChainMembership;
use super::entry_validator::{EntryValidator, ValidationContext};
use super::facts::FactGatherer;
use super::notes::NOTES_REF;
use super::{INCOMING, Project, Tips};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::verdict::{Decision, Verdict};
use crate::git::error::{Error, Result};
use crate::git::remote::PushOutcome;
use crate::git::repo::Repository;

/// The refspec that fetches ledgers without accepting them.
pub const LEDGER_REFSPEC: &str = "+refs/deploy/*:refs/deploy-incoming/*";
/// Where fetched notes are kept: a separate pattern, so that the user's other notes are not
/// touched.
const NOTES_INCOMING: &str = "refs/deploy-incoming-notes/deploy";
/// Their refspec; a pattern, because a remote may have none.
const NOTES_REFSPEC: &str = "+refs/notes/deploy*:refs/deploy-incoming-notes/deploy*";
/// How often to retry a fetch that a concurrent one disturbs.
const FETCH_ATTEMPTS: u32 = 10;
/// How often to retry updating the notes while others update them. The next writer catches up.
const NOTES_ATTEMPTS: u32 = 5;
/// The git setting that pins the project's id, trusted on first use.
pub const PIN_SETTING: &str = "deploy.root";

/// Why a sync failed.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The remote has another project than the one this clone trusts.
    #[error("the remote's ledgers belong to the project {found}, and this clone trusts {pinned}")]
    OtherProject {
        /// The pinned project.
        pinned: EntryId,
        /// The remote's project.
        found: EntryId,
    },
    /// The pin cannot be read.
    #[error("deploy.root in git's configuration is not a project's id: {0:?}")]
    Pin(String),
    /// Some of the remote's ledgers are not accepted.
    #[error("the remote's ledgers are not what they were, so nothing is written on them")]
    Problems(Vec<LedgerProblem>),
    /// The remote's ledgers cannot be verified in a shallow clone. That is no failure of the
    /// remote.
    #[error(
        "this clone is shallow: what the remote's ledgers say cannot be verified without the history that it lacks"
    )]
    Shallow(Vec<LedgerProblem>),
    /// Nothing could be fetched.
    #[error("cannot fetch from {remote}")]
    Fetch {
        /// The remote.
        remote: String,
        /// Git's error.
        source: Error,
    },
    /// Git failed.
    #[error(transparent)]
    Git(#[from] Error),
}

/// A problem with a remote's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerProblem {
    /// The ledger.
    pub ledger: LedgerName,
    /// The tip that this clone keeps.
    pub kept_tip: Option<EntryId>,
    /// The remote's tip.
    pub remote_tip: Option<EntryId>,
    /// What is wrong.
    pub fault: LedgerFault,
}

impl LedgerProblem {
    /// Checks whether the ledger is only undecided: a rule lacks a fact, as in a shallow clone.
    pub fn is_undecided(&self) -> bool {
        matches!(&self.fault, LedgerFault::Unverified { verdict, .. } if verdict.decision() == Decision::CannotTell)
    }
}

impl LedgerProblem {
    /// Returns the last valid tip: the one before the first invalid entry, or the tip that this
    /// clone keeps. `None` if the ledger has no valid entry.
    pub fn last_valid_tip(&self, repository: &Repository) -> Result<Option<EntryId>> {
        let LedgerFault::Unverified { id, .. } = &self.fault else {
            return Ok(self.kept_tip);
        };
        let Some(before) = repository.first_parent(id.0)? else {
            return Ok(self.kept_tip);
        };
        // A genesis is no entry.
        let entry = repository.first_parent(before)?.is_some();
        Ok(entry.then_some(EntryId(before)).or(self.kept_tip))
    }
}

/// What can be wrong with a remote's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerFault {
    /// The remote no longer has it.
    Deleted,
    /// The remote's tip does not follow our tip.
    Rewound,
    /// An entry does not verify.
    Unverified {
        /// The first such commit.
        id: EntryId,
        /// The result of the rules.
        verdict: Box<Verdict>,
    },
}

/// A ledger that moved forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedLedger {
    /// The ledger.
    pub ledger: LedgerName,
    /// Its previous tip.
    pub old: Option<EntryId>,
    /// Its new tip.
    pub new: EntryId,
    /// How many entries are new.
    pub entries: usize,
}

/// The result of a sync.
#[derive(Debug, Clone, Default)]
pub struct SyncResult {
    /// The accepted tips.
    pub tips: Tips,
    /// The ledgers that moved.
    pub moved: Vec<MovedLedger>,
    /// The problems found.
    pub problems: Vec<LedgerProblem>,
    /// The project, if it was pinned by this sync.
    pub pinned: Option<EntryId>,
}

impl Repository {
    /// Returns the project's id that this clone trusts.
    pub fn pinned_project(&self) -> std::result::Result<Option<EntryId>, SyncError> {
        let Some(text) = self.config_string(PIN_SETTING)? else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|_| SyncError::Pin(text.chars().take(80).collect()))
    }
}

/// Fetches branches, ledgers and notes, verifies new entries, and moves our ledgers forward.
pub fn sync(repository: &Repository, remote: &str) -> std::result::Result<SyncResult, SyncError> {
    // A fetch may remove refs with invalid names; those are not restored.
    let before = repository.tips_below(INCOMING).unwrap_or_default();
    let mut synced = sync_once(repository, remote)?;
    if synced
        .problems
        .iter()
        .any(|problem| problem.fault == LedgerFault::Deleted)
    {
        // A truncated answer can look to git like one without refs, so a deletion must be seen
        // twice.
        let again = sync_once(repository, remote);
        let again =
            again.inspect_err(|_| restore_incoming(repository, &before, &synced.problems))?;
        let (first, pinned) = (std::mem::take(&mut synced.moved), synced.pinned);
        synced = SyncResult {
            pinned: pinned.or(again.pinned),
            moved: [first, again.moved].concat(),
            ..again
        };
    }
    if synced.problems.is_empty() {
        return Ok(synced);
    }
    let cut_off =
        synced.problems.iter().all(LedgerProblem::is_undecided) && repository.is_shallow()?;
    Err(if cut_off {
        SyncError::Shallow(synced.problems)
    } else {
        SyncError::Problems(synced.problems)
    })
}

/// Restores the incoming refs of ledgers that seemed deleted, when a second fetch could not confirm
/// it.
fn restore_incoming(repository: &Repository, before: &Tips, problems: &[LedgerProblem]) {
    for problem in problems
        .iter()
        .filter(|problem| problem.fault == LedgerFault::Deleted)
    {
        if let Some(tip) = before.get(&problem.ledger) {
            // If this fails, the next fetch does it.
            let name = format!("{INCOMING}{}", problem.ledger);
            let _ = repository.compare_and_swap(&name, None, tip.0, "git-deploy: sync");
        }
    }
}

/// Fetches once, and accepts what verifies.
fn sync_once(repository: &Repository, remote: &str) -> std::result::Result<SyncResult, SyncError> {
    // Read before the fetch, so that a concurrent push by this program does not look like a rewound
    // remote.
    let tips = repository.tips()?;
    let branches = format!("+refs/heads/*:refs/remotes/{remote}/*");
    fetch_with_retries(
        repository,
        remote,
        &[&branches, LEDGER_REFSPEC, NOTES_REFSPEC],
    )
    .map_err(|source| {
        match repository.find_ref_lock() {
            // A process that was killed leaves its locks behind.
            Some(lock) => SyncError::Git(Error::Locked(lock)),
            None => SyncError::Fetch {
                remote: remote.to_owned(),
                source,
            },
        }
    })?;
    match accept_fetched(repository, tips) {
        Err(SyncError::Git(Error::Shallow)) => Err(SyncError::Shallow(Vec::new())),
        believed => believed,
    }
}

/// Fetches, and retries if a ref could not be moved because another process fetches or pushes in
/// the same clone.
fn fetch_with_retries(repository: &Repository, remote: &str, refspecs: &[&str]) -> Result<()> {
    for attempt in 1..FETCH_ATTEMPTS {
        match repository.fetch(remote, refspecs) {
            // Git exits with 1 if some refs were not updated, and with 128 for worse.
            Err(Error::CommandFailed { code: Some(1), .. }) => {
                std::thread::sleep(Duration::from_millis(20 << attempt.min(4)));
            }
            done => return done,
        }
    }
    repository.fetch(remote, refspecs)
}

/// Verifies what was fetched beyond `tips`, the accepted ledgers before the fetch, and moves our
/// ledgers.
fn accept_fetched(
    repository: &Repository,
    mut tips: Tips,
) -> std::result::Result<SyncResult, SyncError> {
    let incoming = repository.tips_below(INCOMING)?;
    let mut synced = SyncResult::default();
    let Some((project, pinned)) = find_trusted_project(repository, &tips, &incoming)? else {
        return Ok(synced);
    };
    synced.pinned = pinned;
    synced.problems = verify_remote_ledgers(repository, &project, &mut tips, &incoming, |moved| {
        move_ledger(repository, &moved.ledger, moved.old, moved.new)?;
        synced.moved.push(moved);
        Ok(())
    })?;
    accept_fetched_notes(repository)?;
    synced.tips = tips;
    Ok(synced)
}

/// Verifies the remote's ledgers beyond `tips`, updates `tips`, calls `forward` for each ledger
/// that moves, and returns the problems.
///
/// An entry may depend only on valid entries of other ledgers: otherwise a forged policy, itself
/// refused, would let in what it allows. So after a failure the other ledgers are verified again
/// without the failed one.
fn verify_remote_ledgers(
    repository: &Repository,
    project: &Project,
    tips: &mut Tips,
    incoming: &Tips,
    mut forward: impl FnMut(MovedLedger) -> Result<()>,
) -> Result<Vec<LedgerProblem>> {
    let judge = EntryValidator::new(
        repository,
        FactGatherer::new(repository, project).with_branches_as_entered(),
        None,
    );
    let mut believed = incoming.clone();
    let mut problems = Vec::new();
    // The policy comes first: nothing else can be validated without it.
    let policy = LedgerName::policy();
    loop {
        let known: Tips = tips
            .iter()
            .chain(&believed)
            .map(|(name, tip)| (name.clone(), *tip))
            .collect();
        let chains = ChainMembership::new(repository, &known);
        let (mut moves, faults) = (Vec::new(), problems.len());
        let others = known.keys().filter(|name| **name != policy);
        for ledger in std::iter::once(&policy).chain(others) {
            let (kept, shown) = (tips.get(ledger).copied(), believed.get(ledger).copied());
            let Some(new) = shown.filter(|_| shown != kept) else {
                continue;
            };
            match verify_ledger(repository, &judge, &chains, ledger, kept, new)? {
                Ok(entries) => moves.push(MovedLedger {
                    ledger: ledger.clone(),
                    old: kept,
                    new,
                    entries,
                }),
                Err(fault) => {
                    believed.remove(ledger);
                    problems.push(LedgerProblem {
                        ledger: ledger.clone(),
                        kept_tip: kept,
                        remote_tip: shown,
                        fault,
                    });
                }
            }
        }
        if problems
            .iter()
            .skip(faults)
            .any(LedgerProblem::is_undecided)
        {
            // Entries that depend on an undecided one are undecided too. Nothing moves until that
            // is resolved.
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
            let problem = LedgerProblem {
                ledger: ledger.clone(),
                kept_tip: Some(*kept),
                remote_tip: None,
                fault: LedgerFault::Deleted,
            };
            problems.push(problem);
        }
    }
    Ok(problems)
}

/// Returns the project that this clone trusts, and its id if it is pinned now: the first project
/// seen is pinned.
fn find_trusted_project(
    repository: &Repository,
    tips: &Tips,
    incoming: &Tips,
) -> std::result::Result<Option<(Project, Option<EntryId>)>, SyncError> {
    let policy = LedgerName::policy();
    let shown = match incoming.get(&policy).or(tips.get(&policy)) {
        // The first commit of the chain itself, not what its tip claims.
        Some(tip) => repository
            .chain_between(None, *tip)?
            .and_then(|chain| chain.first().copied()),
        None => None,
    };
    match (repository.pinned_project()?, shown) {
        (Some(pinned), Some(found)) if pinned != found => {
            Err(SyncError::OtherProject { pinned, found })
        }
        (Some(pinned), Some(_)) => Ok(Some((Project::read(repository, pinned)?, None))),
        (None, Some(found)) => {
            let project = Project::read(repository, found)?;
            repository.set_config(PIN_SETTING, &found.to_string())?;
            Ok(Some((project, Some(found))))
        }
        (_, None) => Ok(None),
    }
}

/// Validates the entries after `kept` up to `new`; returns their number, or what is wrong.
fn verify_ledger(
    repository: &Repository,
    judge: &EntryValidator<'_>,
    chains: &ChainMembership<'_>,
    ledger: &LedgerName,
    kept: Option<EntryId>,
    new: EntryId,
) -> Result<std::result::Result<usize, LedgerFault>> {
    let Some(mut ids) = repository.chain_between(kept, new)? else {
        return Ok(Err(LedgerFault::Rewound));
    };
    let mut head = judge.load_tip(ledger, kept)?;
    if kept.is_none() {
        if ids.first() != Some(&head.chain.tip) {
            return Ok(Err(LedgerFault::Rewound));
        }
        ids.remove(0);
    }
    for id in &ids {
        let judged = judge.validate(
            ledger,
            &head,
            *id,
            ValidationContext::History(&|ledger, id| chains.contains(ledger, id)),
        );
        match judged.next_tip {
            Some(next) => head = next,
            None => {
                return Ok(Err(LedgerFault::Unverified {
                    id: *id,
                    verdict: Box::new(judged.verdict),
                }));
            }
        }
    }
    Ok(Ok(ids.len()))
}

/// Moves our ledger. If another process of ours moved it meanwhile, the next sync sees that.
fn move_ledger(
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

/// Returns the problems with the remote's ledgers as of the last fetch, for commands that do not
/// fetch.
///
/// What git itself fetched since the last sync is verified as in a sync, but not accepted.
pub fn find_known_problems(repository: &Repository) -> Result<Vec<LedgerProblem>> {
    let (mut tips, incoming) = (repository.tips()?, repository.tips_below(INCOMING)?);
    let Some(policy) = tips
        .get(&LedgerName::policy())
        .filter(|_| !incoming.is_empty())
    else {
        return Ok(Vec::new());
    };
    let project = Project::from_policy_tip(repository, *policy)?;
    verify_remote_ledgers(repository, &project, &mut tips, &incoming, |_| Ok(()))
}

/// Records that the remote's ledger is at the entry we pushed.
pub(super) fn record_push(
    repository: &Repository,
    ledger: &LedgerName,
    new: EntryId,
) -> Result<()> {
    let name = format!("{INCOMING}{ledger}");
    let old = repository.read_ref(&name)?;
    match repository.compare_and_swap(&name, old, new.0, "git-deploy: push") {
        Ok(()) | Err(Error::LostRace { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Accepts the fetched notes. They prove nothing, so they need no proof; `audit` compares them with
/// the ledgers.
fn accept_fetched_notes(repository: &Repository) -> Result<()> {
    let (ours, theirs) = (
        repository.read_ref(NOTES_REF)?,
        repository.read_ref(NOTES_INCOMING)?,
    );
    match theirs {
        Some(theirs) if ours != Some(theirs) => {
            match repository.compare_and_swap(NOTES_REF, ours, theirs, "git-deploy: sync") {
                Ok(()) | Err(Error::LostRace { .. }) => Ok(()),
                Err(error) => Err(error),
            }
        }
        _ => Ok(()),
    }
}

/// Brings the notes up to date after one of our entries was accepted: takes the remote's notes if
/// they cover it, otherwise updates and pushes ours.
///
/// Ledgers and notes are fetched together, so the notes never cover what this clone has not seen.
pub fn sync_notes(
    repository: &Repository,
    remote: &str,
    ledger: &LedgerName,
    id: EntryId,
) -> std::result::Result<(), SyncError> {
    for _ in 0..NOTES_ATTEMPTS {
        let tips = sync(repository, remote)?.tips;
        let notes = repository.read_notes_state(repository.read_ref(NOTES_REF)?)?;
        // Notes are unproven: they may claim to cover ids of no commit.
        if let Some(covered) = notes.covers.get(ledger)
            && repository.read_commit(covered.0).is_ok()
            && repository.is_on_chain(*covered, id, usize::MAX)?
        {
            return Ok(());
        }
        let old = repository.read_ref(NOTES_INCOMING)?;
        if repository.update_notes(&tips)?
            && let Some(new) = repository.read_ref(NOTES_REF)?
            && let PushOutcome::LostRace { .. } =
                repository.push_ref(remote, new, NOTES_REF, old)?
        {
            continue;
        }
        // A remote that refuses them maintains its own notes.
        break;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
