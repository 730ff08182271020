//! The details of a deployment, with what the policy of its time says about its commands.

use crate::domain::entry::Statement;
use crate::domain::name::LedgerName;
use crate::ledger::facts::FactGatherer;
use crate::view::deployment_details::DeploymentDetails;

/// Marks the commands of a deployment that `git deploy record` wrapped. `start` is the start of the run
/// that the entry ends. Only looks if a command failed, because only that is described.
pub fn mark_wrapped(
    gatherer: &FactGatherer<'_>,
    details: DeploymentDetails,
    statement: &Statement,
    start: Option<&Statement>,
) -> DeploymentDetails {
    if !details.has_failed_command() {
        return details;
    }
    let seen = &start.unwrap_or(statement).seen;
    let policy = seen.get(&LedgerName::policy());
    match policy.and_then(|tip| gatherer.policy_at(*tip).ok().flatten()) {
        Some(policy) => details.mark_wrapped(&policy),
        None => details,
    }
}
