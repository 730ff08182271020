//! The facts that rules decide on: gathered beforehand by the git module, as data.
//!
//! A fact that could not be established is `Err` with the reason in words, and one that was not gathered is not there: either
//! makes the rule that needs it answer "cannot tell", never yes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::entry::{Kept, Statement};
use crate::domain::id::{CommitId, Content, EntryId, PublicKey};
use crate::domain::name::{ComponentName, EnvName, LedgerName, ProjectName};
use crate::domain::state::State;
use crate::domain::text::Line;
use crate::domain::time::{Span, Time};

/// A fact, or why it could not be established.
pub type Known<T> = Result<T, String>;

/// How far an entry's time may be from the server's clock, and a commit's from an entry's.
pub const SKEW: Span = Span::from_seconds(300);

/// What somebody wants.
#[derive(Debug, Clone, Copy)]
pub enum Request<'a> {
    /// An entry in a ledger.
    Entry {
        /// What it says.
        statement: &'a Statement,
        /// The key that signed it. `None` only where nobody has signed yet and somebody asks what the rules would say.
        key: Option<&'a PublicKey>,
        /// The `deploy.toml` that a `publish` brings.
        policy_text: Option<&'a [u8]>,
    },
    /// A branch bound to an environment moves.
    Branch {
        /// The environment.
        environment: &'a EnvName,
        /// Its short name.
        name: &'a str,
        /// Where it is; `None` if it is created.
        old: Option<CommitId>,
        /// Where it goes; `None` if it is deleted.
        new: Option<CommitId>,
    },
    /// A tag of an environment's form is pushed.
    Tag {
        /// The environment.
        environment: &'a EnvName,
        /// Its short name.
        name: &'a str,
        /// The commit it is at; `None` if it is created.
        old: Option<CommitId>,
        /// The commit it goes to; `None` if it is deleted.
        new: Option<CommitId>,
    },
}

/// The end of the chain that an entry wants to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The project: the policy ledger's genesis.
    pub project: EntryId,
    /// Its name, as that genesis says.
    pub project_name: ProjectName,
    /// The keys of the root people that genesis names.
    pub root_keys: Vec<PublicKey>,
    /// The tip; for a ledger that does not exist yet, its genesis as recomputed.
    pub tip: EntryId,
    /// The tip's sequence; 0 for the genesis.
    pub sequence: u64,
    /// The tip's time; [`Time::EPOCH`] for the genesis.
    pub at: Time,
    /// What the tip has seen; empty for the genesis.
    pub seen: BTreeMap<LedgerName, EntryId>,
}

/// How a `seen` of the entry relates to the ledger's tip that facts are gathered on, and to the `seen` of the entry before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenFact {
    /// It is that tip.
    pub is_tip: bool,
    /// It is that tip or a ledger commit before it.
    pub reachable: bool,
    /// It is what the entry before has seen, or comes after it; true where that entry saw nothing of the ledger.
    pub forward: bool,
}

/// What is known of a commit of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitFact {
    /// Its committer's time; a commit dated before 1970 counts as 1970, after 9999 as 9999.
    pub time: Time,
}

/// The facts for one request, on one set of ledger tips.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The end of the entry's ledger. Not there for branches and tags.
    pub chain: Option<Chain>,
    /// Whether the tree and message that were pushed are those that the entry and the state give. `Err` says what differs, as a
    /// refusal. `None` where nothing was pushed yet.
    pub stored_as_computed: Option<Result<(), String>>,
    /// The tips that the facts were gathered on, of every ledger but the entry's own that exists.
    pub tips: BTreeMap<LedgerName, EntryId>,
    /// For each ledger in the entry's `seen`.
    pub seen: BTreeMap<LedgerName, Known<SeenFact>>,
    /// The state that the request meets: of the entry's ledger before the entry, or of the branch's or tag's environment.
    pub state: Option<Known<State>>,
    /// Each commit of the code that the request names.
    pub commits: BTreeMap<CommitId, Known<CommitFact>>,
    /// Commits that are gone since an entry of the past spoke of them, because no ledger keeps them: what was approved or built and never
    /// deployed. Whoever let the entry in has seen them; never filled where an entry wants in.
    pub gone: BTreeSet<CommitId>,
    /// The content of each component at each commit that matters: those of the request, what runs (`from`), for a branch or tag
    /// every component at the new commit, for a branch that is not created also at the old one. `None` inside: the component is absent there.
    pub contents: BTreeMap<(CommitId, ComponentName), Known<Option<Content>>>,
    /// Whether the first commit contains (is, or descends from) the second.
    pub contains: BTreeMap<(CommitId, CommitId), Known<bool>>,
    /// For each changed component and its commit, the entries of the `promote_from` environment that speak of the component,
    /// newest first: all since the commit was made (less [`SKEW`]), and back to the success that put its content there.
    pub source: BTreeMap<(ComponentName, CommitId), Known<Vec<Arc<Kept>>>>,
    /// The state of the `promote_from` environment.
    pub source_state: Option<Known<State>>,
    /// The entries of `evidence` that speak of the request's commits, and the artifacts of its components' contents; newest first.
    pub evidence: Option<Known<Vec<Arc<Kept>>>>,
    /// The open yanks in `evidence` of the request's commits and artifacts.
    pub yanks: Option<Known<State>>,
    /// The key that signed each entry whose word may count: the approvals of the request's commits (or of its policy) in `state`, and
    /// the attestations and artifacts in `evidence`; by ledger and sequence.
    pub signers: BTreeMap<(LedgerName, u64), Known<PublicKey>>,
    /// E-mail addresses (ASCII lower case) of authors, committers and co-authors of the commits that the request newly brings
    /// in. Empty for a first deployment.
    pub authors: Option<Known<BTreeSet<String>>>,
    /// The tip of the environment's branch; `None` inside: the branch does not exist.
    pub branch_tip: Option<Known<Option<CommitId>>>,
    /// The version of each changed component at its commit, as the policy's `file:` or `tag:` gives it.
    pub versions: BTreeMap<(CommitId, ComponentName), Known<Option<Line>>>,
    /// For a `rollback`: for each component, the newest entry of this ledger that put the wanted content there, with the newest
    /// later verification of that stay, newest first; an empty list if it never ran, or if the wanted commit never came here.
    pub earlier: BTreeMap<ComponentName, Known<Vec<Arc<Kept>>>>,
    /// For a `publish`: for each environment's ledger that exists, whether the entry's `seen` names its tip.
    pub environments_seen: BTreeMap<LedgerName, bool>,
    /// Whether the server's owner has armed a recovery for this key.
    pub recovery: Option<PublicKey>,
}
