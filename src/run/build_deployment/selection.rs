//! Which components a deployment changes, and which it leaves out because they are blocked.

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
    let named = matches!(spec.selection, Selection::Named(_));
    let intent = match (content, from) {
        (None, Some(_)) if spec.destroy => Intent::Destroy,
        (None, _) if named => {
            return Err(BuildError::NotInCommit {
                component: component.clone(),
                commit,
            });
        }
        (None, _) => return Ok(None),
        (Some(_), Some(_)) if named || spec.selection == Selection::All => Intent::Change,
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
    let since = |name: &ComponentName| {
        env_state
            .live_entry(name)
            .map(|entry| entry.statement.sequence)
    };
    let depends = |name: &ComponentName, changed: &BTreeSet<ComponentName>| {
        let follows =
            |before: &ComponentName| changed.contains(before) || since(before) > since(name);
        policy
            .component(name)
            .is_some_and(|it| it.depends_on.iter().any(follows))
    };
    // Follow the dependencies one component at a time until no more are added.
    while let Some(next) = policy
        .components
        .keys()
        .find(|name| !changed.contains(*name) && depends(name, &changed))
        .cloned()
    {
        changed.insert(next);
    }
    let planned = |name: &ComponentName| policy.component(name).is_some_and(|it| it.plan.is_some());
    for change in components
        .iter_mut()
        .filter(|change| change.intent == Intent::Unchanged)
    {
        if changed.contains(&change.target.component) && planned(&change.target.component) {
            change.intent = Intent::Change;
        }
    }
}

/// Leaves out blocked components, so that a lock stops only what it locks. If that would leave no
/// change, the blocked changes are kept, and the rules report why they are refused.
pub(super) fn remove_blocked(
    env_state: EnvState<'_>,
    selection: &Selection,
    components: Vec<ComponentChange>,
) -> Vec<ComponentChange> {
    let gives_way = |change: &ComponentChange| {
        change.intent == Intent::Unchanged || *selection == Selection::Unblocked
    };
    let stays = |change: &ComponentChange| {
        !gives_way(change) || find_block_reason(env_state, change).is_none()
    };
    let changes = |change: &&ComponentChange| change.intent != Intent::Unchanged;
    let wanted = components.iter().any(|change| changes(&change));
    let (free, reason): (Vec<ComponentChange>, Vec<ComponentChange>) =
        components.iter().cloned().partition(stays);
    match (
        free.is_empty(),
        wanted && !free.iter().any(|change| changes(&change)),
    ) {
        (true, _) => reason,
        (_, true) => components
            .into_iter()
            .filter(|change| changes(&change) || stays(change))
            .collect(),
        _ => free,
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

/// Returns what blocks a component from becoming, or staying, what the change describes.
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
    let held = |content| env_state.hold(component, content).is_some();
    change
        .target
        .content
        .is_some_and(held)
        .then_some(BlockReason::OnHold)
}
