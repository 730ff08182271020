//! Determines from the variables of a CI job which branch, tag or change request the job runs for, and
//! the origin of its deployments.

mod origin;
mod systems;
mod trigger;
mod variables;

use crate::domain::id::CommitId;

pub(super) use origin::read_ci_origin;
use systems::{SYSTEMS, TWO_SYSTEMS};
pub(super) use trigger::Trigger;
use variables::VariableLookup;
pub(super) use variables::read_variable;

/// A CI job.
pub(super) struct CiJob {
    trigger: Trigger,
    /// The name of the variable with the job's commit.
    commit_variable: &'static str,
    /// The value of that variable.
    commit: Option<String>,
}

impl CiJob {
    /// Returns the trigger if the job runs for the checked-out commit, else the reason. The job may
    /// run for another repository, or have checked out another commit.
    pub(super) fn require_checkout(self, head: Option<CommitId>) -> Result<Trigger, String> {
        let name = self.commit_variable;
        let commit: Option<CommitId> = self.commit.as_deref().and_then(|text| text.parse().ok());
        match self.trigger {
            // A change request leads only to its own environment, and its commit is a merge that
            // need not be checked out.
            Trigger::Change { .. } => Ok(self.trigger),
            _ if head.is_some() && commit == head => Ok(self.trigger),
            _ => Err(format!("{name} is not the commit that is checked out here")),
        }
    }
}

/// Reads the CI job from the variables. Returns `None` outside of a CI system that states the
/// commit of its job.
pub(super) fn read_ci_job(variable: VariableLookup<'_>) -> Option<Result<CiJob, String>> {
    let mut active = SYSTEMS
        .iter()
        .filter(|system| (system.is_active)(variable))
        .filter_map(|system| Some((system, system.commit?)));
    let (system, commit_variable) = active.next()?;
    if active.next().is_some() {
        return Some(Err(TWO_SYSTEMS.to_owned()));
    }
    let trigger = (system.read_trigger)(variable)
        .unwrap_or_else(|| Err("the CI job names no branch, tag or change request".to_owned()));
    Some(trigger.map(|trigger| CiJob {
        trigger,
        commit_variable,
        commit: variable(commit_variable),
    }))
}
