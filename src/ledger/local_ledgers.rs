//! The ledgers of this repository, of which commands show and decide on verified tips only.
//!
//! A ref that this program has moved is recorded as verified, so usually nothing is left to verify.
//! Entries that git has brought itself are verified here, with the same code as fetched ones, from
//! the last verified tip on or from the genesis. A ledger that does not verify, or that no longer
//! contains the last verified tip, is left out; the others can still be used.

use std::collections::BTreeSet;

use super::ledger_refs::LedgerRefs;
use super::sync::problem::{LedgerFault, LedgerProblem, SyncError};
use super::sync::ref_moves::record_push;
use super::sync::verify::verify_remote_ledgers;
use super::verified_tips::VerifiedTips;
use super::{INCOMING, PREFIX, Project, Tips};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::git::error::Result;
use crate::git::repo::Repository;

/// The git setting of a server with the keys that the genesis of the first policy may name as
/// roots. It has several values.
pub const ADMIN_SETTING: &str = "deploy.admin";

/// The ledgers of a repository.
#[derive(Debug, Clone, Default)]
pub struct LocalLedgers {
    /// The tips of the refs that are verified.
    pub tips: Tips,
    /// The ledgers whose refs are not verified. `kept_tip` is the last verified tip, and
    /// `remote_tip` the tip of the ref.
    pub problems: Vec<LedgerProblem>,
}

impl LocalLedgers {
    /// Returns the last verified tips, also of ledgers whose refs are not verified.
    pub fn last_verified_tips(&self) -> Tips {
        let kept = self
            .problems
            .iter()
            .filter_map(|problem| Some((problem.ledger.clone(), problem.kept_tip?)));
        self.tips.clone().into_iter().chain(kept).collect()
    }

    /// Returns the names of the ledgers whose refs are not verified.
    pub fn unverified(&self) -> BTreeSet<LedgerName> {
        let names = self.problems.iter().map(|problem| problem.ledger.clone());
        names.collect()
    }

    /// Returns the tip of a ledger, or `None` if it does not exist.
    ///
    /// # Errors
    /// Fails if its ref is not verified.
    pub fn tip(&self, ledger: &LedgerName) -> Result<Option<EntryId>> {
        self.require([ledger]).map_err(SyncError::into_git)?;
        Ok(self.tips.get(ledger).copied())
    }

    /// Checks that each of the ledgers that a command needs is verified or does not exist.
    ///
    /// # Errors
    /// Fails with [`SyncError::Local`] and the problems of those that are not.
    pub fn require<'l>(
        &self,
        needed: impl IntoIterator<Item = &'l LedgerName>,
    ) -> std::result::Result<(), SyncError> {
        let needed: BTreeSet<&LedgerName> = needed.into_iter().collect();
        let mut problems = self.problems.clone();
        problems.retain(|problem| needed.contains(&problem.ledger));
        if problems.is_empty() {
            Ok(())
        } else {
            Err(SyncError::Local(problems))
        }
    }
}

impl Repository {
    /// Reads the tips of the ledgers, and verifies those that this program has not verified yet.
    ///
    /// # Errors
    /// Fails if the ledgers belong to another project than the trusted one, or cannot be read. A
    /// ledger that does not verify is a problem in the result.
    pub fn local_ledgers(&self) -> std::result::Result<LocalLedgers, SyncError> {
        let recorded = self.read_verified_tips();
        let refs = self.ledger_refs_below(PREFIX)?;
        let pinned = self.pinned_project()?;
        // A record of another project than the pinned one proves nothing. Without a pin, a
        // repository whose ledgers were all deleted begins again.
        let is_abandoned = refs.tips.is_empty() && refs.broken.is_empty() && pinned.is_none();
        let recorded = recorded.filter(|recorded| {
            !is_abandoned && pinned.is_none_or(|pinned| pinned == recorded.project)
        });
        let is_verified =
            refs.broken.is_empty() && recorded.as_ref().is_some_and(|it| it.tips == refs.tips);
        if is_verified || is_abandoned {
            return Ok(LocalLedgers {
                tips: refs.tips,
                problems: Vec::new(),
            });
        }
        let Some(project) = find_local_project(self, recorded.as_ref(), pinned, &refs.tips)? else {
            return Ok(LocalLedgers {
                tips: Tips::new(),
                problems: LedgerProblem::of_broken_refs(refs.broken, &Tips::new()).collect(),
            });
        };
        Ok(verify_refs(self, &project, recorded.as_ref(), &refs)?)
    }
}

/// Returns the ledgers that no longer contain the tip that was verified last, for an audit, which
/// verifies everything else itself. Leaves out those whose refs are broken.
pub fn find_rewound(repository: &Repository) -> std::result::Result<Vec<LedgerProblem>, SyncError> {
    let Some(recorded) = repository.read_verified_tips() else {
        return Ok(Vec::new());
    };
    let refs = repository.ledger_refs_below(PREFIX)?;
    if repository
        .pinned_project()?
        .is_some_and(|pinned| pinned != recorded.project)
    {
        return Ok(Vec::new());
    }
    let mut problems = Vec::new();
    for (ledger, verified) in recorded.tips {
        if refs.broken.iter().any(|it| it.ledger == ledger) {
            continue;
        }
        let tip = refs.tips.get(&ledger).copied();
        let fault = match tip {
            None => LedgerFault::Deleted,
            Some(tip) if tip == verified => continue,
            Some(tip) if repository.chain_between(Some(verified), tip)?.is_some() => continue,
            Some(_) => LedgerFault::Rewound,
        };
        problems.push(LedgerProblem {
            ledger,
            kept_tip: Some(verified),
            remote_tip: tip,
            fault,
        });
    }
    Ok(problems)
}

/// Returns the project that the ledgers are verified for: that of the record or, at first, the one
/// whose genesis the policy's ledger begins with. Returns `None` if there is no policy.
fn find_local_project(
    repository: &Repository,
    recorded: Option<&VerifiedTips>,
    pinned: Option<EntryId>,
    refs: &Tips,
) -> std::result::Result<Option<Project>, SyncError> {
    if let Some(recorded) = recorded {
        return Ok(Some(Project::read(repository, recorded.project)?));
    }
    let Some(tip) = refs.get(&LedgerName::policy()) else {
        return Ok(None);
    };
    let found = repository.first_commit_of_chain(*tip)?;
    match pinned {
        Some(pinned) if pinned != found => Err(SyncError::OtherLocalProject { pinned, found }),
        _ => Ok(Some(Project::read(repository, found)?)),
    }
}

/// Verifies the refs beyond the recorded tips, and records the result.
fn verify_refs(
    repository: &Repository,
    project: &Project,
    recorded: Option<&VerifiedTips>,
    refs: &LedgerRefs,
) -> Result<LocalLedgers> {
    let mut verified = recorded.map(|it| it.tips.clone()).unwrap_or_default();
    let is_server = repository.has_config(ADMIN_SETTING);
    let mut problems = verify_remote_ledgers(repository, project, &mut verified, refs, |moved| {
        // A server has judged its entries while their tags existed.
        if !is_server {
            repository.add_missing_tags(&moved.ledger, &moved.missing_tags)?;
        }
        // If this fails, a command reports a problem of the remote until the next sync.
        let _ = advance_incoming(repository, &moved.ledger, moved.new, moved.old.is_none());
        Ok(())
    })?;
    // After an undecided entry no ledger moves: what depends on it is undecided, too.
    let undecided = problems
        .iter()
        .find(|problem| problem.is_undecided() && !problem.is_broken())
        .map(|problem| problem.fault.clone());
    for (ledger, tip) in &refs.tips {
        let is_open = verified.get(ledger) != Some(tip)
            && problems.iter().all(|problem| problem.ledger != *ledger);
        if let Some(fault) = undecided.clone().filter(|_| is_open) {
            problems.push(LedgerProblem {
                ledger: ledger.clone(),
                kept_tip: verified.get(ledger).copied(),
                remote_tip: Some(*tip),
                fault,
            });
        }
    }
    let verified = VerifiedTips {
        project: project.id,
        tips: verified,
    };
    repository.record_verified_tips(recorded, &verified);
    let mut tips = verified.tips;
    tips.retain(|ledger, tip| refs.tips.get(ledger) == Some(tip));
    Ok(LocalLedgers { tips, problems })
}

/// Moves the incoming ref of a ledger up to entries that git itself has fetched. Otherwise the
/// remote would seem to be behind this clone, or to have lost a new ledger.
fn advance_incoming(
    repository: &Repository,
    ledger: &LedgerName,
    tip: EntryId,
    is_new: bool,
) -> Result<()> {
    let Some(incoming) = repository.read_ref(&format!("{INCOMING}{ledger}"))? else {
        // The first entries of a ledger, brought by git itself since the last sync.
        let has_synced = !repository.list_all_refs(INCOMING)?.is_empty();
        return if has_synced && is_new {
            record_push(repository, ledger, tip)
        } else {
            Ok(())
        };
    };
    if incoming != tip.0
        && repository
            .chain_between(Some(EntryId(incoming)), tip)?
            .is_some()
    {
        record_push(repository, ledger, tip)?;
    }
    Ok(())
}
