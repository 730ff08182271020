//! What the definition of an action consists of: facts that are fixed for it ([`ActionInfo`]) and what follows from its fields
//! ([`ActionBody`], and one more trait for the ledgers of environments and of the policy).
//!
//! The methods have no defaults, except one that is only slow, so that a new action has to decide on each of them.

use serde::de::DeserializeOwned;

use super::{ComponentResult, Deployment};
use crate::domain::entry::invalid::InvalidError;
use crate::domain::entry::log_text::LogText;
use crate::domain::entry::note::Note;
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Content, Oid, RunId};
use crate::domain::name::{ComponentName, EnvName, LedgerName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;

/// A kind of ledger. Each action belongs to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerKind {
    /// The ledger of an environment, or of a pattern of environments.
    Environment,
    /// The ledger `evidence`.
    Evidence,
    /// The ledger `policy`.
    Policy,
}

impl From<&LedgerName> for LedgerKind {
    fn from(name: &LedgerName) -> Self {
        if name.is_policy() {
            Self::Policy
        } else if name.is_evidence() {
            Self::Evidence
        } else {
            Self::Environment
        }
    }
}

/// What the commits that an entry names are to its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitRole {
    /// It names none.
    None,
    /// It puts them into the environment: they become parents of the ledger commit, which keeps them.
    Deploys,
    /// An earlier entry of the ledger deployed them, so they are kept.
    Deployed,
    /// They may never be deployed, so a later reader may miss them.
    MayBeMissing,
}

/// What an action adds to the history of its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryRole {
    /// Nothing.
    None,
    /// It asks for a deployment.
    Request,
    /// It states what is running, or how a run ended.
    Outcome,
    /// It states whether the running components are healthy.
    Verification,
}

/// What is fixed for an action, whatever its fields hold.
#[derive(Debug, Clone, Copy)]
pub struct ActionInfo {
    /// The word for it in an entry: unique in its kind of ledger.
    pub name: &'static str,
    /// What its commits are to the ledger.
    pub commits: CommitRole,
    /// What it adds to the history of its environment.
    pub history: HistoryRole,
    /// Whether a signer consents or vouches by it: then it counts only as long as the signer's key does.
    pub vouches: bool,
}

/// The part of an action's definition that its type alone gives.
pub trait ActionType: ActionBody + DeserializeOwned {
    /// What is fixed for it.
    const INFO: ActionInfo;
}

/// What every action has.
pub trait ActionBody {
    /// Lists the in-toto subjects; none if it is about no code and no policy.
    fn subjects(&self) -> Vec<Subject<'_>>;

    /// Lists its own trailers, in order. They name every component and every commit that it is about.
    fn trailers(&self) -> Vec<Trailer<'_>>;

    /// Lists the ids of objects in it besides the commits in its trailers.
    fn other_ids(&self) -> Vec<Oid>;

    /// Lists what it states about components and their contents, which the rule about contents checks. What a deployment or a
    /// verification states is checked in other ways.
    fn code_claims(&self) -> Vec<CodeClaim<'_>>;

    /// Writes the first line of the commit message. `place` is the environment, or else the ledger.
    fn headline(&self, place: &str) -> String;

    /// Returns the free text that the commit message repeats.
    fn free_text(&self) -> Option<&str>;

    /// Writes the note for a commit in its trailers.
    fn note(&self, commit: CommitId) -> Note;

    /// Writes what `git deploy log` shows.
    fn log(&self) -> LogText;

    /// Checks what its fields must be whatever the ledger holds. `environment` is that of the statement, in a pattern's ledger.
    fn validate(&self, environment: Option<&EnvName>) -> Result<(), InvalidError>;
}

/// What the actions of an environment's ledger have.
pub trait EnvironmentBody: ActionBody {
    /// Returns the deployment that it asks for.
    fn deployment(&self) -> Option<&Deployment>;

    /// Returns the same deployment, for writing.
    fn deployment_mut(&mut self) -> Option<&mut Deployment>;

    /// Returns how components ended, in order of component; empty if it ends none.
    fn component_results(&self) -> Vec<ComponentResult>;

    /// Returns how one component ended. An action with many components overrides this, so as not to copy them all.
    fn component_result(&self, component: &ComponentName) -> Option<ComponentResult> {
        self.component_results()
            .into_iter()
            .find(|result| result.target.component == *component)
    }

    /// Returns what it does to a run.
    fn run_step(&self) -> Option<RunStep>;

    /// Returns when the approval or the ephemeral environment that it creates ends.
    fn expires(&self) -> Option<Time>;

    /// Lists the people whose approvals count for it.
    fn approved_by(&self) -> &[Person];

    /// Returns the reason why it breaks the rules.
    fn break_glass(&self) -> Option<&Line>;
}

/// What the actions of the policy's ledger have.
pub trait PolicyBody: ActionBody {
    /// Lists the people whose approvals count for it.
    fn approved_by(&self) -> &[Person];

    /// Returns the same list for writing, if it has one.
    fn approved_by_mut(&mut self) -> Option<&mut Vec<Person>>;
}

/// What an action does to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStep {
    /// It begins the run.
    Starts {
        /// The run.
        run: RunId,
    },
    /// It takes the run over.
    Resumes {
        /// The sequence of its start.
        start: u64,
        /// The new run.
        run: RunId,
    },
    /// It ends the run.
    Ends {
        /// The sequence of its start.
        start: u64,
        /// The newest run.
        run: RunId,
    },
}

impl RunStep {
    /// Returns the run that goes on, or that ends.
    pub fn run(self) -> RunId {
        match self {
            Self::Starts { run } | Self::Resumes { run, .. } | Self::Ends { run, .. } => run,
        }
    }
}

/// A statement about a component that can be checked against the policy and the code.
#[derive(Debug, Clone, Copy)]
pub struct CodeClaim<'a> {
    /// The component.
    pub component: &'a ComponentName,
    /// Whether the policy must have it.
    pub must_be_known: bool,
    /// The content that it is said to have at a commit; `None` for a component that is said to be absent there.
    pub content: Option<(CommitId, Option<Content>)>,
}

impl<'a> CodeClaim<'a> {
    /// Makes the claim that the policy has a component.
    pub fn known(component: &'a ComponentName) -> Self {
        Self {
            component,
            must_be_known: true,
            content: None,
        }
    }

    /// Makes a claim about a component that the policy need not have.
    pub fn maybe_unknown(component: &'a ComponentName) -> Self {
        Self {
            must_be_known: false,
            ..Self::known(component)
        }
    }

    /// Adds the content that the component has at a commit.
    pub fn with_content(self, commit: CommitId, content: Option<Content>) -> Self {
        Self {
            content: Some((commit, content)),
            ..self
        }
    }
}
