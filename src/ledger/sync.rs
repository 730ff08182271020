//! Syncs with a remote: fetches its ledgers to separate refs, verifies them, and only moves ours
//! forward.
//!
//! A ledger that was rewound or deleted, or that does not verify, keeps its last valid tip here.
//! Every command reports that problem.

pub(super) mod problem;
pub(super) mod ref_moves;
mod restore;
mod result;
pub(super) mod verify;

use std::time::Duration;

pub use problem::{LedgerFault, LedgerProblem, SyncError};
use ref_moves::move_ledger;
use restore::restore_unverified;
pub use result::SyncResult;
pub use verify::MovedLedger;
use verify::verify_remote_ledgers;

use super::local_ledgers::LocalLedgers;
use super::notes::NOTES_REF;
use super::{INCOMING, Project, Tips};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;

/// The refspec that fetches ledgers without accepting them.
pub const LEDGER_REFSPEC: &str = "+refs/deploy/*:refs/deploy-incoming/*";
/// The ref that holds the fetched notes. Notes of other kinds in the clone are not changed.
pub const NOTES_INCOMING: &str = "refs/deploy-incoming-notes/deploy";
/// The refspec that fetches the notes. It is a pattern because git fails to fetch a single ref
/// that the remote does not have.
const NOTES_REFSPEC: &str = "+refs/notes/deploy*:refs/deploy-incoming-notes/deploy*";
/// How many times to retry a fetch that a concurrent fetch disturbs.
const FETCH_ATTEMPTS: u32 = 10;
/// The git setting that pins the project's id, trusted on first use.
pub const PIN_SETTING: &str = "deploy.root";

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
///
/// # Errors
/// Fails if any of the remote's ledgers is not accepted; the others have moved.
pub fn sync(repository: &Repository, remote: &str) -> std::result::Result<SyncResult, SyncError> {
    let synced = sync_usable(repository, remote)?;
    if synced.problems.is_empty() {
        Ok(synced)
    } else {
        Err(SyncError::Problems(synced.problems))
    }
}

/// Does the same as [`sync`], but returns the problems of single ledgers with the result.
///
/// # Errors
/// Fails if the policy is not accepted, because everything depends on it, or if this clone lacks
/// the history to verify the ledgers.
pub fn sync_usable(
    repository: &Repository,
    remote: &str,
) -> std::result::Result<SyncResult, SyncError> {
    let incoming_before = repository.ledger_refs_below(INCOMING)?.tips;
    let mut synced = sync_once(repository, remote)?;
    if synced
        .problems
        .iter()
        .any(|problem| problem.fault == LedgerFault::Deleted)
    {
        // A truncated answer can look to git like one without some refs, so a deletion must be
        // seen twice.
        let second = sync_once(repository, remote).inspect_err(|_| {
            restore_incoming(repository, &incoming_before, &synced.problems);
        })?;
        synced = SyncResult {
            pinned: synced.pinned.or(second.pinned),
            moved: [synced.moved, second.moved].concat(),
            restored: [synced.restored, second.restored].concat(),
            set_aside: [synced.set_aside, second.set_aside].concat(),
            ..second
        };
    }
    let lacks_facts = |problem: &LedgerProblem| problem.is_undecided() && !problem.is_broken();
    let lacks_history = synced.problems.iter().any(lacks_facts) && repository.is_shallow()?;
    if lacks_history && synced.problems.iter().all(lacks_facts) {
        return Err(SyncError::Shallow(synced.problems));
    }
    let is_of_policy = |problem: &LedgerProblem| problem.ledger.is_policy();
    if lacks_history || synced.problems.iter().any(is_of_policy) {
        return Err(SyncError::Problems(synced.problems));
    }
    if synced.problems.is_empty() {
        repository.record_sync_time();
    }
    Ok(synced)
}

/// Restores the incoming refs of ledgers that seemed deleted, when a second fetch could not confirm
/// it.
fn restore_incoming(repository: &Repository, incoming: &Tips, problems: &[LedgerProblem]) {
    for problem in problems
        .iter()
        .filter(|problem| problem.fault == LedgerFault::Deleted)
    {
        if let Some(tip) = incoming.get(&problem.ledger) {
            // If this fails, the next fetch restores the ref.
            let name = format!("{INCOMING}{}", problem.ledger);
            let _ = repository.compare_and_swap(&name, None, tip.0, "git-deploy: sync");
        }
    }
}

/// Fetches once, and accepts the ledgers that verify.
fn sync_once(repository: &Repository, remote: &str) -> std::result::Result<SyncResult, SyncError> {
    // Read before the fetch, so that a concurrent push by this program does not look like a rewound
    // remote.
    let local = repository.local_ledgers()?;
    let branches = format!("+refs/heads/*:{}*", repository.branch_folder(remote));
    let broken_there = fetch_with_retries(
        repository,
        remote,
        // Ledgers first: they are never deleted, so one of them shows that the remote has answered.
        &[LEDGER_REFSPEC, &branches, NOTES_REFSPEC],
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
    match accept_fetched(repository, &local, &broken_there) {
        Err(SyncError::Git(Error::Shallow)) => Err(SyncError::Shallow(Vec::new())),
        accepted => accepted,
    }
}

/// Fetches, and retries if a ref could not be moved because another process fetches or pushes in
/// the same clone.
fn fetch_with_retries(
    repository: &Repository,
    remote: &str,
    refspecs: &[&str],
) -> Result<Vec<String>> {
    for attempt in 1..FETCH_ATTEMPTS {
        match repository.fetch(remote, refspecs) {
            // Git exits with 1 if some refs were not updated, and with 128 for other failures.
            Err(Error::CommandFailed { code: Some(1), .. }) => {
                // 40 ms at first, then twice as long each time, up to 320 ms.
                std::thread::sleep(Duration::from_millis(20 << attempt.min(4)));
            }
            result => return result,
        }
    }
    repository.fetch(remote, refspecs)
}

/// Verifies the fetched entries after the last verified tips, as of before the fetch, and moves our
/// ledgers.
fn accept_fetched(
    repository: &Repository,
    local: &LocalLedgers,
    broken_there: &[String],
) -> std::result::Result<SyncResult, SyncError> {
    let mut tips = local.last_verified_tips();
    let mut incoming = repository.ledger_refs_below(INCOMING)?;
    for name in broken_there {
        incoming.mark_as_broken_there(name);
    }
    let mut synced = SyncResult::default();
    let Some(trusted) = find_trusted_project(repository, &tips, &incoming.tips)? else {
        return Ok(synced);
    };
    synced.pinned = trusted.newly_pinned;
    let project = &trusted.project;
    // Without a record, the moves below would not be recorded.
    repository.begin_verified_tips(project.id, &tips);
    let mut blocked = Vec::new();
    synced.problems = verify_remote_ledgers(repository, project, &mut tips, &incoming, |moved| {
        // The missing tags are recorded first. Otherwise, after an interruption, the versions of
        // the moved entries would look checked.
        repository.add_missing_tags(&moved.ledger, &moved.missing_tags)?;
        // A ref that is not verified is where something else has moved it.
        let unverified = local.problems.iter().find(|it| it.ledger == moved.ledger);
        // The broken ref stays until the user has removed it; the next sync then brings the ledger.
        if unverified.is_some_and(LedgerProblem::is_broken) {
            return Ok(());
        }
        let old = unverified.map_or(moved.old, |problem| problem.remote_tip);
        match move_ledger(repository, &moved.ledger, old, moved.new)? {
            None => synced.moved.push(moved),
            Some(fault) => blocked.push(LedgerProblem {
                ledger: moved.ledger,
                kept_tip: None,
                remote_tip: None,
                fault,
            }),
        }
        Ok(())
    })?;
    synced.problems.extend(blocked);
    restore_unverified(repository, local, &tips, &mut synced)?;
    // Nothing is decided on notes, so their ref being broken stops nothing.
    match accept_fetched_notes(repository) {
        Err(error @ (Error::BrokenRef { .. } | Error::BrokenTarget { .. })) => {
            let removal = error.removal().unwrap_or_default();
            synced.notes_error = Some(format!("{error}: {removal}"));
        }
        accepted => accepted?,
    }
    synced.tips = tips;
    Ok(synced)
}

/// The project that this clone trusts.
struct TrustedProject {
    project: Project,
    /// Its id, if it was not pinned before.
    newly_pinned: Option<EntryId>,
}

/// Returns the project that this clone trusts. If no project is pinned yet, pins the one that the
/// ledgers belong to.
///
/// # Errors
/// Fails if the remote's policy is not a ledger, and this clone has no policy.
fn find_trusted_project(
    repository: &Repository,
    tips: &Tips,
    incoming: &Tips,
) -> std::result::Result<Option<TrustedProject>, SyncError> {
    let policy = LedgerName::policy();
    let own = tips.get(&policy).copied();
    let root = match (incoming.get(&policy).copied(), own) {
        (Some(remote), own) => match (find_root(repository, remote), own) {
            (Ok(root), _) => Some(root),
            // The ref is reported when the ledgers are verified.
            (Err(error), Some(own)) if error.is_malformed() || error.is_limit() => {
                Some(find_root(repository, own)?)
            }
            (Err(error), None) if error.is_malformed() => {
                return Err(SyncError::Problems(vec![LedgerProblem {
                    ledger: policy,
                    kept_tip: None,
                    remote_tip: Some(remote),
                    fault: LedgerFault::NotALedger {
                        why: error.to_string(),
                        is_undecided: false,
                    },
                }]));
            }
            (Err(error), _) => return Err(error.into()),
        },
        (None, Some(own)) => Some(find_root(repository, own)?),
        (None, None) => None,
    };
    match (repository.pinned_project()?, root) {
        (Some(pinned), Some(found)) if pinned != found => {
            Err(SyncError::OtherProject { pinned, found })
        }
        (Some(pinned), Some(_)) => Ok(Some(TrustedProject {
            project: Project::read(repository, pinned)?,
            newly_pinned: None,
        })),
        (None, Some(found)) => {
            let project = Project::read(repository, found)?;
            repository.set_config(PIN_SETTING, &found.to_string())?;
            Ok(Some(TrustedProject {
                project,
                newly_pinned: Some(found),
            }))
        }
        (_, None) => Ok(None),
    }
}

/// Returns the genesis of the project whose policy ledger has this tip.
///
/// # Errors
/// Fails if the tip is not that of a policy ledger.
fn find_root(repository: &Repository, tip: EntryId) -> Result<EntryId> {
    let root = repository.first_commit_of_chain(tip)?;
    Project::read(repository, root).map(|project| project.id)
}

impl Repository {
    /// Checks whether the remote has no notes, as of the last fetch, although this clone has some
    /// and the remote has ledgers.
    pub fn has_remote_lost_notes(&self) -> Result<bool> {
        Ok(self.read_ref(NOTES_REF)?.is_some()
            && self.read_ref(NOTES_INCOMING)?.is_none()
            && !self.list_all_refs(INCOMING)?.is_empty())
    }
}

/// Returns the problems with the remote's ledgers as of the last fetch, for commands that do not
/// fetch.
///
/// Ledgers that git itself fetched since the last sync are verified as in a sync, but not accepted.
pub fn find_known_problems(
    repository: &Repository,
) -> std::result::Result<Vec<LedgerProblem>, SyncError> {
    // Problems of the refs here are reported separately.
    let incoming = repository.ledger_refs_below(INCOMING)?;
    if incoming.tips.is_empty() && incoming.broken.is_empty() {
        return Ok(Vec::new());
    }
    let mut tips = repository.local_ledgers()?.last_verified_tips();
    let Some(policy) = tips.get(&LedgerName::policy()) else {
        return Ok(Vec::new());
    };
    let project = Project::from_policy_tip(repository, *policy)?;
    let problems = verify_remote_ledgers(repository, &project, &mut tips, &incoming, |_| Ok(()))?;
    Ok(problems)
}

/// Accepts the fetched notes without verifying them, because no decision depends on notes. `audit`
/// compares them with the ledgers.
fn accept_fetched_notes(repository: &Repository) -> Result<()> {
    let ours = repository.read_ref(NOTES_REF)?;
    let theirs = repository.read_ref(NOTES_INCOMING)?;
    for (name, id) in [(NOTES_REF, ours), (NOTES_INCOMING, theirs)] {
        id.map_or(Ok(()), |id| repository.require_target(name, id).map(drop))?;
    }
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

#[cfg(test)]
mod tests;
