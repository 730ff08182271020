//! Drafts of entries, and the state of the ledgers from which callers make them.

use std::sync::Arc;

use crate::domain::entry::Action;
use crate::domain::env_ref::EnvRef;
use crate::domain::name::{ComponentName, EnvName, LedgerName, Person};
use crate::domain::policy::Policy;
use crate::domain::state::{Scope, State};
use crate::git::error::Error;
use crate::git::repo::Repository;
use crate::ledger::entry_validator::ChainTip;
use crate::ledger::facts::FactGatherer;
use crate::ledger::local_ledgers::LocalLedgers;
use crate::ledger::{StateReader, Tips};

/// An entry to write, without its position and time. The caller makes it from the current state,
/// again for each attempt.
#[derive(Debug, Clone)]
pub struct EntryDraft {
    /// The action.
    pub action: Action,
    /// The environment, in the ledger of a pattern.
    pub environment: Option<EnvName>,
    /// The person on whose behalf the entry is written.
    pub requested_by: Option<Person>,
    /// The `deploy.toml` of a publish.
    pub policy_text: Option<Arc<[u8]>>,
    /// The components that the user named. Suggestions name them too.
    pub named: Vec<ComponentName>,
}

impl From<Action> for EntryDraft {
    fn from(action: Action) -> Self {
        Self {
            action,
            environment: None,
            requested_by: None,
            policy_text: None,
            named: Vec::new(),
        }
    }
}

impl EntryDraft {
    /// Returns the draft with the components that the user named.
    #[must_use]
    pub fn naming(self, named: &[ComponentName]) -> Self {
        Self {
            named: named.to_vec(),
            ..self
        }
    }

    /// Returns the draft of an entry about an environment.
    pub fn in_environment(env: &EnvRef, action: Action) -> Self {
        Self {
            environment: env.member().cloned(),
            ..action.into()
        }
    }
}

/// The current state of the ledgers, from which a caller makes its draft.
pub struct LedgerSnapshot<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The verified tips of the ledgers.
    pub tips: &'a Tips,
    /// The ledgers, with those that are not verified.
    pub ledgers: &'a LocalLedgers,
    /// The policy in force; `None` before the first was published.
    pub policy: Option<&'a Policy>,
    /// The end of the ledger to write to.
    pub tip: &'a ChainTip,
    /// Provides contents and facts.
    pub gatherer: &'a FactGatherer<'a>,
}

impl LedgerSnapshot<'_> {
    /// Loads the state of the ledger to write to, for making a draft. The decision uses a stricter
    /// reader.
    pub fn load_state(&self, ledger: &LedgerName, scope: &Scope) -> Result<State, Error> {
        StateReader::for_display(self.repository).load(self.tip.tree, ledger, scope)
    }
}
