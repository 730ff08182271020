//! The deployments from which the tags on a commit follow.

use super::needs::FactPlan;
use super::{FactGatherer, describe_error};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{CommitId, EntryId};
use crate::domain::rules::{Fact, Facts, SKEW};
use crate::domain::success_tags::Success;
use crate::git::error::Result;
use crate::ledger::ended_deployments::EndedDeployment;

impl FactGatherer<'_> {
    /// Returns the successful deployments that name the commit of a tag, newest first: those of the
    /// environment, or of all environments of the pattern. Returns `None` if the request has no
    /// environment or commit.
    pub(super) fn read_successes(
        &self,
        plan: &FactPlan<'_>,
        facts: &Facts,
    ) -> Option<Fact<Vec<Success>>> {
        let (env, _) = plan.environment.as_ref()?;
        let commit = *plan.subjects.first()?;
        let tip = self.known_tip(facts, env.ledger());
        Some(tip.and_then(|tip| {
            let Some(tip) = tip else {
                return Ok(Vec::new());
            };
            self.read_successes_of(env, tip, commit)
                .map_err(|error| describe_error(&error))
        }))
    }

    fn read_successes_of(
        &self,
        env: &EnvRef,
        tip: EntryId,
        commit: CommitId,
    ) -> Result<Vec<Success>> {
        // No accepted entry about the commit is older than this.
        let since = self.code.commit(commit)?.time.minus(SKEW);
        let mut successes = Vec::new();
        let entries = self
            .history
            .entries_about(env.ledger(), tip, commit, since)?;
        for ended in entries.into_iter().filter_map(EndedDeployment::new) {
            successes.extend(self.history.success_of(&ended)?);
        }
        Ok(successes)
    }
}
