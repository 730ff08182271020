//! The components that differ but are left out of a deployment, and why.

use std::collections::BTreeMap;
use std::fmt;

use super::blocked_components::{BlockFinder, BlockReason, find_blocked_dependents};
use super::component_changes::select_change;
use super::component_selection::select_components;
use super::deployment_spec::{DeploymentSpec, Selection, SelectionError};
use crate::domain::entry::{ComponentChange, DeploymentKind};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::state::Scope;
use crate::ledger::writer::LedgerSnapshot;

/// A component that differs but is left out of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The component.
    pub component: ComponentName,
    /// The commit that it would be deployed at.
    pub commit: CommitId,
    /// Whether it would be removed.
    pub is_removal: bool,
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

/// Lists the components that differ but are left out of a deployment. Lists those that a deployment of
/// all unblocked components leaves out, whatever the selection of `spec` is, unless `spec` leaves out
/// only the components that git-deploy cannot deploy. If all components are blocked, the deployment
/// includes them and is refused, so they are not listed.
pub fn list_left_out(
    snapshot: &LedgerSnapshot<'_>,
    policy: &Policy,
    spec: &DeploymentSpec<'_>,
) -> Result<Vec<LeftOut>, SelectionError> {
    let mut spec = spec.clone();
    if !spec.leaves_out_manual {
        spec.selection = Selection::UnblockedWithDependents;
    }
    let state = snapshot.load_state(spec.env.ledger(), &Scope::All)?;
    let env_state = spec.env.state_in(&state);
    let included = select_components(snapshot, policy, &spec, env_state)?;
    let is_included = |component: &ComponentName| {
        included
            .iter()
            .any(|change| change.target.component == *component)
    };
    let is_deselected = |component: &ComponentName| match &spec.selection {
        Selection::Named(named) => !named.contains(component),
        _ => false,
    };
    let mut changes = Vec::new();
    for component in policy.component_names() {
        let commit = spec.commits.get(&component);
        let Some(commit) = commit.filter(|_| !is_deselected(&component)) else {
            continue;
        };
        let content = snapshot.gatherer.content(policy, commit, &component);
        let content = content.map_err(|error| SelectionError::MissingFact(error.to_string()))?;
        let change = select_change(env_state, &spec, &component, commit, content)?;
        changes.extend(change);
    }
    let blocks = BlockFinder::new(env_state, policy, &spec, changes.iter().chain(&included));
    let skipped = match spec.kind {
        DeploymentKind::Rollback => BTreeMap::new(),
        _ => find_blocked_dependents(&blocks, policy, &changes),
    };
    let find_reason = |change: &ComponentChange| {
        let component = change.target.component.clone();
        let (blocked_dependency, reason) = match skipped.get(&component) {
            Some(cause) => (Some(cause.blocked.clone()), cause.reason),
            None => (None, blocks.find_reason(change)?),
        };
        Some(LeftOut {
            component,
            commit: change.target.commit,
            is_removal: change.is_removal(),
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
