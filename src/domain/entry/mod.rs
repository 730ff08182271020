//! Entries: what a ledger says, one signed statement a commit.
//!
//! An entry is an in-toto Statement v1 (<https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>). Its exact bytes
//! are what is signed and kept; [`Statement`] is what they mean. There is one spelling of every statement, so whatever parses
//! prints to the same bytes. `FORMAT.md` gives the format field by field.

mod action;
mod json;
mod message;
mod note;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use action::{
    Abort, Action, Approve, Artifact, Attestation, AttestationResult, Baseline, Build, BuildResult,
    ComponentAtCommit, ComponentChange, ComponentResult, Deployment, DeploymentKind, Expire,
    Finish, Hold, Image, Intent, Lock, Outcome, PolicyApprove, PolicyRevoke, Publish, Record,
    RecordedResult, Resume, Revoke, Start, TEST_COUNTS_KEY, Target, TestCounts, Unlock,
    Verification, VerificationResult, Yank,
};
pub use json::ParseError;
pub use message::{Trailers, overall_outcome, read_trailers};
pub use note::note_line;
pub use validate::InvalidError;
pub(crate) use validate::outcome_fits;

use super::id::{CommitId, EntryId, Oid, PublicKey};
use super::name::{ComponentName, EnvName, LedgerName, Person, ProjectName};
use super::time::Time;

/// The largest entry, in bytes.
pub const MAX_BYTES: usize = 512 * 1024;
/// The most subjects of one statement.
pub const MAX_SUBJECTS: usize = 2_000;
/// The largest predicate of an attestation, in bytes of JSON.
pub const MAX_PREDICATE: usize = 256 * 1024;
/// in-toto's type of a statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The type of our predicate.
pub const PREDICATE_TYPE: &str = "urn:git-deploy:entry:v1";

/// What an entry says, and the one place in one ledger of one project where it may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// When it was signed.
    pub at: Time,
    /// Whose key signed it.
    pub by: Person,
    /// On whose behalf, where a machine signs for a person.
    pub requested_by: Option<Person>,
    /// The ledger it stands in.
    pub ledger: LedgerName,
    /// The environment, where the ledger is a pattern's: `pr-17` in the ledger `pr`.
    pub environment: Option<EnvName>,
    /// The project: the genesis of its policy's ledger.
    pub project: EntryId,
    /// The ledger commit that it follows.
    pub previous: EntryId,
    /// How many entries the ledger holds with this one; the genesis is 0.
    pub sequence: u64,
    /// The tips of the other ledgers that were read for the decision.
    pub seen: BTreeMap<LedgerName, EntryId>,
    /// What happened.
    pub action: Action,
}

impl Statement {
    /// Reads a statement from the exact bytes of an `entry.json`.
    ///
    /// # Errors
    /// Anything but the one canonical spelling of a valid statement.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        json::parse(bytes)
    }

    /// Writes the one canonical spelling.
    ///
    /// # Errors
    /// A statement that [`Statement::parse`] would not read back: it breaks a bound or contradicts itself.
    pub fn print(&self) -> Result<Vec<u8>, InvalidError> {
        validate::check(self)?;
        let bytes = json::print(self);
        validate::check_size(&bytes)?;
        Ok(bytes)
    }

    /// The trusted comment under which the entry is signed: it names the place.
    pub fn trusted_comment(&self) -> String {
        format!(
            "git-deploy {} {} {}",
            self.ledger,
            self.sequence,
            self.action.name()
        )
    }

    /// The message of the ledger commit: a pure function of the statement.
    pub fn message(&self) -> String {
        message::print(self)
    }

    /// Author and committer of the ledger commit, without the time: `ci <ci@catalogue>`.
    pub fn identity(&self, project: &ProjectName) -> String {
        format!("{0} <{0}@{project}>", self.by)
    }

    /// The environment that the statement is about; `None` in `policy` and `evidence`.
    pub fn environment(&self) -> Option<EnvName> {
        self.environment
            .clone()
            .or_else(|| self.ledger.environment())
    }

    /// The deployment that a `start` or `record` asks for.
    pub fn deployment(&self) -> Option<&Deployment> {
        match &self.action {
            Action::Start(start) => Some(&start.deployment),
            Action::Record(record) => Some(&record.deployment),
            _ => None,
        }
    }

    /// How each component ended, for a `finish` or `record`; a `baseline` counts as a success without verification.
    pub fn component_results(&self) -> Vec<ComponentResult> {
        match &self.action {
            Action::Finish(finish) => finish.components.clone(),
            Action::Record(record) => record.component_results(),
            Action::Baseline(baseline) => baseline.component_results(),
            _ => Vec::new(),
        }
    }

    /// How one component ended, as [`Statement::component_results`] tells it, without looking at the others: a statement's components are in order.
    pub fn component_result(&self, component: &ComponentName) -> Option<ComponentResult> {
        match &self.action {
            Action::Finish(it) => {
                let at = it
                    .components
                    .binary_search_by(|ended| ended.target.component.cmp(component))
                    .ok()?;
                it.components.get(at).cloned()
            }
            Action::Record(it) => {
                let changes = &it.deployment.components;
                let at = changes
                    .binary_search_by(|change| change.target.component.cmp(component))
                    .ok()?;
                Some(it.results.get(at)?.with_target(&changes.get(at)?.target))
            }
            Action::Baseline(it) => {
                let at = it
                    .components
                    .binary_search_by(|target| target.component.cmp(component))
                    .ok()?;
                it.components.get(at).map(Baseline::assumed_success)
            }
            _ => None,
        }
    }

    /// The commits of the code that this entry puts into the environment, in bytewise order: the further parents of its commit.
    pub fn deployed_commits(&self) -> Vec<CommitId> {
        let mut commits: Vec<CommitId> = match &self.action {
            Action::Baseline(baseline) => baseline
                .components
                .iter()
                .map(|target| target.commit)
                .collect(),
            _ => self
                .deployment()
                .into_iter()
                .flat_map(|it| &it.components)
                .map(|change| change.target.commit)
                .collect(),
        };
        commits.sort_unstable();
        commits.dedup();
        commits
    }

    /// Every object of git that this entry names, as often as it does: a reader refuses one that has another length than the
    /// repository's ids. What an attestation's predicate holds is not ours.
    pub fn ids(&self) -> Vec<Oid> {
        let mut ids: Vec<Oid> = [self.project, self.previous]
            .iter()
            .chain(self.seen.values())
            .map(|id| id.0)
            .collect();
        ids.extend(self.commits().iter().map(|commit| commit.0));
        if let Some(deployment) = self.deployment() {
            let from = deployment
                .components
                .iter()
                .filter_map(|change| change.from);
            ids.extend(from.chain(deployment.branch_tip).map(|commit| commit.0));
            ids.extend(
                deployment
                    .components
                    .iter()
                    .filter_map(|change| change.target.content)
                    .map(|it| it.0),
            );
        }
        for ended in self.component_results() {
            ids.extend(ended.to.map(|commit| commit.0));
            ids.extend(ended.target.content.map(|content| content.0));
        }
        match &self.action {
            Action::Unlock(it) => ids.extend(it.holds.iter().map(|hold| hold.content.0)),
            Action::Artifact(it) => ids.push(it.content.0),
            Action::Publish(it) => ids.extend(it.admits.iter().map(|id| id.0)),
            _ => {}
        }
        ids
    }

    /// Every commit of the code that this entry speaks of, in bytewise order.
    pub fn commits(&self) -> Vec<CommitId> {
        let mut commits = match &self.action {
            Action::Baseline(_) | Action::Start(_) | Action::Record(_) => self.deployed_commits(),
            Action::Finish(it) => it
                .components
                .iter()
                .map(|ended| ended.target.commit)
                .collect(),
            Action::Abort(it) => it
                .components
                .iter()
                .map(|component| component.commit)
                .collect(),
            Action::Verification(it) => it
                .components
                .iter()
                .map(|component| component.commit)
                .collect(),
            Action::Approve(it) => vec![it.commit],
            Action::Revoke(it) => vec![it.commit],
            Action::Unlock(it) => it.commit.into_iter().collect(),
            Action::Build(it) => vec![it.commit],
            Action::Artifact(it) => vec![it.commit],
            Action::Attestation(it) => vec![it.commit],
            Action::Yank(it) | Action::Unyank(it) => it.commit.into_iter().collect(),
            Action::Resume(_)
            | Action::Lock(_)
            | Action::Expire(_)
            | Action::Publish(_)
            | Action::PolicyApprove(_)
            | Action::PolicyRevoke(_) => Vec::new(),
        };
        commits.sort_unstable();
        commits.dedup();
        commits
    }
}

/// Marks an entry whose signature nobody has checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unverified;
/// Marks an entry whose signature fits its bytes, its place and this one public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified(PublicKey);

/// A statement with the bytes that say it and their signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<S = Verified> {
    stored: Arc<StoredEntry>,
    signature: Arc<[u8]>,
    state: S,
}

/// A statement with the exact bytes that say it: what a state keeps of an entry.
#[derive(Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// What it says.
    pub statement: Statement,
    /// The bytes of its `entry.json`.
    pub bytes: Box<[u8]>,
}

impl StoredEntry {
    /// Reads the copy of an entry that a state keeps.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Ok(Self {
            statement: Statement::parse(bytes)?,
            bytes: bytes.into(),
        })
    }

    /// Reads the copy of an entry that stands in a ledger of this repository, which moved forward only once [`StoredEntry::parse`] had read
    /// these very bytes: for showing what happened, never for judging it.
    pub fn parse_trusted(bytes: &[u8]) -> Result<Self, ParseError> {
        Ok(Self {
            statement: json::parse_trusted(bytes)?,
            bytes: bytes.into(),
        })
    }
}

impl Entry<Unverified> {
    /// Reads the two files of an entry. The signature is only carried along.
    pub fn parse(bytes: &[u8], signature: &[u8]) -> Result<Self, ParseError> {
        Ok(Self::from_stored(
            Arc::new(StoredEntry::parse(bytes)?),
            signature,
        ))
    }

    /// The entry that a statement and its bytes are, with a signature that is only carried along.
    #[must_use]
    pub fn from_stored(kept: Arc<StoredEntry>, signature: &[u8]) -> Self {
        Self {
            stored: kept,
            signature: signature.into(),
            state: Unverified,
        }
    }

    /// The entry as one whose signature was checked with `key`. Only `signing` may say so; a test holds the rest of the crate to it.
    #[must_use]
    pub fn assume_verified(self, key: PublicKey) -> Entry<Verified> {
        Entry {
            stored: self.stored,
            signature: self.signature,
            state: Verified(key),
        }
    }
}

impl Entry<Verified> {
    /// The key that signed it.
    pub fn key(&self) -> &PublicKey {
        &self.state.0
    }
}

impl<S> Entry<S> {
    /// What it says.
    pub fn statement(&self) -> &Statement {
        &self.stored.statement
    }

    /// The exact bytes of `entry.json`.
    pub fn bytes(&self) -> &[u8] {
        &self.stored.bytes
    }

    /// The bytes of `entry.json.minisig`.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Statement and bytes, as a state keeps them.
    pub fn stored(&self) -> &Arc<StoredEntry> {
        &self.stored
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
