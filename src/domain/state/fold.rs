//! `fold`: computes how an accepted entry changes the state. It is pure and total: every verified
//! entry gives the same edits everywhere.
//!
//! The rules decide whether an entry is accepted. Client, server and audit all use this function,
//! and the server compares the resulting tree with the pushed one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::edits::Edits;
use super::{Edit, SlotKey, State, Value};
use crate::domain::entry::{
    Abort, Action, ComponentChange, ComponentResult, Deployment, DeploymentKind, Entry, Finish,
    Outcome, Statement, Unlock, Verification, Verified, Yank,
};
use crate::domain::name::ComponentName;
use crate::domain::policy::PublishedPolicy;

/// Returns the edits that `entry` makes to `state`, each slot at most once, in order.
///
/// `policy` is the policy that a `publish` puts in force, and `None` for any other entry. `state`
/// must contain at least the components that
/// [`Scope::for_statement`](super::Scope::for_statement) returns for the entry.
pub fn fold(state: &State, entry: &Entry<Verified>, policy: Option<&PublishedPolicy>) -> Vec<Edit> {
    let mut edits = Edits::new(state, entry.stored());
    drop_expired(entry.statement(), &mut edits);
    fold_action(entry.statement(), policy, &mut edits);
    edits.finish()
}

fn fold_action(statement: &Statement, policy: Option<&PublishedPolicy>, edits: &mut Edits<'_>) {
    match &statement.action {
        Action::Baseline(_) => {
            for result in statement.component_results() {
                edits.set_running(&result);
            }
        }
        Action::Start(it) => {
            edits.store_entry(SlotKey::RunStart(statement.sequence));
            edits.store_entry(SlotKey::RunOwner(statement.sequence));
            fold_expiry(&it.deployment, edits);
        }
        Action::Resume(it) => edits.store_entry(SlotKey::RunOwner(it.start)),
        Action::Finish(it) => fold_finish(it, edits),
        Action::Record(it) => {
            fold_expiry(&it.deployment, edits);
            fold_results(&it.deployment, &statement.component_results(), None, edits);
        }
        Action::Abort(it) => fold_abort(it, edits),
        Action::Verification(it) => fold_verification(it, edits),
        Action::Approve(it) => edits.store_entry(SlotKey::Approval {
            commit: it.commit,
            person: statement.by.clone(),
            sequence: statement.sequence,
        }),
        Action::Revoke(it) => edits.drop_approvals(|commit, approval| {
            commit == it.commit && approval.statement.by == it.approver
        }),
        Action::Lock(it) => edits.store_entry(lock_key(it.component.as_ref())),
        Action::Unlock(it) => fold_unlock(it, edits),
        Action::Expire(_) => edits.store_entry(SlotKey::Expires),
        Action::Build(_) | Action::Artifact(_) | Action::Attestation(_) => {}
        Action::Yank(it) => yank_keys(it).for_each(|key| edits.store_entry(key)),
        Action::Unyank(it) => yank_keys(&it.0).for_each(|key| edits.clear(key)),
        Action::Publish(_) => {
            edits.clear_where(|slot, _| matches!(slot.key, SlotKey::PolicyApproval { .. }));
            if let Some(PublishedPolicy { text, keys }) = policy {
                edits.set(SlotKey::Policy, Some(Value::Bytes(Arc::clone(text))));
                edits.set(SlotKey::Keys, Some(Value::Bytes(Arc::clone(keys))));
            }
        }
        Action::PolicyApprove(it) => edits.store_entry(SlotKey::PolicyApproval {
            digest: it.digest.clone(),
            person: statement.by.clone(),
            sequence: statement.sequence,
        }),
        Action::PolicyRevoke(it) => edits.clear_where(|slot, _| {
            matches!(&slot.key, SlotKey::PolicyApproval { digest, person, .. }
                if *digest == it.digest && *person == it.approver)
        }),
    }
}

/// Drops the approvals that have expired by the time of the entry, in every environment of the
/// ledger.
fn drop_expired(statement: &Statement, edits: &mut Edits<'_>) {
    edits.clear_where(|slot, value| {
        let (SlotKey::Approval { .. }, Some(approval)) = (&slot.key, value.entry()) else {
            return false;
        };
        matches!(&approval.statement.action, Action::Approve(it) if it.expires <= statement.at)
    });
}

fn lock_key(component: Option<&ComponentName>) -> SlotKey {
    component
        .cloned()
        .map_or(SlotKey::Lock, SlotKey::ComponentLock)
}

fn yank_keys(yank: &Yank) -> impl Iterator<Item = SlotKey> {
    let digest = yank.digest.clone().map(SlotKey::YankedDigest);
    let contents = yank.commit.into_iter().flat_map(|commit| {
        yank.contents.iter().map(move |it| SlotKey::YankedContent {
            component: it.component.clone(),
            content: it.content,
            commit,
        })
    });
    let object = yank.commit.map(SlotKey::YankedCommit).or(digest);
    object.into_iter().chain(contents)
}

fn fold_expiry(deployment: &Deployment, edits: &mut Edits<'_>) {
    if deployment.expires.is_some() {
        edits.store_entry(SlotKey::Expires);
    }
}

fn fold_verification(verification: &Verification, edits: &mut Edits<'_>) {
    for verified in &verification.components {
        if edits.env_state.commit(&verified.component) == Some(verified.commit) {
            edits.store_entry(SlotKey::Verification(verified.component.clone()));
        }
    }
}

fn fold_unlock(unlock: &Unlock, edits: &mut Edits<'_>) {
    for hold in &unlock.holds {
        edits.clear(SlotKey::Hold(hold.component.clone(), hold.content));
    }
    if unlock.commit.is_none() {
        edits.clear(lock_key(unlock.component.as_ref()));
    }
}

fn fold_finish(finish: &Finish, edits: &mut Edits<'_>) {
    if let Some(deployment) = deployment_of_run(finish.start, edits) {
        fold_results(deployment, &finish.components, finish.status, edits);
    }
    edits.remove_run(finish.start);
}

/// Marks every component that the aborted run was changing as unknown, and removes the run.
fn fold_abort(abort: &Abort, edits: &mut Edits<'_>) {
    if let Some(deployment) = deployment_of_run(abort.start, edits) {
        for change in deployment.changed() {
            edits.set_unknown(&change.target.component);
        }
    }
    edits.remove_run(abort.start);
}

fn deployment_of_run<'a>(start: u64, edits: &Edits<'a>) -> Option<&'a Deployment> {
    edits.env_state.run(start)?.start.statement.deployment()
}

/// Folds the results of a deployment, from a `finish` or a `record`. `status` is the exit status of
/// the command of an `exec`.
fn fold_results(
    deployment: &Deployment,
    results: &[ComponentResult],
    status: Option<u8>,
    edits: &mut Edits<'_>,
) {
    for change in &deployment.components {
        let component = &change.target.component;
        let result = results.iter().find(|it| it.target.component == *component);
        if let Some(result) = result {
            fold_result(deployment.kind, change, result, edits);
        }
    }
    use_up_approvals(deployment, results, status, edits);
    let is_destroyed = |result: &ComponentResult| result.outcome == Outcome::Destroyed;
    if deployment.kind == DeploymentKind::Destroy
        && edits.environment.is_some()
        && results.iter().all(is_destroyed)
    {
        edits.clear_environment();
    }
}

fn fold_result(
    kind: DeploymentKind,
    change: &ComponentChange,
    result: &ComponentResult,
    edits: &mut Edits<'_>,
) {
    let component = &change.target.component;
    match result.outcome {
        Outcome::Succeeded => {
            let previous_content = edits.env_state.content(component);
            if kind == DeploymentKind::Rollback && previous_content != change.target.content {
                edits.hold(component, previous_content);
            }
            edits.set_running(result);
        }
        Outcome::Failed => {
            edits.set_unknown(component);
            edits.hold(component, change.target.content);
        }
        Outcome::RolledBack => {
            edits.store_entry(SlotKey::LastAttempt(component.clone()));
            edits.hold(component, change.target.content);
        }
        Outcome::Destroyed => edits.remove_component(component),
        Outcome::Executed | Outcome::Skipped => {}
    }
}

/// Drops every approval that a success could have relied on, so that an approval counts once.
///
/// An approval is dropped if a change of its commit and purpose was successfully deployed, removed
/// or used by an `exec`, and if it covers all components that needed approval for that commit and
/// purpose.
fn use_up_approvals(
    deployment: &Deployment,
    results: &[ComponentResult],
    status: Option<u8>,
    edits: &mut Edits<'_>,
) {
    let is_success = |it: &&ComponentResult| match it.outcome {
        Outcome::Succeeded | Outcome::Destroyed => true,
        Outcome::Executed => status == Some(0),
        Outcome::Failed | Outcome::Skipped | Outcome::RolledBack => false,
    };
    let successes: BTreeSet<&ComponentName> = results
        .iter()
        .filter(is_success)
        .map(|it| &it.target.component)
        .collect();
    edits.drop_approvals(|commit, approval| {
        let Action::Approve(approve) = &approval.statement.action else {
            return false;
        };
        let matches_approval = |change: &&ComponentChange| {
            change.target.commit == commit && deployment.purpose_of(change) == approve.purpose
        };
        let mut changes = deployment.components.iter().filter(matches_approval);
        let is_used = changes
            .clone()
            .any(|it| successes.contains(&it.target.component));
        is_used && changes.all(|it| approve.components.contains(&it.target.component))
    });
}

#[cfg(test)]
mod tests;
