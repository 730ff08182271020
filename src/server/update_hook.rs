//! The hook update: judges each ref again just before git moves it, on hosts that do not call
//! proc-receive.
//!
//! It reads the refs at that time, under the lock. But git moves the ref after the hook has ended.
//! For some milliseconds, another push can be judged on the refs before that move. Only
//! proc-receive prevents this, because it moves the refs while it holds the lock.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use super::pre_receive::{Stage, judge_updates};
use super::ref_update::RefUpdate;
use super::update_verdict::UpdateVerdict;
use super::{HookError, lock};
use crate::domain::verdict::Decision;
use crate::git::{Repository, Result as GitResult};

/// Judges one update, in the repository that `open` opens, and returns only a judgement that does
/// not accept it. `arguments` are git's: ref, old id, new id.
pub fn judge(
    arguments: &[OsString],
    open: impl FnOnce() -> GitResult<Repository>,
) -> Result<Vec<UpdateVerdict>, HookError> {
    let [name, old, new] = arguments else {
        return Err(HookError::Protocol(
            "the hook update takes a ref and two ids",
        ));
    };
    let line = [old.as_bytes(), new.as_bytes(), name.as_bytes()].join(&b' ');
    let update = RefUpdate::parse(&line).ok_or(HookError::Protocol(
        "the hook update takes a ref and two ids",
    ))?;
    let mut judgements = judge_updates(&[update], open, Stage::Move, |repository| {
        lock::take(repository)
    })?;
    // pre-receive has reported what is accepted although a rule that is not enforced refuses it.
    judgements.retain(|judgement| judgement.decision() != Decision::Allowed);
    Ok(judgements)
}
