//! The hook pre-receive: decides about a whole push while its objects are in quarantine. A refused
//! push leaves nothing behind.
//!
//! A push that does not concern us is accepted without opening an object, after a check that none
//! of its refs is symbolic and leads to one of ours. A push of branches or tags also costs a look
//! at the policy.

use std::io::Read;

use super::classify::{Class, classify};
use super::push_judge::{Court, project};
use super::ref_update::Update;
use super::settings::Settings;
use super::update_verdict::Judgement;
use super::{Fault, MAX_UPDATES};
use crate::clock;
use crate::domain::name::LedgerName;
use crate::git::{Repository, Result as GitResult};
use crate::ledger::entry_validator::Present;

/// The most that is read of git's input, in MiB: about 500,000 refs.
const INPUT_LIMIT: usize = 64;

/// Reads git's input about a push.
///
/// # Errors
/// The input is longer than 64 MiB, or the pipe is broken.
pub fn read(from: impl Read) -> Result<Vec<u8>, Fault> {
    let limit = INPUT_LIMIT << 20;
    let mut lines = Vec::new();
    from.take(limit as u64 + 1)
        .read_to_end(&mut lines)
        .map_err(Fault::Broken)?;
    if lines.len() > limit {
        Err(Fault::TooLong(INPUT_LIMIT))
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
) -> Result<Vec<Judgement>, Fault> {
    judge_updates(&Update::parse_all(lines)?, open, |_| Ok(()))
}

/// Judges updates. Calls `prepare` with the repository before it reads a ref, if it reads any.
pub(super) fn judge_updates<T>(
    updates: &[Update],
    open: impl FnOnce() -> GitResult<Repository>,
    prepare: impl FnOnce(&Repository) -> Result<T, Fault>,
) -> Result<Vec<Judgement>, Fault> {
    if updates.is_empty() {
        return Ok(Vec::new());
    }
    let repository = open()?;
    let classes = updates
        .iter()
        .map(|update| Ok((class_of(&repository, &update.name)?, update)));
    let classes = classes.collect::<GitResult<Vec<(Class, &Update)>>>()?;
    if classes.iter().all(|(class, _)| *class == Class::Other) {
        return Ok(Vec::new());
    }
    let ledgers = || {
        classes
            .iter()
            .filter_map(|(class, update)| Some((class.ledger()?, *update)))
    };
    let ours = classes
        .iter()
        .filter(|(class, _)| matches!(class, Class::Ledger(_) | Class::Forbidden(_)))
        .count();
    if ours > MAX_UPDATES {
        return Err(Fault::TooMany);
    }
    let _prepared = prepare(&repository)?;
    if ours == 0 && repository.tip(&LedgerName::policy())?.is_none() {
        // Without a policy, no branch or tag is bound.
        return Ok(Vec::new());
    }
    let settings = Settings::read(&repository)?;
    let present = Present {
        tips: repository.tips()?,
        now: clock::now(),
    };
    let project = project(&repository, &present, ledgers())?;
    let court = Court::new(&repository, &settings, project.as_ref(), &present)?;
    let mut judgements = Vec::new();
    for (class, update) in &classes {
        court.any(class, update, &mut judgements)?;
        if judgements.len() > MAX_UPDATES {
            return Err(Fault::TooMany);
        }
    }
    Ok(judgements)
}

/// Returns the kind of a ref. A symbolic ref counts as its target, which is what would move.
fn class_of(repository: &Repository, name: &[u8]) -> GitResult<Class> {
    let class = classify(name);
    if !matches!(class, Class::Branch(_) | Class::Tag(_) | Class::Other) {
        return Ok(class);
    }
    Ok(
        match repository.leads_to(name)?.map(|target| classify(&target)) {
            None => class,
            Some(Class::Ledger(_) | Class::Forbidden(_)) => Class::Forbidden(
                "it is symbolic and leads to what nobody may push so: the server's owner removes it with git symbolic-ref --delete",
            ),
            Some(target) => target,
        },
    )
}
