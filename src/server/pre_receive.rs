//! The hook pre-receive: decides about a whole push while its objects are in quarantine. A refused
//! push leaves no objects behind.
//!
//! A push that does not concern us is accepted without opening an object, after a check that none
//! of its refs is symbolic and leads to one of ours. For branches and tags, the policy is read too.

use std::io::Read;

use super::HookError;
use super::branch_handover::is_judged_again;
use super::classify::{RefKind, classify};
use super::limits::MAX_UPDATES;
use super::push_judge::{PushJudge, find_project};
use super::ref_update::RefUpdate;
use super::settings::Settings;
use super::shell::quote_path;
use super::update_verdict::UpdateVerdict;
use crate::domain::name::LedgerName;
use crate::domain::verdict::{Check, Decision, Rule};
use crate::git::{Repository, Result as GitResult};
use crate::ledger::entry_validator::PushContext;

/// The most that is read of git's input, in MiB: about 500,000 refs.
const INPUT_LIMIT: usize = 64;

/// Reads git's input about a push.
///
/// # Errors
/// The input is longer than 64 MiB, or the pipe is broken.
pub fn read_input(from: impl Read) -> Result<Vec<u8>, HookError> {
    let limit = INPUT_LIMIT << 20;
    let mut lines = Vec::new();
    from.take(limit as u64 + 1)
        .read_to_end(&mut lines)
        .map_err(HookError::Connection)?;
    if lines.len() > limit {
        Err(HookError::InputTooLong(INPUT_LIMIT))
    } else {
        Ok(lines)
    }
}

/// Judges a push, in the repository that `open` opens if necessary.
///
/// `lines` is git's input to the hook. Refs that do not concern us are left out of the result.
pub fn judge(
    lines: &[u8],
    open: impl FnOnce() -> GitResult<Repository>,
) -> Result<Vec<UpdateVerdict>, HookError> {
    let updates = RefUpdate::parse_all(lines)?;
    judge_updates(&updates, open, Stage::Quarantine, |_| Ok(()))
}

/// The time at which updates are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the objects are accepted. The pusher can delay the move of the refs.
    Quarantine,
    /// Just before git moves the ref.
    Move,
}

/// Judges updates. Calls `prepare` with the repository before it reads the ledgers, and holds its
/// result, such as a lock, until the end.
pub(super) fn judge_updates<T>(
    updates: &[RefUpdate],
    open: impl FnOnce() -> GitResult<Repository>,
    stage: Stage,
    prepare: impl FnOnce(&Repository) -> Result<T, HookError>,
) -> Result<Vec<UpdateVerdict>, HookError> {
    if updates.is_empty() {
        return Ok(Vec::new());
    }
    let repository = open()?;
    let classified = updates
        .iter()
        .map(|update| Ok((classify_target(&repository, &update.name)?, update)));
    let classified = classified.collect::<GitResult<Vec<(RefKind, &RefUpdate)>>>()?;
    if classified.iter().all(|(kind, _)| *kind == RefKind::Other) {
        return Ok(Vec::new());
    }
    let ledgers = || {
        classified
            .iter()
            .filter_map(|(kind, update)| Some((kind.ledger()?, *update)))
    };
    let our_count = classified
        .iter()
        .filter(|(kind, _)| matches!(kind, RefKind::Ledger(_) | RefKind::Forbidden(_)))
        .count();
    if our_count > MAX_UPDATES {
        return Err(HookError::TooManyUpdates);
    }
    let _guard = prepare(&repository)?;
    let present = PushContext::read(&repository)?;
    if our_count == 0 && !present.tips.contains_key(&LedgerName::policy()) {
        // Without a policy, no branch or tag is bound.
        return Ok(Vec::new());
    }
    let settings = Settings::read(&repository)?;
    let project = find_project(&repository, &present, ledgers())?;
    let judge = PushJudge::new(&repository, &settings, project.as_ref(), &present)?;
    let mut judgements = Vec::new();
    for (kind, update) in &classified {
        let count = judgements.len();
        judge.judge_update(kind, update, &mut judgements)?;
        if stage == Stage::Quarantine && matches!(kind, RefKind::Branch(_)) {
            for judgement in judgements.iter_mut().skip(count) {
                require_second_judgement(&repository, update, judgement)?;
            }
        }
        if judgements.len() > MAX_UPDATES {
            return Err(HookError::TooManyUpdates);
        }
    }
    Ok(judgements)
}

/// Refuses an accepted move of an enforced branch if no hook judges it again. Otherwise the pusher
/// could delay the move until the rules would no longer accept it.
fn require_second_judgement(
    repository: &Repository,
    update: &RefUpdate,
    judgement: &mut UpdateVerdict,
) -> GitResult<()> {
    let is_accepted = judgement.is_enforced && judgement.decision() == Decision::Allowed;
    if is_accepted && !is_judged_again(repository, &update.name)? {
        let why = "this server does not hand the branch to proc-receive, so no hook would judge it again when it moves: the server's owner can fix that with the command below";
        let check = Check::unknown(Rule::Branch, why).remedy(format!(
            "git-deploy server init {}",
            quote_path(repository.git_dir())
        ));
        judgement.verdict.checks.push(check);
    }
    Ok(())
}

/// Returns the kind of a ref. A symbolic ref counts as its target, which the push would move.
pub(super) fn classify_target(repository: &Repository, name: &[u8]) -> GitResult<RefKind> {
    let kind = classify(name);
    if !matches!(kind, RefKind::Branch(_) | RefKind::Tag(_) | RefKind::Other) {
        return Ok(kind);
    }
    Ok(
        match repository
            .symref_target(name)?
            .map(|target| classify(&target))
        {
            None => kind,
            Some(RefKind::Ledger(_) | RefKind::Forbidden(_)) => RefKind::Forbidden(
                "it is a symbolic ref to a ref that may not be pushed this way: the server's owner can remove it with git symbolic-ref --delete",
            ),
            Some(target) => target,
        },
    )
}
