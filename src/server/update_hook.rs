//! update: judges each ref once more just before git moves it, where a host calls no proc-receive.
//!
//! It looks at the refs as they are then, under the lock; but git moves the ref after the hook has ended. Two pushes that come to
//! this point in the very same moment still do not see each other: a window of milliseconds that only proc-receive closes.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use super::pre_receive::judge_updates;
use super::ref_update::Update;
use super::update_verdict::Judgement;
use super::{Fault, lock};
use crate::git::{Repository, Result as GitResult};

/// Judges one update, in the repository that `open` opens if it must be looked at. `arguments` are git's: ref, old id, new id.
pub fn judge(
    arguments: &[OsString],
    open: impl FnOnce() -> GitResult<Repository>,
) -> Result<Vec<Judgement>, Fault> {
    let [name, old, new] = arguments else {
        return Err(Fault::Protocol("the hook update takes a ref and two ids"));
    };
    let line = [old.as_bytes(), new.as_bytes(), name.as_bytes()].join(&b' ');
    let update =
        Update::parse(&line).ok_or(Fault::Protocol("the hook update takes a ref and two ids"))?;
    judge_updates(&[update], open, |repository| {
        lock::take(repository.common_dir())
    })
}
