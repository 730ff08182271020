//! The approvals of an environment that a deployment can still use.

use crate::domain::entry::{Action, ApprovalPurpose, Approve};
use crate::domain::name::{ComponentName, Person};
use crate::domain::policy::Policy;
use crate::domain::state::EnvState;
use crate::domain::time::Time;

/// An approval that no deployment has used.
pub struct UnusedApproval<'a> {
    /// The approval.
    pub approve: &'a Approve,
    /// Its components that a deployment can still change.
    pub components: Vec<ComponentName>,
    /// Who signed it.
    pub by: &'a Person,
}

/// Returns the approvals that no deployment has used and that have not expired. Leaves out components
/// that the policy no longer declares, because they can only be removed, and approvals of nothing else.
pub fn list_pending_approvals<'a>(
    policy: &Policy,
    env_state: EnvState<'a>,
    now: Time,
) -> Vec<UnusedApproval<'a>> {
    let describe = |entry: &'a crate::domain::entry::StoredEntry| {
        let Action::Approve(approve) = &entry.statement.action else {
            return None;
        };
        let is_usable = |name: &&ComponentName| {
            policy.has_component(name)
                || approve.purpose == ApprovalPurpose::Destroy
                    && env_state.present_commit(name).is_some()
        };
        let components: Vec<ComponentName> = approve
            .components
            .iter()
            .filter(is_usable)
            .cloned()
            .collect();
        (approve.expires > now && !components.is_empty()).then_some(UnusedApproval {
            approve,
            components,
            by: &entry.statement.by,
        })
    };
    let approvals = env_state.approvals();
    approvals
        .filter_map(|(_, _, entry)| describe(entry))
        .collect()
}
