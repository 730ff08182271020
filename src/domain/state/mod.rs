//! The state after an entry: what the tree of a ledger commit holds.
//!
//! A state is a map from [`Slot`] to [`Value`]; a slot is one path in the tree, a value one blob or gitlink. [`fold`] gives the
//! edits that an entry makes, so that a writer and a server touch only what the entry speaks of. A state may be loaded in part:
//! everything but the components that an entry does not name, see [`Scope`].

mod fold;
mod slot;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use fold::fold;
pub use slot::{Slot, SlotError, SlotKey, Value};

use super::entry::{Action, Deployment, Statement, StoredEntry, VerificationResult};
use super::id::{CommitId, Content, RunId};
use super::name::{ComponentName, EnvName};
use super::time::Time;

/// One change of a state: a slot gets a value, or is emptied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Where.
    pub slot: Slot,
    /// What; `None` empties it.
    pub value: Option<Value>,
}

/// Which components of a state are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// These; everything else of the environment is always needed.
    Components(BTreeSet<ComponentName>),
}

impl Scope {
    /// What [`fold`] and the gates need for a statement: the components that it names, and all in a pattern's ledger (a
    /// destroy empties an environment, and they are small).
    pub fn for_statement(statement: &Statement) -> Self {
        if statement.environment.is_some() {
            return Self::All;
        }
        Self::Components(statement.components())
    }

    /// Whether a component is in it.
    pub fn contains(&self, component: &str) -> bool {
        match self {
            Self::All => true,
            Self::Components(names) => names.contains(component),
        }
    }
}

/// What the tree of a ledger commit holds, besides the entry itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    slots: BTreeMap<Slot, Value>,
}

impl State {
    /// The state after a genesis: nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Puts a value where a tree has it.
    pub fn insert(&mut self, slot: Slot, value: Value) {
        self.slots.insert(slot, value);
    }

    /// Carries edits out.
    pub fn apply(&mut self, edits: &[Edit]) {
        for edit in edits {
            match &edit.value {
                Some(value) => drop(self.slots.insert(edit.slot.clone(), value.clone())),
                None => drop(self.slots.remove(&edit.slot)),
            }
        }
    }

    /// Every slot that is filled, in order.
    pub fn slots(&self) -> impl Iterator<Item = (&Slot, &Value)> {
        self.slots.iter()
    }

    /// The value of a slot.
    pub fn get(&self, environment: Option<&EnvName>, place: SlotKey) -> Option<&Value> {
        self.slots.get(&Slot {
            environment: environment.cloned(),
            key: place,
        })
    }

    fn entry(&self, environment: Option<&EnvName>, place: SlotKey) -> Option<&Arc<StoredEntry>> {
        self.get(environment, place).and_then(Value::entry)
    }

    /// One environment's part. `environment` is `None` for a ledger that is one environment, else a pattern's environment.
    pub fn environment<'a>(&'a self, environment: Option<&'a EnvName>) -> EnvState<'a> {
        EnvState {
            state: self,
            environment,
        }
    }

    /// The part that a statement speaks of.
    pub fn environment_of<'a>(&'a self, statement: &'a Statement) -> EnvState<'a> {
        self.environment(statement.environment.as_ref())
    }

    /// The environments of a pattern's ledger that exist now: those with a slot of their own.
    pub fn environments(&self) -> BTreeSet<EnvName> {
        self.slots
            .keys()
            .filter_map(|slot| slot.environment.clone())
            .collect()
    }

    /// The open yank of a commit, in `evidence`.
    pub fn yanked_commit(&self, commit: CommitId) -> Option<&Arc<StoredEntry>> {
        self.entry(None, SlotKey::YankedCommit(commit))
    }

    /// The open yank of a digest, in `evidence`.
    pub fn yanked_digest(&self, digest: &super::id::Digest) -> Option<&Arc<StoredEntry>> {
        self.entry(None, SlotKey::YankedDigest(digest.clone()))
    }

    /// The text of the policy in force, in `policy`.
    pub fn policy(&self) -> Option<&[u8]> {
        match self.get(None, SlotKey::Policy) {
            Some(Value::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The pending approvals of a proposed policy, in `policy`.
    pub fn policy_approvals(&self) -> impl Iterator<Item = &Arc<StoredEntry>> {
        self.slots
            .iter()
            .filter(|(slot, _)| matches!(slot.key, SlotKey::PolicyApproval { .. }))
            .filter_map(|(_, value)| value.entry())
    }
}

/// One environment's part of a state.
#[derive(Debug, Clone, Copy)]
pub struct EnvState<'a> {
    state: &'a State,
    environment: Option<&'a EnvName>,
}

/// An unfinished run.
#[derive(Debug, Clone, Copy)]
pub struct OpenRun<'a> {
    /// The sequence of its start.
    pub sequence: u64,
    /// Its start.
    pub start: &'a Arc<StoredEntry>,
    /// The newest start or resume.
    pub owner: &'a Arc<StoredEntry>,
}

impl<'a> OpenRun<'a> {
    /// Under which `run` it goes on: that of its newest start or resume. Always there in a run that the rules let in.
    pub fn id(&self) -> Option<RunId> {
        Some(self.owner.statement.action.run_step()?.run())
    }

    /// What its start asked for. Always there in a run that the rules let in.
    pub fn deployment(&self) -> Option<&'a Deployment> {
        self.start.statement.deployment()
    }
}

impl<'a> EnvState<'a> {
    fn slots(self) -> impl Iterator<Item = (&'a SlotKey, &'a Value)> {
        let mine = move |slot: &&Slot| slot.environment.as_ref() == self.environment;
        self.state
            .slots
            .iter()
            .filter(move |(slot, _)| mine(slot))
            .map(|(slot, value)| (&slot.key, value))
    }

    fn entry(self, place: SlotKey) -> Option<&'a Arc<StoredEntry>> {
        self.state.entry(self.environment, place)
    }

    /// The components that run here, with the commit of each.
    pub fn components(self) -> BTreeMap<&'a ComponentName, CommitId> {
        let commit = |(place, value): (&'a SlotKey, &'a Value)| match (place, value) {
            (SlotKey::Commit(component), Value::Commit(commit)) => Some((component, *commit)),
            _ => None,
        };
        self.slots().filter_map(commit).collect()
    }

    /// The commit of a component that runs now.
    pub fn commit(self, component: &ComponentName) -> Option<CommitId> {
        match self
            .state
            .get(self.environment, SlotKey::Commit(component.clone()))
        {
            Some(Value::Commit(commit)) => Some(*commit),
            _ => None,
        }
    }

    /// What is there of a component, for all that is known: the commit that runs or, where none does, that of an attempt of which nobody
    /// knows what it left behind.
    pub fn present_commit(self, component: &ComponentName) -> Option<CommitId> {
        self.commit(component).or_else(|| {
            self.unknown_since(component)?
                .statement
                .commit_of(component)
        })
    }

    /// Every component of which something may be there, with its commit.
    pub fn present_commits(self) -> BTreeMap<&'a ComponentName, CommitId> {
        let standing = |(place, _): (&'a SlotKey, &'a Value)| match place {
            SlotKey::Commit(component) | SlotKey::Unknown(component) => {
                Some((component, self.present_commit(component)?))
            }
            _ => None,
        };
        self.slots().filter_map(standing).collect()
    }

    /// Whether an ephemeral environment is there: something gave it an end, and nothing took it down since. A lock or an approval for one
    /// that is not there counts for nothing.
    pub fn exists(self) -> bool {
        self.expiry_entry().is_some() || !self.components().is_empty() || !self.runs().is_empty()
    }

    /// The entry that put the component's content there.
    pub fn live_entry(self, component: &ComponentName) -> Option<&'a Arc<StoredEntry>> {
        self.entry(SlotKey::Live(component.clone()))
    }

    /// The content that runs now.
    pub fn content(self, component: &ComponentName) -> Option<Content> {
        self.live_entry(component)?
            .statement
            .component_result(component)?
            .target
            .content
    }

    /// The newest ended attempt.
    pub fn last_attempt(self, component: &ComponentName) -> Option<&'a Arc<StoredEntry>> {
        self.entry(SlotKey::Last(component.clone()))
    }

    /// The newest verification of what runs, if there was one after the deployment.
    pub fn later_verification(self, component: &ComponentName) -> Option<&'a Arc<StoredEntry>> {
        self.entry(SlotKey::Verification(component.clone()))
    }

    /// What the newest verification said: the one after the deployment, else the deployment's own.
    pub fn newest_verification(self, component: &ComponentName) -> Option<VerificationResult> {
        if let Some(Action::Verification(it)) = self
            .later_verification(component)
            .map(|kept| &kept.statement.action)
        {
            return Some(it.verification);
        }
        self.live_entry(component)?
            .statement
            .component_result(component)
            .map(|ended| ended.verification)
    }

    /// The entry after which nobody knows what runs.
    pub fn unknown_since(self, component: &ComponentName) -> Option<&'a Arc<StoredEntry>> {
        self.entry(SlotKey::Unknown(component.clone()))
    }

    /// Whether a component has a history here: it runs, ended some attempt, or is under way.
    pub fn has_history(self, component: &ComponentName) -> bool {
        self.commit(component).is_some()
            || self.last_attempt(component).is_some()
            || self.unknown_since(component).is_some()
            || self.run_changing(component).is_some()
    }

    /// The lock of a component.
    pub fn component_lock(self, component: &ComponentName) -> Option<&'a Arc<StoredEntry>> {
        self.entry(SlotKey::ComponentLock(component.clone()))
    }

    /// The lock of the whole environment.
    pub fn lock(self) -> Option<&'a Arc<StoredEntry>> {
        self.entry(SlotKey::Lock)
    }

    /// What gave the environment its present end.
    pub fn expiry_entry(self) -> Option<&'a Arc<StoredEntry>> {
        self.entry(SlotKey::Expires)
    }

    /// The hold on a content.
    pub fn hold(self, component: &ComponentName, content: Content) -> Option<&'a Arc<StoredEntry>> {
        self.entry(SlotKey::Hold(component.clone(), content))
    }

    /// All holds, in order.
    pub fn holds(self) -> impl Iterator<Item = (&'a ComponentName, Content, &'a Arc<StoredEntry>)> {
        self.slots().filter_map(|(place, value)| match place {
            SlotKey::Hold(component, content) => {
                value.entry().map(|kept| (component, *content, kept))
            }
            _ => None,
        })
    }

    /// All approvals that are kept; those that have expired since the last entry among them.
    pub fn approvals(self) -> impl Iterator<Item = (CommitId, u64, &'a Arc<StoredEntry>)> {
        self.slots().filter_map(|(place, value)| match place {
            SlotKey::Approval {
                commit, sequence, ..
            } => value.entry().map(|kept| (*commit, *sequence, kept)),
            _ => None,
        })
    }

    /// An unfinished run by the sequence of its start.
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

    /// All unfinished runs, oldest first.
    pub fn runs(self) -> Vec<OpenRun<'a>> {
        let slot = |place| Slot {
            environment: self.environment.cloned(),
            key: place,
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

    /// The unfinished run that changes a component.
    pub fn run_changing(self, component: &ComponentName) -> Option<OpenRun<'a>> {
        self.runs().into_iter().find(|run| {
            let deployment = run.start.statement.deployment();
            deployment.is_some_and(|it| {
                it.changed()
                    .any(|change| change.target.component == *component)
            })
        })
    }

    /// When the environment ends, if it does.
    pub fn expires(self) -> Option<Time> {
        self.expiry_entry()?.statement.expires()
    }
}
