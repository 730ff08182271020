//! The deployments of an environment that have ended, from which projections follow.

use std::sync::Arc;

use super::facts::LedgerHistory;
use crate::domain::entry::{ComponentResult, DeploymentKind, Statement, StoredEntry};
use crate::domain::id::{CommitId, EntryId};
use crate::domain::name::{EnvName, LedgerName};
use crate::domain::policy::Policy;
use crate::domain::success_tags::Success;
use crate::git::error::Result;

/// The actions by which a deployment ends, and the one that states what runs without a deployment.
const ENDS: [&str; 3] = ["finish", "record", "baseline"];

/// An entry that states how a deployment ended, or a baseline.
#[derive(Debug)]
pub struct EndedDeployment {
    /// The entry's id.
    pub id: EntryId,
    /// The entry.
    pub entry: Arc<StoredEntry>,
    /// Its environment.
    pub environment: EnvName,
}

impl EndedDeployment {
    /// Returns an entry of an environment as an ended deployment, whatever its action is.
    pub(super) fn new((id, entry): (EntryId, Arc<StoredEntry>)) -> Option<Self> {
        let environment = entry.statement.environment()?;
        Some(Self {
            id,
            entry,
            environment,
        })
    }

    /// Returns the entry's statement.
    pub fn statement(&self) -> &Statement {
        &self.entry.statement
    }

    /// Returns whether each of its components succeeded.
    pub fn is_success(&self) -> bool {
        let results = self.statement().component_results();
        !results.is_empty() && results.iter().all(ComponentResult::is_success)
    }

    /// Returns the commit that a new deployment or a hotfix put into the environment: `None` if a
    /// component failed, or if there are several commits.
    pub fn deployed_commit(&self) -> Option<CommitId> {
        let is_forward = matches!(
            self.statement().ended_kind(),
            Some(DeploymentKind::Deploy | DeploymentKind::Hotfix)
        );
        let results = self.statement().component_results();
        let commit = results.first()?.target.commit;
        let is_single = results.iter().all(|it| it.target.commit == commit);
        (is_forward && is_single && self.is_success()).then_some(commit)
    }
}

impl LedgerHistory<'_> {
    /// Returns the ended deployments of a ledger, newest first, and the baselines between them.
    /// Leaves out one-off commands.
    pub fn ended_deployments(
        &self,
        ledger: &LedgerName,
        tip: EntryId,
    ) -> impl Iterator<Item = Result<EndedDeployment>> {
        self.walk(tip).filter_map(|walked| {
            let walked = match walked {
                Ok(walked) => walked,
                Err(error) => return Some(Err(error)),
            };
            if !ENDS.contains(&walked.trailers.action.as_str()) {
                return None;
            }
            match self.entry(ledger, walked.id) {
                Ok(entry) if entry.statement.ended_kind() == Some(DeploymentKind::Exec) => None,
                Ok(entry) => EndedDeployment::new((walked.id, entry)).map(Ok),
                Err(error) => Some(Err(error)),
            }
        })
    }

    /// Returns what the names of a deployment's tags depend on; `None` if nothing was deployed.
    ///
    /// The branch is the one that the start states as the deployment's origin, else the branch of the
    /// environment in the policy of that time.
    pub fn success_of(&self, ended: &EndedDeployment) -> Result<Option<Success>> {
        let statement = ended.statement();
        let Some(mut success) = Success::read(statement) else {
            return Ok(None);
        };
        let start = self.start_of(statement)?;
        let start = start.as_ref().map_or(statement, |start| &start.statement);
        let stated = start
            .deployment()
            .and_then(|deployment| deployment.origin.branch.clone());
        let policy = self.policy_of(statement)?;
        let of_environment = || {
            let rules = policy.as_deref()?.environment(&ended.environment)?;
            Some(rules.branch.as_ref()?.as_str().to_owned())
        };
        success.branch = stated
            .map(|branch| branch.as_str().to_owned())
            .or_else(of_environment);
        Ok(Some(success))
    }

    /// Returns the policy that the signer of an entry had read; `None` if the entry names none.
    pub fn policy_of(&self, statement: &Statement) -> Result<Option<Arc<Policy>>> {
        match statement.seen.get(&LedgerName::policy()) {
            Some(tip) => self.repository.policy_at(*tip),
            None => Ok(None),
        }
    }
}
