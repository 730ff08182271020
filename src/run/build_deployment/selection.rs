//! Selects the components that a deployment changes, and leaves out those that are blocked.

use std::collections::BTreeSet;

use super::deployment_spec::{BuildError, DeploymentSpec, Selection};
use crate::domain::entry::{ComponentChange, Intent, Target};
use crate::domain::id::{CommitId, Content};
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::state::EnvState;

/// Returns what happens to one component, or `None` if the deployment does not include it.
pub(super) fn build_change(
    env_state: EnvState<'_>,
    spec: &DeploymentSpec<'_>,
    component: &ComponentName,
    commit: CommitId,
    content: Option<Content>,
) -> Result<Option<ComponentChange>, BuildError> {
    let (from, running) = (env_state.commit(component), env_state.content(component));
    let is_named = matches!(spec.selection, Selection::Named(_));
    let intent = match (content, from) {
        (None, Some(_)) if spec.destroy => Intent::Destroy,
        (None, _) if is_named => {
            return Err(BuildError::NotInCommit {
                component: component.clone(),
                commit,
            });
        }
        (None, _) => return Ok(None),
        (Some(_), Some(_)) if is_named || spec.selection == Selection::All => Intent::Change,
        (Some(content), Some(_))
            if running == Some(content) && env_state.unknown_since(component).is_none() =>
        {
            Intent::Unchanged
        }
        (Some(_), _) => Intent::Change,
    };
    let target = Target {
        component: component.clone(),
        commit,
        content,
        version: None,
        artifacts: Vec::new(),
    };
    Ok(Some(ComponentChange {
        target,
        from,
        plan: None,
        intent,
    }))
}

/// Turns unchanged components into changes if a component that they depend on changes, or was
/// deployed after them: its outputs can change their plans though their own files are the same.
/// Only components with a plan command are affected.
pub(super) fn include_dependents(
    env_state: EnvState<'_>,
    policy: &Policy,
    components: &mut [ComponentChange],
) {
    let is_change = |change: &&ComponentChange| change.intent == Intent::Change;
    let mut changed: BTreeSet<ComponentName> = components
        .iter()
        .filter(is_change)
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
    for change in components
        .iter_mut()
        .filter(|change| change.intent == Intent::Unchanged)
    {
        if changed.contains(&change.target.component) && has_plan(&change.target.component) {
            change.intent = Intent::Change;
        }
    }
}

/// Leaves out blocked components, so that a lock stops only the locked components. If that would
/// leave no change, the blocked changes are kept, and the rules report why they are refused.
pub(super) fn remove_blocked(
    env_state: EnvState<'_>,
    selection: &Selection,
    components: Vec<ComponentChange>,
) -> Vec<ComponentChange> {
    let can_be_left_out = |change: &ComponentChange| {
        change.intent == Intent::Unchanged || *selection == Selection::Unblocked
    };
    let stays = |change: &ComponentChange| {
        !can_be_left_out(change) || find_block_reason(env_state, change).is_none()
    };
    let is_change = |change: &&ComponentChange| change.intent != Intent::Unchanged;
    let has_changes = components.iter().any(|change| is_change(&change));
    let (unblocked, blocked): (Vec<ComponentChange>, Vec<ComponentChange>) =
        components.iter().cloned().partition(stays);
    match (
        unblocked.is_empty(),
        has_changes && !unblocked.iter().any(|change| is_change(&change)),
    ) {
        (true, _) => blocked,
        (_, true) => components
            .into_iter()
            .filter(|change| is_change(&change) || stays(change))
            .collect(),
        _ => unblocked,
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

/// Returns the reason why a change is blocked, if it is. An unchanged component can be blocked too.
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
