//! Selects the components that a deployment changes, and leaves out those that are blocked.

use std::collections::BTreeSet;

use super::deployment_spec::{BuildError, DeploymentSpec, Selection};
use crate::domain::entry::{ComponentChange, Target};
use crate::domain::id::{CommitId, Content};
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::state::EnvState;

/// Returns what happens to one component, or `None` if the deployment does not include it: it
/// already runs, or it is in neither the environment nor the commit.
pub(super) fn build_change(
    env_state: EnvState<'_>,
    spec: &DeploymentSpec<'_>,
    component: &ComponentName,
    commit: CommitId,
    content: Option<Content>,
) -> Result<Option<ComponentChange>, BuildError> {
    let is_named = matches!(spec.selection, Selection::Named(_));
    let is_included = match content {
        None if spec.destroy && env_state.commit(component).is_some() => true,
        None if is_named => {
            return Err(BuildError::NotInCommit {
                component: component.clone(),
                commit,
            });
        }
        None => false,
        Some(_) if is_named || spec.selection == Selection::All => true,
        Some(_) => {
            env_state.content(component) != content || env_state.unknown_since(component).is_some()
        }
    };
    Ok(is_included.then(|| make_change(env_state, component, commit, content)))
}

/// Makes the change of a component to a commit, without a version, artifacts and a plan.
pub(super) fn make_change(
    env_state: EnvState<'_>,
    component: &ComponentName,
    commit: CommitId,
    content: Option<Content>,
) -> ComponentChange {
    let target = Target {
        component: component.clone(),
        commit,
        content,
        version: None,
        tag: None,
        artifacts: Vec::new(),
    };
    ComponentChange {
        target,
        from: env_state.commit(component),
        plan: None,
    }
}

/// Adds unchanged components if a component that they depend on changes, or was deployed after
/// them: its outputs can change their plans though their own files are the same. Only components
/// with a plan command are affected.
pub(super) fn include_dependents(
    env_state: EnvState<'_>,
    policy: &Policy,
    components: &mut Vec<ComponentChange>,
    unchanged: Vec<ComponentChange>,
) {
    let mut changed: BTreeSet<ComponentName> = components
        .iter()
        .filter(|change| !change.is_removal())
        .map(|change| change.target.component.clone())
        .collect();
    let live_sequence = |name: &ComponentName| {
        env_state
            .live_entry(name)
            .map(|entry| entry.statement.sequence)
    };
    let is_dependent = |name: &ComponentName, changed: &BTreeSet<ComponentName>| {
        let is_newer = |before: &ComponentName| {
            changed.contains(before) || live_sequence(before) > live_sequence(name)
        };
        policy
            .component(name)
            .is_some_and(|it| it.depends_on.iter().any(is_newer))
    };
    // Follow the dependencies one component at a time until no more are added.
    while let Some(next) = policy
        .components
        .keys()
        .find(|name| !changed.contains(*name) && is_dependent(name, &changed))
        .cloned()
    {
        changed.insert(next);
    }
    let has_plan =
        |name: &ComponentName| policy.component(name).is_some_and(|it| it.plan.is_some());
    components.extend(unchanged.into_iter().filter(|change| {
        let component = &change.target.component;
        changed.contains(component) && has_plan(component)
    }));
    components.sort_by(|one, other| one.target.component.cmp(&other.target.component));
}

/// Leaves out blocked components, so that a lock stops only the locked components. If that would
/// leave no change, the blocked changes are kept, and the rules report why they are refused.
pub(super) fn remove_blocked(
    env_state: EnvState<'_>,
    selection: &Selection,
    components: Vec<ComponentChange>,
) -> Vec<ComponentChange> {
    if *selection != Selection::Unblocked {
        return components;
    }
    let (unblocked, blocked): (Vec<ComponentChange>, Vec<ComponentChange>) = components
        .into_iter()
        .partition(|change| find_block_reason(env_state, change).is_none());
    if unblocked.is_empty() {
        blocked
    } else {
        unblocked
    }
}

/// Why a component is blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockReason {
    /// It or its environment is locked.
    #[error("locked")]
    Locked,
    /// Its new content failed in this environment, or was rolled back.
    #[error("on hold")]
    OnHold,
    /// Another run is changing it.
    #[error("being deployed by run {0}")]
    BeingDeployed(u64),
}

/// Returns the reason why a change is blocked, if it is.
pub(super) fn find_block_reason(
    env_state: EnvState<'_>,
    change: &ComponentChange,
) -> Option<BlockReason> {
    let component = &change.target.component;
    if let Some(run) = env_state.run_changing(component) {
        return Some(BlockReason::BeingDeployed(run.sequence));
    }
    if env_state.lock().is_some() || env_state.component_lock(component).is_some() {
        return Some(BlockReason::Locked);
    }
    let is_on_hold = |content| env_state.hold(component, content).is_some();
    change
        .target
        .content
        .is_some_and(is_on_hold)
        .then_some(BlockReason::OnHold)
}
