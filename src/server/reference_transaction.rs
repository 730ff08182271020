//! The hook reference-transaction: prevents git itself from moving ledgers and notes. Only our
//! hooks move them, and they do not use git for that.
//!
//! Git calls it before every change of any ref, also for `git update-ref` and `git fetch`. `git
//! pack-refs` appears as two changes: it writes the ref's present value into `packed-refs`, then
//! deletes the ref's own file. Both leave the ref unmoved.

use super::HookError;
use super::classify::{RefKind, classify};
use crate::domain::id::Oid;
use crate::domain::verdict::{Check, Rule};
use crate::git::{Error, Repository, Result as GitResult};
use crate::ledger::notes::NOTES_REF;

use super::update_verdict::UpdateVerdict;

/// The state in which the hook can still stop git.
const PREPARED: &[u8] = b"prepared";

/// Judges a transaction, in the repository that `open` opens if it concerns our refs. `lines` is
/// git's input to the hook: `<old> <new> <ref>`, where old and new need not be ids. Accepted
/// changes are left out of the result.
pub fn judge(
    state: &[u8],
    lines: &[u8],
    open: impl FnOnce() -> GitResult<Repository>,
) -> Result<Vec<UpdateVerdict>, HookError> {
    if state != PREPARED {
        return Ok(Vec::new());
    }
    let changes = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .filter_map(|line| {
            let mut parts = line.splitn(3, |byte| *byte == b' ');
            Some((parts.next()?, parts.next()?, parts.next()?))
        });
    let protected: Vec<_> = changes.filter(|(_, _, name)| is_protected(name)).collect();
    if protected.is_empty() {
        return Ok(Vec::new());
    }
    let repository = open()?;
    let refused = protected.into_iter().filter_map(|(old, new, name)| match keeps_value(&repository, old, new, name) {
        Ok(true) => None,
        Ok(false) => {
            let why = "only a push that the hooks judge can move it, not git in the server's repository";
            Some(UpdateVerdict::from_check(name, Check::fail(Rule::Chain, why)))
        }
        Err(error) => Some(UpdateVerdict::from_check(name, error.to_check(Rule::Chain))),
    });
    Ok(refused.collect())
}

/// Returns whether a ref is a ledger, could be mistaken for one, or holds the notes. The server's
/// owner may change the other refs that cannot be pushed.
fn is_protected(name: &[u8]) -> bool {
    let is_below = |folder: &[u8]| {
        let head = name.get(..folder.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(folder))
            && name.get(folder.len()).is_none_or(|next| *next == b'/')
    };
    matches!(classify(name), RefKind::Ledger(_))
        || is_below(b"refs/deploy")
        || is_below(NOTES_REF.as_bytes())
}

/// Returns whether a change leaves the ref at its present value.
fn keeps_value(
    repository: &Repository,
    old: &[u8],
    new: &[u8],
    name: &[u8],
) -> Result<bool, Error> {
    let id = |hex: &[u8]| {
        std::str::from_utf8(hex)
            .ok()
            .and_then(|hex| hex.parse::<Oid>().ok())
    };
    // Any other form is a symbolic ref, or unknown.
    let (Some(old), Some(new), Ok(name)) = (id(old), id(new), std::str::from_utf8(name)) else {
        return Ok(false);
    };
    if !new.is_zero() {
        return Ok(repository.read_ref(name)? == Some(new));
    }
    // A deletion from packed-refs names no old value. A deletion of the ref's own file leaves the
    // value in packed-refs.
    Ok(!old.is_zero() && repository.read_packed_ref(name)? == Some(old))
}
