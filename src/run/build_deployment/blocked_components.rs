//! The components that are blocked, and those that depend on a blocked one.

use std::collections::{BTreeMap, BTreeSet};

use super::deployment_spec::Selection;
use crate::clock;
use crate::domain::entry::ComponentChange;
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::state::EnvState;
use crate::run::graph::Graph;

/// Why a component must not be changed now.
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
    let now = clock::now();
    let is_locked = |component| env_state.lock(component, now).is_some();
    if is_locked(None) || is_locked(Some(component)) {
        return Some(BlockReason::Locked);
    }
    let is_on_hold = |content| env_state.hold(component, content).is_some();
    change
        .target
        .content
        .is_some_and(is_on_hold)
        .then_some(BlockReason::OnHold)
}

/// Removes the blocked components if the selection leaves them out, so that a lock stops only the
/// locked components. If all components are blocked, keeps them: the rules then report why they
/// are refused.
pub(super) fn remove_blocked(
    env_state: EnvState<'_>,
    selection: &Selection,
    components: Vec<ComponentChange>,
) -> Vec<ComponentChange> {
    if *selection != Selection::UnblockedWithDependents {
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

/// Why a component is left out: it depends, directly or not, on a blocked component.
#[derive(Debug, Clone)]
pub(super) struct DependencyBlock {
    /// The blocked component.
    pub blocked: ComponentName,
    /// Why that component is blocked.
    pub reason: BlockReason,
}

/// Finds the changes to leave out: those of components that depend, directly or not, on a blocked
/// component whose new content is not running yet.
///
/// A run skips the dependents of a component that failed. Without this function, the next run would
/// deploy the dependents without that component, which is now on hold.
pub(super) fn find_blocked_dependents(
    env_state: EnvState<'_>,
    policy: &Policy,
    components: &[ComponentChange],
) -> BTreeMap<ComponentName, DependencyBlock> {
    let changes = || components.iter().filter(|change| !change.is_removal());
    let is_not_current = |change: &&ComponentChange| {
        let component = &change.target.component;
        env_state.content(component) != change.target.content
            || env_state.unknown_since(component).is_some()
    };
    let blocked: BTreeMap<&ComponentName, BlockReason> = changes()
        .filter(is_not_current)
        .filter_map(|change| {
            let reason = find_block_reason(env_state, change)?;
            Some((&change.target.component, reason))
        })
        .collect();
    let find_cause = |change: &ComponentChange| {
        let component = &change.target.component;
        if find_block_reason(env_state, change).is_some() {
            return None;
        }
        // In a graph of only this component and the blocked ones, its predecessors are the blocked
        // components that it depends on.
        let mut nodes: BTreeSet<ComponentName> = blocked.keys().copied().cloned().collect();
        nodes.insert(component.clone());
        let graph = Graph::new(policy, &nodes);
        let dependency = graph.predecessors(component).next()?;
        let cause = DependencyBlock {
            blocked: dependency.clone(),
            reason: *blocked.get(dependency)?,
        };
        Some((component.clone(), cause))
    };
    changes().filter_map(find_cause).collect()
}
