//! The parts of an action's definition: its constants ([`ActionInfo`]), and traits with the methods
//! that depend on its fields. [`ActionBody`] is for every action; [`EnvironmentBody`] and
//! [`PolicyBody`] are for the actions of one kind of ledger.
//!
//! The methods have no defaults, so that a new action has to define each of them. The one exception
//! is `component_result`, whose default is correct but slow.

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

/// How an entry's commits relate to its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitRole {
    /// The entry names no commit.
    None,
    /// The entry deploys them: they become parents of the ledger commit, so that Git keeps them.
    Deploys,
    /// An earlier entry of the ledger deployed them, so Git keeps them already.
    Deployed,
    /// They may never be deployed, so they may be missing from a reader's repository.
    MayBeMissing,
}

/// What an action adds to the history of its environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryRole {
    /// Nothing.
    None,
    /// It requests a deployment.
    Request,
    /// It states what is running, or how a run ended.
    Outcome,
    /// It states whether the running components are healthy.
    Verification,
}

/// The constants of an action, which do not depend on its fields.
#[derive(Debug, Clone, Copy)]
pub struct ActionInfo {
    /// Its name in an entry, unique in its kind of ledger.
    pub name: &'static str,
    /// How its commits relate to the ledger.
    pub commits: CommitRole,
    /// What it adds to the history of its environment.
    pub history: HistoryRole,
}

/// The part of an action's definition that depends only on its type.
pub trait ActionType: ActionBody + DeserializeOwned {
    /// Its constants.
    const INFO: ActionInfo;
}

/// The methods that every action has.
pub trait ActionBody {
    /// Lists the in-toto subjects; none if it is about neither code nor a policy.
    fn subjects(&self) -> Vec<Subject<'_>>;

    /// Lists its own trailers, in order. They name every component and every commit that it is
    /// about.
    fn trailers(&self) -> Vec<Trailer<'_>>;

    /// Lists the object ids in it, other than the commits in its trailers.
    fn other_ids(&self) -> Vec<Oid>;

    /// Lists its statements about components and their contents, for the rule `content`. The rule
    /// checks deployments and verifications separately.
    fn code_claims(&self) -> Vec<CodeClaim<'_>>;

    /// Formats the first line of the commit message. `environment` is the name of the entry's
    /// environment, or of its ledger if it has none.
    fn headline(&self, environment: &str) -> String;

    /// Returns the free text that the commit message repeats.
    fn free_text(&self) -> Option<&str>;

    /// Writes the note for a commit in its trailers.
    fn note(&self, commit: CommitId) -> Note;

    /// Writes the text for `git deploy log`.
    fn log(&self) -> LogText;

    /// Checks the fields on their own, without the ledger. `environment` is the statement's, which
    /// only entries in a pattern's ledger have.
    fn validate(&self, environment: Option<&EnvName>) -> Result<(), InvalidError>;
}

/// The methods that the actions of an environment's ledger have in addition.
pub trait EnvironmentBody: ActionBody {
    /// Returns the deployment that it requests.
    fn deployment(&self) -> Option<&Deployment>;

    /// Returns the same deployment, for writing.
    fn deployment_mut(&mut self) -> Option<&mut Deployment>;

    /// Returns the results of components, in order of component; empty if it states none.
    fn component_results(&self) -> Vec<ComponentResult>;

    /// Returns the result of one component. An action with many components overrides this, so as
    /// not to copy them all.
    fn component_result(&self, component: &ComponentName) -> Option<ComponentResult> {
        self.component_results()
            .into_iter()
            .find(|result| result.target.component == *component)
    }

    /// Returns what it does to a run.
    fn run_step(&self) -> Option<RunStep>;

    /// Returns the expiry time that it sets, for an approval, a lock or an
    /// ephemeral environment.
    fn expires(&self) -> Option<Time>;

    /// Lists the people whose approvals count for it.
    fn approved_by(&self) -> &[Person];

    /// Returns the reason for overriding the rules, if it does.
    fn break_glass(&self) -> Option<&Line>;
}

/// The methods that the actions of the policy's ledger have in addition.
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
        /// The run's id.
        run: RunId,
    },
    /// It takes the run over.
    Resumes {
        /// The sequence number of its `start` entry.
        start: u64,
        /// The run's new id.
        run: RunId,
    },
    /// It ends the run.
    Ends {
        /// The sequence number of its `start` entry.
        start: u64,
        /// The run's current id.
        run: RunId,
    },
}

impl RunStep {
    /// Returns the run's id after this step.
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
    /// Whether the policy must have the component.
    pub must_be_in_policy: bool,
    /// A commit, and the component's content there. The inner `None` claims that the component is
    /// absent at the commit; the outer one claims nothing about contents.
    pub content: Option<(CommitId, Option<Content>)>,
}

impl<'a> CodeClaim<'a> {
    /// Makes the claim that the policy has a component.
    pub fn in_policy(component: &'a ComponentName) -> Self {
        Self {
            component,
            must_be_in_policy: true,
            content: None,
        }
    }

    /// Makes a claim about a component that the policy need not have.
    pub fn maybe_not_in_policy(component: &'a ComponentName) -> Self {
        Self {
            must_be_in_policy: false,
            ..Self::in_policy(component)
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
