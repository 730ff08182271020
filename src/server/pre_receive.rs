//! The hook pre-receive: decides about a whole push while its objects are in quarantine. A refused
//! push leaves no objects behind.
//!
//! A push that does not concern us is accepted without opening an object, after a check that none
//! of its refs is symbolic and leads to one of ours. For branches and tags, the policy is read too.

use std::io::Read;

use super::HookError;
use super::classify::{RefKind, classify};
use super::limits::MAX_UPDATES;
use super::push_judge::{PushJudge, find_project};
use super::ref_update::RefUpdate;
use super::settings::Settings;
use super::update_verdict::UpdateVerdict;
use crate::clock;
use crate::domain::name::LedgerName;
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
    judge_updates(&RefUpdate::parse_all(lines)?, open, |_| Ok(()))
}

/// Judges updates. Calls `prepare` with the repository before it reads the ledgers, and holds its
/// result, such as a lock, until the end.
pub(super) fn judge_updates<T>(
    updates: &[RefUpdate],
    open: impl FnOnce() -> GitResult<Repository>,
    prepare: impl FnOnce(&Repository) -> Result<T, HookError>,
) -> Result<Vec<UpdateVerdict>, HookError> {
    if updates.is_empty() {
        return Ok(Vec::new());
    }
    let repository = open()?;
    let kinds = updates
        .iter()
        .map(|update| Ok((classify_target(&repository, &update.name)?, update)));
    let kinds = kinds.collect::<GitResult<Vec<(RefKind, &RefUpdate)>>>()?;
    if kinds.iter().all(|(kind, _)| *kind == RefKind::Other) {
        return Ok(Vec::new());
    }
    let ledgers = || {
        kinds
            .iter()
            .filter_map(|(kind, update)| Some((kind.ledger()?, *update)))
    };
    let our_count = kinds
        .iter()
        .filter(|(kind, _)| matches!(kind, RefKind::Ledger(_) | RefKind::Forbidden(_)))
        .count();
    if our_count > MAX_UPDATES {
        return Err(HookError::TooManyUpdates);
    }
    let _guard = prepare(&repository)?;
    if our_count == 0 && repository.tip(&LedgerName::policy())?.is_none() {
        // Without a policy, no branch or tag is bound.
        return Ok(Vec::new());
    }
    let settings = Settings::read(&repository)?;
    let present = PushContext {
        tips: repository.tips()?,
        now: clock::now(),
    };
    let project = find_project(&repository, &present, ledgers())?;
    let judge = PushJudge::new(&repository, &settings, project.as_ref(), &present)?;
    let mut judgements = Vec::new();
    for (kind, update) in &kinds {
        judge.judge_update(kind, update, &mut judgements)?;
        if judgements.len() > MAX_UPDATES {
            return Err(HookError::TooManyUpdates);
        }
    }
    Ok(judgements)
}

/// Returns the kind of a ref. A symbolic ref counts as its target, which the push would move.
fn classify_target(repository: &Repository, name: &[u8]) -> GitResult<RefKind> {
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
