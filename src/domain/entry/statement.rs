//! [`Statement`]: the parsed content of an entry, with accessors that work for every action.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Action, CommitRole, ComponentResult, Deployment, DeploymentKind, EnvironmentBody, Subject,
    Trailer,
};
use crate::domain::id::{CommitId, EntryId, Oid, PublicKey};
use crate::domain::name::{ComponentName, EnvName, LedgerName, Person, ProjectName};
use crate::domain::text::Line;
use crate::domain::time::Time;

/// The parsed content of an entry, including its position: project, ledger and sequence number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// When it was signed.
    pub at: Time,
    /// Whose key signed it.
    pub by: Person,
    /// The key that signed it. It is part of the statement, so that a copy of the entry in a state
    /// shows who signed it.
    pub key: PublicKey,
    /// The person on whose behalf a machine signed, if any.
    pub requested_by: Option<Person>,
    /// Its ledger.
    pub ledger: LedgerName,
    /// The environment, present only in a pattern's ledger: `pr-17` in the ledger `pr`.
    pub environment: Option<EnvName>,
    /// The project, identified by the genesis commit of its policy's ledger.
    pub project: EntryId,
    /// The ledger commit that it follows.
    pub previous: EntryId,
    /// The entry's number in its ledger: the genesis commit is 0, the first entry 1.
    pub sequence: u64,
    /// The tips of the other ledgers that the signer had read.
    pub seen: BTreeMap<LedgerName, EntryId>,
    /// What happened.
    pub action: Action,
}

impl Statement {
    /// Returns minisign's trusted comment for the entry, which binds the signature to its position.
    pub fn trusted_comment(&self) -> String {
        format!(
            "git-deploy {} {} {}",
            self.ledger,
            self.sequence,
            self.action.name()
        )
    }

    /// Returns the author and committer of the ledger commit, without the time: `ci
    /// <ci@catalogue>`.
    pub fn identity(&self, project: &ProjectName) -> String {
        format!("{0} <{0}@{project}>", self.by)
    }

    /// Returns the environment that the statement is about; `None` in `policy` and `evidence`.
    pub fn environment(&self) -> Option<EnvName> {
        self.environment
            .clone()
            .or_else(|| self.ledger.environment())
    }

    /// Returns the deployment that a `start` or `record` requests.
    pub fn deployment(&self) -> Option<&Deployment> {
        self.action.deployment()
    }

    /// Lists the results of the components for a `finish` or `record`. A `baseline` counts as a
    /// success without verification. Empty for all other actions.
    pub fn component_results(&self) -> Vec<ComponentResult> {
        let body = self.action.environment_body();
        body.map_or_else(Vec::new, EnvironmentBody::component_results)
    }

    /// Returns whether a component failed only because its run was cancelled; see
    /// `Finish::was_cancelled`.
    pub fn was_cancelled(&self, component: &ComponentName) -> bool {
        match &self.action {
            Action::Finish(finish) => finish.was_cancelled(component),
            _ => false,
        }
    }

    /// Returns one result of [`Statement::component_results`], without copying the others.
    pub fn component_result(&self, component: &ComponentName) -> Option<ComponentResult> {
        self.action.environment_body()?.component_result(component)
    }

    /// Returns the kind of the deployment whose end a `finish` or `record` states.
    pub fn ended_kind(&self) -> Option<DeploymentKind> {
        match &self.action {
            Action::Finish(it) => Some(it.kind),
            Action::Record(it) => Some(it.deployment.kind),
            _ => None,
        }
    }

    /// Lists the people whose approvals count for it.
    pub fn approved_by(&self) -> &[Person] {
        match (self.action.environment_body(), self.action.policy_body()) {
            (Some(body), _) => body.approved_by(),
            (None, Some(body)) => body.approved_by(),
            (None, None) => &[],
        }
    }

    /// Returns the reason for overriding the rules, if it does.
    pub fn break_glass(&self) -> Option<&Line> {
        self.action.environment_body()?.break_glass()
    }

    /// Returns the expiry time that it sets, for an approval, a lock or an
    /// ephemeral environment.
    pub fn expires(&self) -> Option<Time> {
        self.action.environment_body()?.expires()
    }

    /// Lists the code commits that this entry deploys, in bytewise order: the additional parents of
    /// its ledger commit.
    pub fn deployed_commits(&self) -> Vec<CommitId> {
        match self.action.info().commits {
            CommitRole::Deploys => self.commits(),
            CommitRole::None | CommitRole::Deployed | CommitRole::MayBeMissing => Vec::new(),
        }
    }

    /// Lists every Git object id in this entry, with repetitions. A reader uses it to refuse ids
    /// that do not have the length of the repository's hash. An attestation's predicate is not
    /// searched.
    pub fn ids(&self) -> Vec<Oid> {
        let entries = [self.project, self.previous];
        let entries = entries.iter().chain(self.seen.values()).map(|id| id.0);
        entries
            .chain(self.commits().into_iter().map(|commit| commit.0))
            .chain(self.action.body().other_ids())
            .collect()
    }

    /// Returns its in-toto subjects; if its action has none, the previous entry, since in-toto
    /// requires one. Every commit of [`Statement::commits`] is among them, so that an index of
    /// statements by subject misses none.
    pub(super) fn subjects(&self) -> Vec<Subject<'_>> {
        let mut subjects = self.action.body().subjects();
        if subjects.is_empty() {
            let previous = CommitId(self.previous.0);
            subjects.push(Subject::named_commit(self.ledger.as_str(), previous));
        }
        subjects
    }

    /// Lists every code commit that this entry is about, in bytewise order.
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
        let mut following = trailers
            .iter()
            .skip_while(|trailer| trailer.component() != Some(component));
        following.find_map(Trailer::commit)
    }
}
