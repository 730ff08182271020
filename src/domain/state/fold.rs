//! `fold`: what an entry does to the state. Pure and total: whatever the entry, there is an answer, and the same everywhere.
//!
//! Whether an entry may stand is the gates' question; this one is only what follows if it does. Client, server and audit use
//! this one function, and the server compares the tree that follows with the tree that was pushed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Edit, EnvState, Slot, SlotKey, State, Value};
use crate::domain::entry::{
    Abort, Action, ComponentChange, ComponentResult, Deployment, DeploymentKind, Entry, Finish,
    Intent, Outcome, Statement, StoredEntry, Verified,
};
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName};

/// The edits that `entry` makes to `state`, each slot at most once, in order.
///
/// `policy` is the `deploy.toml` that a `publish` brings; other entries have none. `state` holds at least
/// [`Scope::for_statement`](super::Scope::for_statement) the statement.
pub fn fold(state: &State, entry: &Entry<Verified>, policy: Option<&Arc<[u8]>>) -> Vec<Edit> {
    let statement = entry.statement();
    let mut edits = Edits {
        here: state.environment_of(statement),
        entry: entry.stored(),
        environment: statement.environment.as_ref(),
        map: BTreeMap::new(),
    };
    drop_expired(state, statement, &mut edits);
    match &statement.action {
        Action::Baseline(_) => statement.component_results().iter().for_each(|result| edits.record_success(result)),
        Action::Start(it) => {
            edits.store_entry(SlotKey::RunStart(statement.sequence));
            edits.store_entry(SlotKey::RunOwner(statement.sequence));
            if it.deployment.expires.is_some() {
                edits.store_entry(SlotKey::Expires);
            }
        }
        Action::Resume(it) => edits.store_entry(SlotKey::RunOwner(it.start)),
        Action::Finish(it) => fold_finish(state, it, &mut edits),
        Action::Record(it) => {
            if it.deployment.expires.is_some() {
                edits.store_entry(SlotKey::Expires);
            }
            fold_results(state, &it.deployment, &statement.component_results(), None, &mut edits);
        }
        Action::Abort(it) => fold_abort(it, &mut edits),
        Action::Verification(it) => {
            for component in &it.components {
                if edits.here.commit(&component.component) == Some(component.commit) {
                    edits.store_entry(SlotKey::Verification(component.component.clone()));
                }
            }
        }
        Action::Approve(it) => edits.store_entry(SlotKey::Approval {
            commit: it.commit,
            person: statement.by.clone(),
            sequence: statement.sequence,
        }),
        Action::Revoke(it) => {
            edits.drop_approvals(|commit, kept| commit == it.commit && kept.statement.by == it.approver);
        }
        Action::Lock(it) => edits.store_entry(it.component.clone().map_or(SlotKey::Lock, SlotKey::ComponentLock)),
        Action::Unlock(it) => {
            it.holds.iter().for_each(|hold| edits.clear(SlotKey::Hold(hold.component.clone(), hold.content)));
            if it.commit.is_none() {
                edits.clear(it.component.clone().map_or(SlotKey::Lock, SlotKey::ComponentLock));
            }
        }
        Action::Expire(_) => edits.store_entry(SlotKey::Expires),
        Action::Yank(it) => yank_key(it).into_iter().for_each(|key| edits.store_entry(key)),
        Action::Unyank(it) => yank_key(&it.0).into_iter().for_each(|key| edits.clear(key)),
        Action::Publish(_) => {
            edits.clear_where(state, |slot| matches!(slot.key, SlotKey::PolicyApproval { .. }));
            if let Some(text) = policy {
                edits.set(SlotKey::Policy, Some(Value::Bytes(Arc::clone(text))));
            }
        }
        Action::PolicyApprove(it) => edits.store_entry(SlotKey::PolicyApproval {
            digest: it.digest.clone(),
            person: statement.by.clone(),
            sequence: statement.sequence,
        }),
        Action::PolicyRevoke(it) => edits.clear_where(state, |slot| {
            matches!(&slot.key, SlotKey::PolicyApproval { digest, person, .. } if *digest == it.digest && *person == it.approver)
        }),
        Action::Build(_) | Action::Artifact(_) | Action::Attestation(_) => {}
    }
    let real =
        |slot: &Slot, value: &Option<Value>| value.is_some() || state.slots.contains_key(slot);
    edits
        .map
        .into_iter()
        .filter(|(slot, value)| real(slot, value))
        .map(|(slot, value)| Edit { slot, value })
        .collect()
}

/// The edits so far. A later edit of a slot replaces an earlier one.
struct Edits<'a> {
    here: EnvState<'a>,
    entry: &'a Arc<StoredEntry>,
    environment: Option<&'a EnvName>,
    map: BTreeMap<Slot, Option<Value>>,
}

impl Edits<'_> {
    fn set(&mut self, place: SlotKey, value: Option<Value>) {
        self.map.insert(
            Slot {
                environment: self.environment.cloned(),
                key: place,
            },
            value,
        );
    }

    /// Puts a copy of the entry there.
    fn store_entry(&mut self, place: SlotKey) {
        self.set(place, Some(Value::Entry(Arc::clone(self.entry))));
    }

    /// Empties a slot, filled or not.
    fn clear(&mut self, place: SlotKey) {
        self.set(place, None);
    }

    fn clear_where(&mut self, state: &State, which: impl Fn(&Slot) -> bool) {
        self.map.extend(
            state
                .slots()
                .filter(|(slot, _)| which(slot))
                .map(|(slot, _)| (slot.clone(), None)),
        );
    }

    fn drop_approvals(&mut self, which: impl Fn(CommitId, &StoredEntry) -> bool) {
        for (commit, sequence, kept) in self.here.approvals() {
            if which(commit, kept) {
                self.clear(SlotKey::Approval {
                    commit,
                    person: kept.statement.by.clone(),
                    sequence,
                });
            }
        }
    }

    /// The component now runs what it was to run.
    fn record_success(&mut self, ended: &ComponentResult) {
        let component = &ended.target.component;
        self.set(
            SlotKey::Commit(component.clone()),
            Some(Value::Commit(ended.target.commit)),
        );
        self.store_entry(SlotKey::Live(component.clone()));
        self.store_entry(SlotKey::Last(component.clone()));
        self.clear(SlotKey::Verification(component.clone()));
        self.clear(SlotKey::Unknown(component.clone()));
    }

    /// The component is no longer there. A lock on it stays.
    fn remove_component(&mut self, component: &ComponentName) {
        for place in [
            SlotKey::Commit,
            SlotKey::Live,
            SlotKey::Last,
            SlotKey::Verification,
            SlotKey::Unknown,
        ] {
            self.clear(place(component.clone()));
        }
    }
}

/// Approvals that have ended by the time of the entry are dropped, in every environment of the ledger.
fn drop_expired(state: &State, statement: &Statement, edits: &mut Edits<'_>) {
    edits.clear_where(state, |slot| {
        let value = state.slots.get(slot).and_then(Value::entry);
        let (SlotKey::Approval { .. }, Some(approve)) = (&slot.key, value) else {
            return false;
        };
        matches!(&approve.statement.action, Action::Approve(it) if it.expires <= statement.at)
    });
}

fn yank_key(yank: &crate::domain::entry::Yank) -> Option<SlotKey> {
    yank.commit
        .map(SlotKey::YankedCommit)
        .or_else(|| yank.digest.clone().map(SlotKey::YankedDigest))
}

fn fold_finish(state: &State, finish: &Finish, edits: &mut Edits<'_>) {
    if let Some(run) = edits.here.run(finish.start)
        && let Some(deployment) = run.start.statement.deployment()
    {
        fold_results(state, deployment, &finish.components, finish.status, edits);
    }
    edits.clear(SlotKey::RunStart(finish.start));
    edits.clear(SlotKey::RunOwner(finish.start));
}

/// Every component that the run was changing is in an unknown state.
fn fold_abort(abort: &Abort, edits: &mut Edits<'_>) {
    if let Some(run) = edits.here.run(abort.start)
        && let Some(deployment) = run.start.statement.deployment()
    {
        for change in deployment.changed() {
            edits.store_entry(SlotKey::Last(change.target.component.clone()));
            edits.store_entry(SlotKey::Unknown(change.target.component.clone()));
        }
    }
    edits.clear(SlotKey::RunStart(abort.start));
    edits.clear(SlotKey::RunOwner(abort.start));
}

/// What the end of a deployment does: shared by `finish` and `record`. `status` is that of an `exec`'s command.
fn fold_results(
    state: &State,
    deployment: &Deployment,
    ended: &[ComponentResult],
    status: Option<u8>,
    edits: &mut Edits<'_>,
) {
    for (change, ended) in deployment.components.iter().filter_map(|change| {
        let found = ended
            .iter()
            .find(|ended| ended.target.component == change.target.component)?;
        Some((change, found))
    }) {
        let component = &change.target.component;
        match ended.outcome {
            Outcome::Succeeded => {
                if deployment.kind == DeploymentKind::Rollback
                    && let Some(left) = edits.here.content(component)
                    && Some(left) != change.target.content
                {
                    edits.store_entry(SlotKey::Hold(component.clone(), left));
                }
                edits.record_success(ended);
            }
            Outcome::Failed => {
                edits.store_entry(SlotKey::Last(component.clone()));
                edits.store_entry(SlotKey::Unknown(component.clone()));
                store_hold(change.target.content, component, edits);
            }
            Outcome::RolledBack => {
                edits.store_entry(SlotKey::Last(component.clone()));
                store_hold(change.target.content, component, edits);
            }
            Outcome::Unchanged => {
                if edits.here.commit(component).is_some()
                    && edits.here.commit(component) == change.from
                {
                    edits.set(
                        SlotKey::Commit(component.clone()),
                        Some(Value::Commit(change.target.commit)),
                    );
                }
            }
            Outcome::Destroyed => edits.remove_component(component),
            Outcome::Skipped => {}
        }
    }
    use_up_approvals(deployment, ended, status, edits);
    let gone = |ended: &ComponentResult| ended.outcome == Outcome::Destroyed;
    if deployment.kind == DeploymentKind::Destroy
        && edits.environment.is_some()
        && ended.iter().all(gone)
    {
        let environment = edits.environment.cloned();
        edits.map.retain(|slot, _| slot.environment != environment);
        edits.clear_where(state, |slot| slot.environment == environment);
    }
}

fn store_hold(
    content: Option<crate::domain::id::Content>,
    component: &ComponentName,
    edits: &mut Edits<'_>,
) {
    if let Some(content) = content {
        edits.store_entry(SlotKey::Hold(component.clone(), content));
    }
}

/// A success uses up every approval that the deployment could have leaned on: of a commit that was brought in, taken away or, by an
/// `exec`, commanded with success; for at least all the components that were asked about at that commit. Nobody consents twice by
/// consenting once.
fn use_up_approvals(
    deployment: &Deployment,
    ended: &[ComponentResult],
    status: Option<u8>,
    edits: &mut Edits<'_>,
) {
    let exec = deployment.kind == DeploymentKind::Exec;
    let done = |it: &&ComponentResult| match it.outcome {
        Outcome::Succeeded | Outcome::Destroyed => true,
        Outcome::Unchanged => exec && status == Some(0),
        Outcome::Failed | Outcome::Skipped | Outcome::RolledBack => false,
    };
    let used: BTreeSet<CommitId> = ended
        .iter()
        .filter(done)
        .map(|it| it.target.commit)
        .collect();
    let asked = |change: &&ComponentChange| exec || change.intent != Intent::Unchanged;
    let asked: Vec<&ComponentChange> = deployment.components.iter().filter(asked).collect();
    edits.drop_approvals(|commit, kept| {
        let Action::Approve(approve) = &kept.statement.action else {
            return false;
        };
        let mut of_commit = asked.iter().filter(|change| change.target.commit == commit);
        used.contains(&commit)
            && of_commit.all(|change| approve.components.contains(&change.target.component))
    });
}

#[cfg(test)]
mod tests;
