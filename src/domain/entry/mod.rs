//! Entries: what a ledger holds, one signed statement per commit.
//!
//! An entry is an in-toto Statement v1 (<https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md>). Its exact bytes
//! are what is signed and kept; [`Statement`] is what they mean. There is one spelling of every statement, so whatever parses
//! prints to the same bytes. `FORMAT.md` gives the format field by field.

mod action;
mod headline;
mod json;
mod log_text;
mod message;
mod note;
mod stored;
mod subject;
mod trailer;
mod validate;

use std::collections::{BTreeMap, BTreeSet};

pub use action::*;
pub use json::ParseError;
pub(crate) use log_text::{LogText, Tone};
pub(crate) use note::Note;
pub use note::note_line;
pub use stored::{Entry, StoredEntry, Unverified, Verified};
pub(crate) use subject::Subject;
pub(crate) use trailer::Trailer;
pub use trailer::{Trailers, read_trailers};
pub use validate::InvalidError;

use super::id::{CommitId, EntryId, Oid};
use super::name::{ComponentName, EnvName, LedgerName, Person, ProjectName};
use super::text::Line;
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

/// What an entry says, and the one place in one ledger of one project that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// When it was signed.
    pub at: Time,
    /// Whose key signed it.
    pub by: Person,
    /// On whose behalf, where a machine signs for a person.
    pub requested_by: Option<Person>,
    /// Its ledger.
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

    /// Returns the trusted comment under which the entry is signed: it names the place.
    pub fn trusted_comment(&self) -> String {
        format!(
            "git-deploy {} {} {}",
            self.ledger,
            self.sequence,
            self.action.name()
        )
    }

    /// Writes the message of the ledger commit: a pure function of the statement.
    pub fn message(&self) -> String {
        message::print(self)
    }

    /// Returns author and committer of the ledger commit, without the time: `ci <ci@catalogue>`.
    pub fn identity(&self, project: &ProjectName) -> String {
        format!("{0} <{0}@{project}>", self.by)
    }

    /// Returns the environment that the statement is about; `None` in `policy` and `evidence`.
    pub fn environment(&self) -> Option<EnvName> {
        self.environment
            .clone()
            .or_else(|| self.ledger.environment())
    }

    /// Returns the deployment that a `start` or `record` asks for.
    pub fn deployment(&self) -> Option<&Deployment> {
        self.action.deployment()
    }

    /// Lists how each component ended, for a `finish` or `record`; a `baseline` counts as a success without verification.
    pub fn component_results(&self) -> Vec<ComponentResult> {
        let body = self.action.environment_body();
        body.map_or_else(Vec::new, EnvironmentBody::component_results)
    }

    /// Returns how one component ended, as [`Statement::component_results`] has it, without copying the others.
    pub fn component_result(&self, component: &ComponentName) -> Option<ComponentResult> {
        self.action.environment_body()?.component_result(component)
    }

    /// Lists the people whose approvals count for it.
    pub fn approved_by(&self) -> &[Person] {
        match (self.action.environment_body(), self.action.policy_body()) {
            (Some(body), _) => body.approved_by(),
            (None, Some(body)) => body.approved_by(),
            (None, None) => &[],
        }
    }

    /// Returns the reason why it breaks the rules.
    pub fn break_glass(&self) -> Option<&Line> {
        self.action.environment_body()?.break_glass()
    }

    /// Returns when what it begins ends: an approval, or an ephemeral environment.
    pub fn expires(&self) -> Option<Time> {
        self.action.environment_body()?.expires()
    }

    /// Lists the commits of the code that this entry puts into the environment, in bytewise order: the further parents of its commit.
    pub fn deployed_commits(&self) -> Vec<CommitId> {
        match self.action.info().commits {
            CommitRole::Deploys => self.commits(),
            CommitRole::None | CommitRole::Deployed | CommitRole::MayBeMissing => Vec::new(),
        }
    }

    /// Lists every object of git that this entry names, as often as it does: a reader refuses one that has another length than the
    /// repository's ids. What an attestation's predicate holds is not ours.
    pub fn ids(&self) -> Vec<Oid> {
        let entries = [self.project, self.previous];
        let entries = entries.iter().chain(self.seen.values()).map(|id| id.0);
        entries
            .chain(self.commits().into_iter().map(|commit| commit.0))
            .chain(self.action.body().other_ids())
            .collect()
    }

    /// Lists every commit of the code that this entry is about, in bytewise order.
    pub fn commits(&self) -> Vec<CommitId> {
        let trailers = self.action.body().trailers();
        let mut commits: Vec<CommitId> = trailers.iter().filter_map(Trailer::commit).collect();
        commits.sort_unstable();
        commits.dedup();
        commits
    }

    /// Lists every component that this entry is about.
    pub fn components(&self) -> BTreeSet<ComponentName> {
        let trailers = self.action.body().trailers();
        trailers
            .iter()
            .filter_map(Trailer::component)
            .cloned()
            .collect()
    }

    /// Returns the commit at which this entry names a component.
    pub fn commit_of(&self, component: &ComponentName) -> Option<CommitId> {
        let trailers = self.action.body().trailers();
        let mut from_it = trailers
            .iter()
            .skip_while(|trailer| trailer.component() != Some(component));
        from_it.find_map(Trailer::commit)
    }
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;
