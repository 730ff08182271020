//! Moves the refs of the updates that proc-receive accepts.

use super::judge::{JudgedUpdate, refuse_allowed};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::verdict::{Check, Rule};
use crate::git::branch_move::BranchMove;
use crate::git::{Error, Repository, Result as GitResult};
use crate::ledger::sync::SyncError;
use crate::server::branch_handover;
use crate::server::branch_mover::Mover;
use crate::server::classify::RefKind;
use crate::server::settings::Settings;

/// The reflog's message for a branch, as git writes it for a push.
const BRANCH_LOG: &str = "push";

/// Moves the branches of allowed updates, unless git moves them. Refuses those that cannot be
/// moved; in an atomic push, the whole push.
pub(super) fn move_branches(
    repository: &Repository,
    judged: &mut [JudgedUpdate<'_>],
    is_atomic: bool,
) {
    let planned: Vec<(usize, BranchMove<'_>)> = judged
        .iter()
        .enumerate()
        .filter(|(_, judged)| judged.is_allowed() && judged.mover == Mover::ProcReceive)
        .filter_map(|(index, judged)| Some((index, plan_move(judged)?)))
        .collect();
    // Git moves either all branches of a transaction or none.
    let batch_size = if is_atomic { planned.len() } else { 1 };
    let mut failures = Vec::new();
    for batch in planned.chunks(batch_size.max(1)) {
        let moves: Vec<BranchMove<'_>> = batch.iter().map(|(_, planned)| planned.clone()).collect();
        if let Err(error) = repository.move_branches(&moves, BRANCH_LOG) {
            failures.extend(
                batch
                    .iter()
                    .map(|(index, _)| (*index, make_branch_failure(&error))),
            );
        }
    }
    let has_failed = !failures.is_empty();
    for (index, check) in failures {
        if let Some(judged) = judged.get_mut(index) {
            judged.judgement.verdict.checks.push(check);
        }
    }
    if is_atomic && has_failed {
        refuse_allowed(judged);
    }
}

/// Returns the move of a branch, or `None` for another kind of ref or a deletion.
fn plan_move<'c>(judged: &JudgedUpdate<'c>) -> Option<BranchMove<'c>> {
    let RefKind::Branch(short) = judged.kind else {
        return None;
    };
    Some(BranchMove {
        name: &judged.update.name,
        branch: format!("refs/heads/{short}"),
        old: judged.update.old,
        new: judged.update.new?,
    })
}

/// Why the updates that follow the move of a ledger failed, if they did.
pub(super) struct FollowUpErrors {
    /// Why the notes could not be written.
    pub notes: Option<Error>,
    /// Why `receive.procReceiveRefs` could not be adapted to the new policy.
    pub setting: Option<Error>,
}

/// Moves the ledgers of allowed updates. Then writes the notes, and adapts git's setting if the
/// policy has moved.
pub(super) fn move_ledgers(
    repository: &Repository,
    judged: &mut [JudgedUpdate<'_>],
) -> FollowUpErrors {
    let (mut has_moved, mut has_policy_moved) = (false, false);
    for command in judged.iter_mut().filter(|command| command.is_allowed()) {
        let (Some(ledger), Some(new)) = (command.kind.ledger(), command.update.new) else {
            continue;
        };
        match move_ledger(repository, ledger, EntryId(new), command) {
            Ok(()) => {
                has_moved = true;
                has_policy_moved |= ledger.is_policy();
            }
            Err(error) => {
                let check = make_ledger_failure(&error);
                command.judgement.verdict.checks.push(check);
            }
        }
    }
    let update_notes = || {
        let ledgers = repository.local_ledgers().map_err(SyncError::into_git)?;
        repository.update_notes(&ledgers.tips)
    };
    FollowUpErrors {
        notes: has_moved.then(update_notes).and_then(Result::err),
        setting: has_policy_moved
            .then(|| branch_handover::update_setting(repository))
            .and_then(Result::err),
    }
}

/// Moves the ledger of an allowed update.
fn move_ledger(
    repository: &Repository,
    ledger: &LedgerName,
    new: EntryId,
    judged: &JudgedUpdate<'_>,
) -> GitResult<()> {
    if judged.judgement.uses_recovery {
        // The permission is withdrawn before the ref moves, so that it is never used twice. If the
        // process dies in between, the owner must give the permission again.
        Settings::read(repository)?.withdraw_recovery(repository)?;
    }
    let old = judged.update.old.map(EntryId);
    repository.move_verified_ledger(ledger, old, new, "git-deploy: push")
}

/// Returns the check for an allowed update of a ledger that could not be carried out.
fn make_ledger_failure(error: &Error) -> Check {
    if error.is_lost_race() {
        return Check::fail(Rule::Chain, "the ledger has moved meanwhile; try again")
            .remedy("git deploy sync");
    }
    Check::unknown(Rule::Chain, error.to_string())
}

/// Returns the check for an allowed update of a branch that could not be carried out.
fn make_branch_failure(error: &Error) -> Check {
    if error.is_lost_race() {
        return Check::fail(Rule::Branch, "it has moved meanwhile: fetch and try again");
    }
    Check::unknown(Rule::Branch, error.to_string())
}
