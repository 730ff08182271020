//! Reads one environment's part of a state: running components, unfinished runs, locks, holds and
//! approvals.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Slot, SlotKey, State, Value};
use crate::domain::entry::{
    Action, ComponentResult, Deployment, Outcome, Statement, StoredEntry, VerificationResult,
};
use crate::domain::id::{CommitId, Content, RunId};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::time::Time;

/// One environment's part of a state.
#[derive(Debug, Clone, Copy)]
pub struct EnvState<'a> {
    state: &'a State,
    environment: Option<&'a EnvName>,
}

/// An unfinished run.
#[derive(Debug, Clone, Copy)]
pub struct OpenRun<'a> {
    /// The sequence number of its start.
    pub sequence: u64,
    /// Its start.
    pub start: &'a Arc<StoredEntry>,
    /// The newest start or resume.
    pub owner: &'a Arc<StoredEntry>,
}

impl<'a> OpenRun<'a> {
    /// Returns the run id of its newest start or resume, which its finish must name. Every accepted
    /// run has one.
    pub fn id(&self) -> Option<RunId> {
        Some(self.owner.statement.action.run_step()?.run())
    }

    /// Returns the deployment of its start. Every accepted run has one.
    pub fn deployment(&self) -> Option<&'a Deployment> {
        self.start.statement.deployment()
    }
}

impl State {
    /// Returns one environment's part. `environment` is `None` in the ledger of a single
    /// environment, and the environment's name in a pattern's ledger.
    pub fn environment<'a>(&'a self, environment: Option<&'a EnvName>) -> EnvState<'a> {
        EnvState {
            state: self,
            environment,
        }
    }

    /// Returns the part of the environment that a statement is about.
    pub fn environment_of<'a>(&'a self, statement: &'a Statement) -> EnvState<'a> {
        self.environment(statement.environment.as_ref())
    }
}

impl<'a> EnvState<'a> {
    fn slots(self) -> impl Iterator<Item = (&'a SlotKey, &'a Value)> {
        let is_in_environment = move |slot: &&Slot| slot.environment.as_ref() == self.environment;
        self.state
            .slots
            .iter()
            .filter(move |(slot, _)| is_in_environment(slot))
            .map(|(slot, value)| (&slot.key, value))
    }

    fn entry(self, key: SlotKey) -> Option<&'a Arc<StoredEntry>> {
        self.state.entry(self.environment, key)
    }

    /// Returns the running components, with the commit of each.
    pub fn components(self) -> BTreeMap<&'a ComponentName, CommitId> {
        let commit = |(key, value): (&'a SlotKey, &'a Value)| match (key, value) {
            (SlotKey::Commit(component), Value::Commit(commit)) => Some((component, *commit)),
            _ => None,
        };
        self.slots().filter_map(commit).collect()
    }

    /// Returns the commit at which a component runs.
    pub fn commit(self, component: &ComponentName) -> Option<CommitId> {
        match self
            .state
            .get(self.environment, SlotKey::Commit(component.clone()))
        {
            Some(Value::Commit(commit)) => Some(*commit),
            _ => None,
        }
    }

    /// Returns the running commit of a component or, if none runs, the commit of an attempt that
    /// may have left something behind.
    pub fn present_commit(self, component: &ComponentName) -> Option<CommitId> {
        self.commit(component).or_else(|| {
            self.unknown_since(component)?
                .statement
                .commit_of(component)
        })
    }

    /// Returns each component that runs or may have left something behind, with its
    /// [`EnvState::present_commit`].
    pub fn present_commits(self) -> BTreeMap<&'a ComponentName, CommitId> {
        let present = |(key, _): (&'a SlotKey, &'a Value)| match key {
            SlotKey::Commit(component) | SlotKey::Unknown(component) => {
                Some((component, self.present_commit(component)?))
            }
            _ => None,
        };
        self.slots().filter_map(present).collect()
    }

    /// Returns whether an ephemeral environment exists: it has an expiry, a running component or an
    /// unfinished run. A lock or an approval does not make it exist.
    pub fn exists(self) -> bool {
        self.expiry_entry().is_some() || !self.components().is_empty() || !self.runs().is_empty()
    }

    /// Returns the entry that deployed the running content of a component.
    pub fn live_entry(self, component: &ComponentName) -> Option<&'a Arc<StoredEntry>> {
        self.entry(SlotKey::Live(component.clone()))
    }

    /// Returns the running content of a component.
    pub fn content(self, component: &ComponentName) -> Option<Content> {
        self.live_entry(component)?
            .statement
            .component_result(component)?
            .target
            .content
    }

    /// Returns the entry that ended the newest attempt to deploy a component. Returns `None` once
    /// the component was removed.
    pub fn last_attempt(self, component: &ComponentName) -> Option<&'a Arc<StoredEntry>> {
        self.entry(SlotKey::LastAttempt(component.clone()))
            .filter(|entry| find_removal(entry, component).is_none())
    }

    /// Returns the commit at which a component was removed, unless it runs or was attempted since.
    pub fn removed_at(self, component: &ComponentName) -> Option<CommitId> {
        let entry = self.entry(SlotKey::LastAttempt(component.clone()))?;
        let removal = find_removal(entry, component)?;
        let is_absent = self.present_commit(component).is_none();
        is_absent.then_some(removal.target.commit)
    }

    /// Returns whether the newest attempt to deploy a component lists commands: those of the policy or, if
    /// the policy has none, that of `git deploy record ENV -- COMMAND`.
    pub fn ran_commands(self, component: &ComponentName) -> bool {
        let attempt = self.entry(SlotKey::LastAttempt(component.clone()));
        attempt.is_some_and(|entry| match &entry.statement.action {
            Action::Finish(finish) => finish.commands.iter().any(|it| it.component == *component),
            _ => false,
        })
    }

    /// Returns the newest verification of the running component, if there was one after its
    /// deployment.
    pub fn later_verification(self, component: &ComponentName) -> Option<&'a Arc<StoredEntry>> {
        self.entry(SlotKey::Verification(component.clone()))
    }

    /// Returns the result of the newest verification: the one after the deployment, or else the
    /// deployment's own.
    pub fn newest_verification(self, component: &ComponentName) -> Option<VerificationResult> {
        if let Some(Action::Verification(it)) = self
            .later_verification(component)
            .map(|entry| &entry.statement.action)
        {
            return Some(it.verification);
        }
        self.live_entry(component)?
            .statement
            .component_result(component)
            .map(|result| result.verification)
    }

    /// Returns the entry since which the running version of a component is unknown.
    pub fn unknown_since(self, component: &ComponentName) -> Option<&'a Arc<StoredEntry>> {
        self.entry(SlotKey::Unknown(component.clone()))
    }

    /// Returns whether a component has a history in this environment: it runs, an attempt to deploy
    /// it has ended, or one is unfinished.
    pub fn has_history(self, component: &ComponentName) -> bool {
        self.commit(component).is_some()
            || self.last_attempt(component).is_some()
            || self.unknown_since(component).is_some()
            || self.run_changing(component).is_some()
    }

    /// Returns the entry that locked a component or, without one, the whole environment. The lock
    /// may have ended since.
    pub fn lock_entry(self, component: Option<&ComponentName>) -> Option<&'a Arc<StoredEntry>> {
        let key = component.cloned();
        self.entry(key.map_or(SlotKey::Lock, SlotKey::ComponentLock))
    }

    /// Returns the entry that locked a component or, without one, the whole environment, unless the
    /// lock has ended by this time.
    pub fn lock(
        self,
        component: Option<&ComponentName>,
        now: Time,
    ) -> Option<&'a Arc<StoredEntry>> {
        let has_ended = |entry: &StoredEntry| match &entry.statement.action {
            Action::Lock(lock) => lock.ended(now).is_some(),
            _ => false,
        };
        self.lock_entry(component).filter(|entry| !has_ended(entry))
    }

    /// Returns the entry that set the environment's current expiry.
    pub fn expiry_entry(self) -> Option<&'a Arc<StoredEntry>> {
        self.entry(SlotKey::Expires)
    }

    /// Returns the entry that put this content of a component on hold.
    pub fn hold(self, component: &ComponentName, content: Content) -> Option<&'a Arc<StoredEntry>> {
        self.entry(SlotKey::Hold(component.clone(), content))
    }

    /// Iterates over all holds, in order.
    pub fn holds(self) -> impl Iterator<Item = (&'a ComponentName, Content, &'a Arc<StoredEntry>)> {
        self.slots().filter_map(|(key, value)| match key {
            SlotKey::Hold(component, content) => {
                value.entry().map(|entry| (component, *content, entry))
            }
            _ => None,
        })
    }

    /// Iterates over the stored approvals, each with its commit and sequence. Some may have expired
    /// since the last entry.
    pub fn approvals(self) -> impl Iterator<Item = (CommitId, u64, &'a Arc<StoredEntry>)> {
        self.slots().filter_map(|(key, value)| match key {
            SlotKey::Approval {
                commit, sequence, ..
            } => value.entry().map(|entry| (*commit, *sequence, entry)),
            _ => None,
        })
    }

    /// Returns the unfinished run whose start has this sequence number.
    pub fn run(self, sequence: u64) -> Option<OpenRun<'a>> {
        let (start, owner) = (
            self.entry(SlotKey::RunStart(sequence))?,
            self.entry(SlotKey::RunOwner(sequence))?,
        );
        Some(OpenRun {
            sequence,
            start,
            owner,
        })
    }

    /// Lists the unfinished runs, oldest first.
    pub fn runs(self) -> Vec<OpenRun<'a>> {
        let slot = |key| Slot {
            environment: self.environment.cloned(),
            key,
        };
        let starts = self
            .state
            .slots
            .range(slot(SlotKey::RunStart(0))..=slot(SlotKey::RunStart(u64::MAX)));
        let sequence = |slot: &Slot| match slot.key {
            SlotKey::RunStart(sequence) => Some(sequence),
            _ => None,
        };
        starts
            .filter_map(|(slot, _)| self.run(sequence(slot)?))
            .collect()
    }

    /// Returns the unfinished run that changes a component.
    pub fn run_changing(self, component: &ComponentName) -> Option<OpenRun<'a>> {
        self.runs().into_iter().find(|run| {
            let deployment = run.start.statement.deployment();
            deployment.is_some_and(|it| {
                it.changed()
                    .any(|change| change.target.component == *component)
            })
        })
    }

    /// Returns when the environment expires; `None` if it does not.
    pub fn expires(self) -> Option<Time> {
        self.expiry_entry()?.statement.expires()
    }
}

/// Returns the result with which an entry removed a component.
fn find_removal(entry: &StoredEntry, component: &ComponentName) -> Option<ComponentResult> {
    let result = entry.statement.component_result(component);
    result.filter(|it| it.outcome == Outcome::Destroyed)
}
