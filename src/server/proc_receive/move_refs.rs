//! Moves the refs of the updates that proc-receive accepts.

use super::judge::{JudgedCommand, refuse_allowed};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::verdict::{Check, Rule};
use crate::git::branch_move::BranchMove;
use crate::git::{Error, Repository, Result as GitResult};
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
    judged: &mut [JudgedCommand<'_>],
    is_atomic: bool,
) {
    let planned: Vec<(usize, BranchMove<'_>)> = judged
        .iter()
        .enumerate()
        .filter(|(_, judged)| judged.is_allowed() && judged.mover == Mover::ProcReceive)
        .filter_map(|(at, judged)| Some((at, plan_move(judged)?)))
        .collect();
    // Git takes the branches of one transaction all or none.
    let batch_size = if is_atomic { planned.len() } else { 1 };
    let mut failures = Vec::new();
    for batch in planned.chunks(batch_size.max(1)) {
        let moves: Vec<BranchMove<'_>> = batch.iter().map(|(_, planned)| planned.clone()).collect();
        if let Err(error) = repository.move_branches(&moves, BRANCH_LOG) {
            failures.extend(
                batch
                    .iter()
                    .map(|(at, _)| (*at, make_branch_failure(&error))),
            );
        }
    }
    let has_failed = !failures.is_empty();
    for (at, check) in failures {
        if let Some(judged) = judged.get_mut(at) {
            judged.judgement.verdict.checks.push(check);
        }
    }
    if is_atomic && has_failed {
        refuse_allowed(judged);
    }
}

/// Returns the move of a branch, or `None` for another kind of ref or a deletion.
fn plan_move<'c>(judged: &JudgedCommand<'c>) -> Option<BranchMove<'c>> {
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

/// Moves the ledgers of allowed updates. Returns why the notes and git's setting could not follow
/// them, if so.
pub(super) fn move_ledgers(
    repository: &Repository,
    judged: &mut [JudgedCommand<'_>],
) -> (Option<Error>, Option<Error>) {
    let (mut has_moved, mut has_policy_moved) = (false, false);
    for judged in judged.iter_mut().filter(|judged| judged.is_allowed()) {
        let (Some(ledger), Some(new)) = (judged.kind.ledger(), judged.update.new) else {
            continue;
        };
        match move_ledger(repository, ledger, EntryId(new), judged) {
            Ok(()) => {
                has_moved = true;
                has_policy_moved |= ledger.is_policy();
            }
            Err(error) => {
                let check = make_ledger_failure(&error);
                judged.judgement.verdict.checks.push(check);
            }
        }
    }
    let update_notes = || repository.update_notes(&repository.tips()?);
    let notes_error = has_moved.then(update_notes).and_then(Result::err);
    let setting_error = has_policy_moved
        .then(|| branch_handover::update_setting(repository))
        .and_then(Result::err);
    (notes_error, setting_error)
}

/// Moves the ledger of an allowed update.
fn move_ledger(
    repository: &Repository,
    ledger: &LedgerName,
    new: EntryId,
    judged: &JudgedCommand<'_>,
) -> GitResult<()> {
    if judged.judgement.uses_recovery {
        // This comes before the ref moves, so that the permission is never used twice. If the
        // process dies in between, the owner must give it again.
        Settings::read(repository)?.withdraw_recovery(repository)?;
    }
    let old = judged.update.old.map(EntryId);
    repository.advance_ledger(ledger, old, new, "git-deploy: push")
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
