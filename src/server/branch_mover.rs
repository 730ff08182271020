//! Decides whether proc-receive or git moves a branch that git hands to proc-receive.

use super::branch_handover::read_policy;
use super::classify::RefKind;
use crate::domain::policy::{Enforcement, Policy};
use crate::git::{Repository, Result as GitResult};

/// Who moves the ref of an accepted update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mover {
    /// proc-receive, while it holds the lock.
    ProcReceive,
    /// Git, after proc-receive has ended. Git then also calls the hook `update`.
    Git,
}

/// Returns who will move each ref under the policy in force.
pub(super) fn choose_movers(repository: &Repository, kinds: &[RefKind]) -> GitResult<Vec<Mover>> {
    let has_branch = kinds.iter().any(|kind| matches!(kind, RefKind::Branch(_)));
    let policy = if has_branch {
        read_policy(repository)?
    } else {
        None
    };
    kinds
        .iter()
        .map(|kind| choose_mover(repository, policy.as_deref(), kind))
        .collect()
}

/// Returns who moves a ref under a policy.
///
/// Git moves the branches whose rules are not enforced. It is given some of them because a value of
/// `receive.procReceiveRefs` covers all names below it, and because the policy may have changed
/// since git read its settings. Git also moves a branch if that is more than moving a ref.
pub(super) fn choose_mover(
    repository: &Repository,
    policy: Option<&Policy>,
    kind: &RefKind,
) -> GitResult<Mover> {
    let RefKind::Branch(short) = kind else {
        return Ok(Mover::ProcReceive);
    };
    let is_enforced = policy
        .and_then(|policy| policy.environment_of_branch(short))
        .is_some_and(|environment| environment.enforcement == Enforcement::Active);
    if is_enforced && !needs_git(repository, short)? {
        Ok(Mover::ProcReceive)
    } else {
        Ok(Mover::Git)
    }
}

/// Returns whether only git can move a branch correctly: it also refuses or updates a branch that
/// is checked out, and records where a shallow history ends.
fn needs_git(repository: &Repository, short: &str) -> GitResult<bool> {
    if repository.config_bool("receive.shallowUpdate")? == Some(true) {
        return Ok(true);
    }
    let setting = repository.config_string("receive.denyCurrentBranch")?;
    let ignores_checkouts = setting.is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        ["ignore", "warn", "false", "no", "off", "0", ""].contains(&&*value)
    });
    if ignores_checkouts {
        return Ok(false);
    }
    repository.is_checked_out(&format!("refs/heads/{short}"))
}
