//! `fold`: what an entry does to the state. Pure and total: whatever the entry, there is an answer, and the same everywhere.
//!
//! Whether an entry may stand is the gates' question; this one is only what follows if it does. Client, server and audit use
//! this one function, and the server compares the tree that follows with the tree that was pushed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Edit, Here, Place, Slot, State, Value};
use crate::domain::entry::{
    Abort, Action, Change, Deployment, Ended, Entry, Finish, Intent, Kept, Kind, Outcome,
    Statement, Verified,
};
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName};

/// The edits that `entry` makes to `state`, each slot at most once, in order.
///
/// `policy` is the `deploy.toml` that a `publish` brings; other entries have none. `state` holds at least
/// [`Scope::of`](super::Scope::of) the statement.
pub fn fold(state: &State, entry: &Entry<Verified>, policy: Option<&Arc<[u8]>>) -> Vec<Edit> {
    let statement = entry.statement();
    let mut edits = Edits {
        here: state.here(statement),
        entry: entry.kept(),
        environment: statement.environment.as_ref(),
        map: BTreeMap::new(),
    };
    drop_expired(state, statement, &mut edits);
    match &statement.action {
        Action::Baseline(it) => it.ended().iter().for_each(|ended| edits.succeed(ended)),
        Action::Start(it) => {
            edits.keep(Place::RunStart(statement.sequence));
            edits.keep(Place::RunOwner(statement.sequence));
            if it.deployment.expires.is_some() {
                edits.keep(Place::Expires);
            }
        }
        Action::Resume(it) => edits.keep(Place::RunOwner(it.start)),
        Action::Finish(it) => finish(state, it, &mut edits),
        Action::Record(it) => {
            if it.deployment.expires.is_some() {
                edits.keep(Place::Expires);
            }
            end(state, &it.deployment, &it.ended(), None, &mut edits);
        }
        Action::Abort(it) => abort(it, &mut edits),
        Action::Verification(it) => {
            for component in &it.components {
                if edits.here.commit(&component.component) == Some(component.commit) {
                    edits.keep(Place::Verification(component.component.clone()));
                }
            }
        }
        Action::Approve(it) => edits.keep(Place::Approval {
            commit: it.commit,
            person: statement.by.clone(),
            sequence: statement.sequence,
        }),
        Action::Revoke(it) => {
            edits.drop_approvals(|commit, kept| commit == it.commit && kept.statement.by == it.approver);
        }
        Action::Lock(it) => edits.keep(it.component.clone().map_or(Place::Lock, Place::ComponentLock)),
        Action::Unlock(it) => {
            it.holds.iter().for_each(|hold| edits.clear(Place::Hold(hold.component.clone(), hold.content)));
            if it.commit.is_none() {
                edits.clear(it.component.clone().map_or(Place::Lock, Place::ComponentLock));
            }
        }
        Action::Expire(_) => edits.keep(Place::Expires),
        Action::Yank(it) => yanked(it).into_iter().for_each(|place| edits.keep(place)),
        Action::Unyank(it) => yanked(it).into_iter().for_each(|place| edits.clear(place)),
        Action::Publish(_) => {
            edits.clear_where(state, |slot| matches!(slot.place, Place::PolicyApproval { .. }));
            if let Some(text) = policy {
                edits.set(Place::Policy, Some(Value::Bytes(Arc::clone(text))));
            }
        }
        Action::PolicyApprove(it) => edits.keep(Place::PolicyApproval {
            digest: it.digest.clone(),
            person: statement.by.clone(),
            sequence: statement.sequence,
        }),
        Action::PolicyRevoke(it) => edits.clear_where(state, |slot| {
            matches!(&slot.place, Place::PolicyApproval { digest, person, .. } if *digest == it.digest && *person == it.approver)
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
    here: Here<'a>,
    entry: &'a Arc<Kept>,
    environment: Option<&'a EnvName>,
    map: BTreeMap<Slot, Option<Value>>,
}

impl Edits<'_> {
    fn set(&mut self, place: Place, value: Option<Value>) {
        self.map.insert(
            Slot {
                environment: self.environment.cloned(),
                place,
            },
            value,
        );
    }

    /// Puts a copy of the entry there.
    fn keep(&mut self, place: Place) {
        self.set(place, Some(Value::Kept(Arc::clone(self.entry))));
    }

    /// Empties a slot, filled or not.
    fn clear(&mut self, place: Place) {
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

    fn drop_approvals(&mut self, which: impl Fn(CommitId, &Kept) -> bool) {
        for (commit, sequence, kept) in self.here.approvals() {
            if which(commit, kept) {
                self.clear(Place::Approval {
                    commit,
                    person: kept.statement.by.clone(),
                    sequence,
                });
            }
        }
    }

    /// The component now runs what it was to run.
    fn succeed(&mut self, ended: &Ended) {
        let component = &ended.target.component;
        self.set(
            Place::Commit(component.clone()),
            Some(Value::Commit(ended.target.commit)),
        );
        self.keep(Place::Live(component.clone()));
        self.keep(Place::Last(component.clone()));
        self.clear(Place::Verification(component.clone()));
        self.clear(Place::Unknown(component.clone()));
    }

    /// The component is no longer there. A lock on it stays.
    fn remove(&mut self, component: &ComponentName) {
        for place in [
            Place::Commit,
            Place::Live,
            Place::Last,
            Place::Verification,
            Place::Unknown,
        ] {
            self.clear(place(component.clone()));
        }
    }
}

/// Approvals that have ended by the time of the entry are dropped, in every environment of the ledger.
fn drop_expired(state: &State, statement: &Statement, edits: &mut Edits<'_>) {
    edits.clear_where(state, |slot| {
        let value = state.slots.get(slot).and_then(Value::kept);
        let (Place::Approval { .. }, Some(approve)) = (&slot.place, value) else {
            return false;
        };
        matches!(&approve.statement.action, Action::Approve(it) if it.expires <= statement.at)
    });
}

fn yanked(yank: &crate::domain::entry::Yank) -> Option<Place> {
    yank.commit
        .map(Place::YankedCommit)
        .or_else(|| yank.digest.clone().map(Place::YankedDigest))
}

fn finish(state: &State, finish: &Finish, edits: &mut Edits<'_>) {
    if let Some(run) = edits.here.run(finish.start)
        && let Some(deployment) = run.start.statement.deployment()
    {
        end(state, deployment, &finish.components, finish.status, edits);
    }
    edits.clear(Place::RunStart(finish.start));
    edits.clear(Place::RunOwner(finish.start));
}

/// Every component that the run was changing is in an unknown state.
fn abort(abort: &Abort, edits: &mut Edits<'_>) {
    if let Some(run) = edits.here.run(abort.start)
        && let Some(deployment) = run.start.statement.deployment()
    {
        for change in deployment.changed() {
            edits.keep(Place::Last(change.target.component.clone()));
            edits.keep(Place::Unknown(change.target.component.clone()));
        }
    }
    edits.clear(Place::RunStart(abort.start));
    edits.clear(Place::RunOwner(abort.start));
}

/// What the end of a deployment does: shared by `finish` and `record`. `status` is that of an `exec`'s command.
fn end(
    state: &State,
    deployment: &Deployment,
    ended: &[Ended],
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
                if deployment.kind == Kind::Rollback
                    && let Some(left) = edits.here.content(component)
                    && Some(left) != change.target.content
                {
                    edits.keep(Place::Hold(component.clone(), left));
                }
                edits.succeed(ended);
            }
            Outcome::Failed => {
                edits.keep(Place::Last(component.clone()));
                edits.keep(Place::Unknown(component.clone()));
                hold(change.target.content, component, edits);
            }
            Outcome::RolledBack => {
                edits.keep(Place::Last(component.clone()));
                hold(change.target.content, component, edits);
            }
            Outcome::Unchanged => {
                if edits.here.commit(component).is_some()
                    && edits.here.commit(component) == change.from
                {
                    edits.set(
                        Place::Commit(component.clone()),
                        Some(Value::Commit(change.target.commit)),
                    );
                }
            }
            Outcome::Destroyed => edits.remove(component),
            Outcome::Skipped => {}
        }
    }
    use_up_approvals(deployment, ended, status, edits);
    let gone = |ended: &Ended| ended.outcome == Outcome::Destroyed;
    if deployment.kind == Kind::Destroy && edits.environment.is_some() && ended.iter().all(gone) {
        let environment = edits.environment.cloned();
        edits.map.retain(|slot, _| slot.environment != environment);
        edits.clear_where(state, |slot| slot.environment == environment);
    }
}

fn hold(
    content: Option<crate::domain::id::Content>,
    component: &ComponentName,
    edits: &mut Edits<'_>,
) {
    if let Some(content) = content {
        edits.keep(Place::Hold(component.clone(), content));
    }
}

/// A success uses up every approval that the deployment could have leaned on: of a commit that was brought in, taken away or, by an
/// `exec`, commanded with success; for at least all the components that were asked about at that commit. Nobody consents twice by
/// consenting once.
fn use_up_approvals(
    deployment: &Deployment,
    ended: &[Ended],
    status: Option<u8>,
    edits: &mut Edits<'_>,
) {
    let exec = deployment.kind == Kind::Exec;
    let done = |it: &&Ended| match it.outcome {
        Outcome::Succeeded | Outcome::Destroyed => true,
        Outcome::Unchanged => exec && status == Some(0),
        Outcome::Failed | Outcome::Skipped | Outcome::RolledBack => false,
    };
    let used: BTreeSet<CommitId> = ended
        .iter()
        .filter(done)
        .map(|it| it.target.commit)
        .collect();
    let asked = |change: &&Change| exec || change.intent != Intent::Unchanged;
    let asked: Vec<&Change> = deployment.components.iter().filter(asked).collect();
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
