//! The hook pre-receive: decides about a whole push while its objects are in quarantine. A refused
//! push leaves nothing behind.
//!
//! A push that does not concern us is accepted without opening an object, after a check that none
//! of its refs is symbolic and leads to one of ours. A push of branches or tags also costs a look
//! at the policy.

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

/// Judges updates. Calls `prepare` with the repository before it reads a ref, if it reads any.
pub(super) fn judge_updates<T>(
    updates: &[RefUpdate],
    open: impl FnOnce() -> GitResult<Repository>,
    prepare: impl FnOnce(&Repository) -> Result<T, HookError>,
) -> Result<Vec<UpdateVerdict>, HookError> {
    if updates.is_empty() {
        return Ok(Vec::new());
    }
    let repository = open()?;
    let classes = updates
        .iter()
        .map(|update| Ok((classify_target(&repository, &update.name)?, update)));
    let classes = classes.collect::<GitResult<Vec<(RefKind, &RefUpdate)>>>()?;
    if classes.iter().all(|(class, _)| *class == RefKind::Other) {
        return Ok(Vec::new());
    }
    let ledgers = || {
        classes
            .iter()
            .filter_map(|(class, update)| Some((class.ledger()?, *update)))
    };
    let ours = classes
        .iter()
        .filter(|(class, _)| matches!(class, RefKind::Ledger(_) | RefKind::Forbidden(_)))
        .count();
    if ours > MAX_UPDATES {
        return Err(HookError::TooManyUpdates);
    }
    let _prepared = prepare(&repository)?;
    if ours == 0 && repository.tip(&LedgerName::policy())?.is_none() {
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
    for (class, update) in &classes {
        judge.judge_update(class, update, &mut judgements)?;
        if judgements.len() > MAX_UPDATES {
            return Err(HookError::TooManyUpdates);
        }
    }
    Ok(judgements)
}

/// Returns the kind of a ref. A symbolic ref counts as its target, which is what would move.
fn classify_target(repository: &Repository, name: &[u8]) -> GitResult<RefKind> {
    let class = classify(name);
    if !matches!(class, RefKind::Branch(_) | RefKind::Tag(_) | RefKind::Other) {
        return Ok(class);
    }
    Ok(
        match repository
            .symref_target(name)?
            .map(|target| classify(&target))
        {
            None => class,
            Some(RefKind::Ledger(_) | RefKind::Forbidden(_)) => RefKind::Forbidden(
                "it is symbolic and leads to what nobody may push so: the server's owner removes it with git symbolic-ref --delete",
            ),
            Some(target) => target,
        },
    )
}
