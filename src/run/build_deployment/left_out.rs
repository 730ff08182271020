//! The components that differ but are left out of a deployment, and why.

use std::fmt;

use super::blocked_components::{BlockReason, find_block_reason, find_blocked_dependents};
use super::component_changes::select_change;
use super::component_selection::select_components;
use super::deployment_spec::{DeploymentSpec, Selection, SelectionError};
use crate::domain::entry::ComponentChange;
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::state::Scope;
use crate::ledger::writer::LedgerSnapshot;

/// A component that differs but is left out of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The component.
    pub component: ComponentName,
    /// The blocked component that it depends on, directly or not; `None` if it is blocked itself.
    pub blocked_dependency: Option<ComponentName>,
    /// Why it, or the component that it depends on, is blocked.
    pub reason: BlockReason,
}

impl LeftOut {
    /// Returns why the component is left out: `it is on hold`.
    pub fn format_reason(&self) -> String {
        match &self.blocked_dependency {
            None => format!("it is {}", self.reason),
            Some(other) => format!("it depends on {other}, which is {}", self.reason),
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is left out: {}",
            self.component,
            self.format_reason()
        )
    }
}

/// Lists the components that differ but are left out of a deployment of all unblocked components.
/// Ignores the selection of `spec`. If all components are blocked, the deployment includes them and
/// the rules refuse it, so they are not listed.
pub fn list_left_out(
    snapshot: &LedgerSnapshot<'_>,
    policy: &Policy,
    spec: &DeploymentSpec<'_>,
) -> Result<Vec<LeftOut>, SelectionError> {
    let spec = DeploymentSpec {
        selection: Selection::UnblockedWithDependents,
        ..spec.clone()
    };
    let state = snapshot.load_state(spec.env.ledger(), &Scope::All)?;
    let env_state = spec.env.state_in(&state);
    let included = select_components(snapshot, policy, &spec, env_state)?;
    let is_included = |component: &ComponentName| {
        included
            .iter()
            .any(|change| change.target.component == *component)
    };
    let mut changes = Vec::new();
    for component in policy.component_names() {
        let Some(commit) = spec.commits.get(&component) else {
            continue;
        };
        let content = snapshot.gatherer.content(policy, commit, &component);
        let content = content.map_err(|error| SelectionError::MissingFact(error.to_string()))?;
        let change = select_change(env_state, &spec, &component, commit, content)?;
        changes.extend(change);
    }
    let skipped = find_blocked_dependents(env_state, policy, &changes);
    let find_reason = |change: &ComponentChange| {
        let component = change.target.component.clone();
        let (blocked_dependency, reason) = match skipped.get(&component) {
            Some(cause) => (Some(cause.blocked.clone()), cause.reason),
            None => (None, find_block_reason(env_state, change)?),
        };
        Some(LeftOut {
            component,
            blocked_dependency,
            reason,
        })
    };
    Ok(changes
        .iter()
        .filter(|change| !is_included(&change.target.component))
        .filter_map(find_reason)
        .collect())
}
