//! The facts that rules decide on, as data. The ledger layer gathers them beforehand.
//!
//! A fact that could not be established is an `Err` with the reason, and a fact that was not
//! gathered is absent. Either makes the rule that needs it answer "cannot tell", never yes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::entry::{StoredEntry, VersionTag};
use crate::domain::id::{CommitId, Content, EntryId, PublicKey, RunId};
use crate::domain::name::{ComponentName, EnvName, LedgerName, ProjectName};
use crate::domain::state::State;
use crate::domain::success_tags::Success;
use crate::domain::text::Line;
use crate::domain::time::{Span, Time};

/// A fact, or why it could not be established.
pub type Fact<T> = Result<T, String>;

/// Entries of a ledger.
type Entries = Vec<Arc<StoredEntry>>;

/// The largest difference allowed between an entry's time and the server's clock, and between a
/// commit's time and an entry's.
pub const SKEW: Span = Span::from_seconds(300);

/// The end of a ledger's chain, which the next entry must follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The project: the policy ledger's genesis.
    pub project: EntryId,
    /// The project's name, from that genesis.
    pub project_name: ProjectName,
    /// The root keys, from that genesis.
    pub root_keys: Vec<PublicKey>,
    /// The tip; for a ledger that does not exist yet, its recomputed genesis.
    pub tip: EntryId,
    /// The tip's sequence; 0 for the genesis.
    pub sequence: u64,
    /// The tip's time; [`Time::EPOCH`] for the genesis.
    pub at: Time,
    /// The `seen` of the tip; empty for the genesis.
    pub seen: BTreeMap<LedgerName, EntryId>,
}

/// How one item of the entry's `seen` relates to the tip in [`Facts::tips`] and to the previous
/// entry's `seen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenFact {
    /// Whether the item is the tip in [`Facts::tips`].
    pub is_tip: bool,
    /// Whether the item is that tip or a ledger commit before it.
    pub is_reachable: bool,
    /// Whether the item is the one in the previous entry's `seen`, or comes after it. True if the
    /// previous entry's `seen` does not name the ledger.
    pub is_forward: bool,
}

/// A fact about a commit of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitFact {
    /// The committer's time. A time before 1970 counts as 1970, and one after 9999 as 9999.
    pub time: Time,
}

/// A commit because of which a person counts as an author of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthoredCommit {
    /// The commit.
    pub commit: CommitId,
    /// Its subject, as one plain line; empty if it has none.
    pub subject: String,
}

impl std::fmt::Display for AuthoredCommit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.commit.0.prefix(7))?;
        if self.subject.is_empty() {
            return Ok(());
        }
        write!(f, " \"{}\"", self.subject)
    }
}

/// The facts for one request, on one set of ledger tips.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The end of the entry's ledger; `None` for branches and tags.
    pub chain: Option<Chain>,
    /// Whether the pushed tree and message equal those computed from entry and state. If not, the
    /// rule `chain` refuses the entry with the difference in `Err`. `None` if nothing was pushed
    /// yet.
    pub stored_as_computed: Option<Result<(), String>>,
    /// The tip of every existing ledger, except the entry's own, from which the facts were gathered.
    pub tips: BTreeMap<LedgerName, EntryId>,
    /// How each item of the entry's `seen` relates to the tips.
    pub seen: BTreeMap<LedgerName, Fact<SeenFact>>,
    /// The state before the request: of the entry's ledger, or of the branch's or tag's
    /// environment.
    pub state: Option<Fact<State>>,
    /// The facts about each code commit that the request names.
    pub commits: BTreeMap<CommitId, Fact<CommitFact>>,
    /// Commits that a past entry names and that no longer exist: they were approved or built but
    /// never deployed, so no ledger keeps them. They existed when the entry was accepted. Only an
    /// audit fills this.
    pub missing_commits: BTreeSet<CommitId>,
    /// The content of components at commits: those that the request changes, at their new and
    /// running commits; for a branch or tag every component at the new commit; and each
    /// [`FactNeed::Content`](super::FactNeed::Content). `Ok(None)`: the component is absent there.
    pub contents: BTreeMap<(CommitId, ComponentName), Fact<Option<Content>>>,
    /// The content of a component at the first parent of a commit; `Ok(None)`: the component is
    /// absent there, or the commit has no parent.
    pub parent_contents: BTreeMap<(CommitId, ComponentName), Fact<Option<Content>>>,
    /// Whether a commit in the history of a new commit has the running content of a component.
    /// Gathered only if the new commit does not contain the running commit: after a squash or
    /// rebase, no branch contains the running commit.
    pub running_content_in_history: BTreeMap<(CommitId, ComponentName), Fact<bool>>,
    /// Whether the first commit contains (is, or descends from) the second.
    pub containment: BTreeMap<(CommitId, CommitId), Fact<bool>>,
    /// For each `promote_from` environment, each changed component and its commit, the entries of
    /// that environment about the component, newest first: all since the commit was made (less
    /// [`SKEW`]), and back to the success that put its content there.
    pub previous_log: BTreeMap<(EnvName, ComponentName, CommitId), Fact<Entries>>,
    /// The state of each `promote_from` environment.
    pub previous_state: BTreeMap<EnvName, Fact<State>>,
    /// The entries of `evidence` about the request's commits, and the artifacts of its components'
    /// contents; newest first.
    pub evidence: Option<Fact<Entries>>,
    /// The open yanks in `evidence` of the request's commits, contents and artifacts.
    pub yanks: Option<Fact<State>>,
    /// E-mail addresses (ASCII lower case) of the authors, committers and co-authors of the commits
    /// that the request brings in and that touch the changing components. Each with one of these
    /// commits.
    pub authors: Option<Fact<BTreeMap<String, AuthoredCommit>>>,
    /// The tip of the environment's branch; `Ok(None)`: the branch does not exist.
    pub branch_tip: Option<Fact<Option<CommitId>>>,
    /// The version of each changed component at its commit, read from the policy's `file:` or
    /// `tag:`.
    pub versions: BTreeMap<(CommitId, ComponentName), Fact<Option<Line>>>,
    /// For a version that was read from a tag, that tag.
    pub version_tags: BTreeMap<(CommitId, ComponentName), VersionTag>,
    /// The tags of a past entry that are missing or point elsewhere in this clone, each with a
    /// description of the problem. The rules then take the version from the tag that the entry
    /// names.
    pub missing_tags: BTreeMap<VersionTag, String>,
    /// For a rollback, by component: the newest entry of this ledger that deployed the requested
    /// content, and the newest later verification of that run period. Newest first; empty if the
    /// content or the requested commit never ran here.
    pub earlier_runs: BTreeMap<ComponentName, Fact<Entries>>,
    /// For a tag: the deployments that succeeded and name its commit, newest first.
    pub successes: Option<Fact<Vec<Success>>>,
    /// For the `resume` of an open run: the ids of its start and of its resumes so far.
    pub run_ids: Option<Fact<BTreeSet<RunId>>>,
    /// For a `publish`: for each existing ledger of an environment, whether the entry's `seen`
    /// names its tip.
    pub environments_seen: BTreeMap<LedgerName, bool>,
    /// The key for which the server's owner has armed a recovery, if any.
    pub recovery: Option<PublicKey>,
}
