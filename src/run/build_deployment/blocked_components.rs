//! The components that are blocked, and those that depend on a blocked one.

use std::collections::{BTreeMap, BTreeSet};

use super::deployment_spec::{DeploymentSpec, Selection};
use crate::clock;
use crate::domain::deploy_command::carries_out;
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
    /// The policy has no command of this name for it, so another system deploys it.
    #[error("not deployed by git-deploy (no {0} command in the policy)")]
    NoCommand(&'static str),
}

/// Finds the changes of a deployment that are blocked.
pub(super) struct BlockFinder<'a> {
    env_state: EnvState<'a>,
    /// The components that git-deploy cannot deploy or remove, in a deployment with others that it
    /// can.
    manual: BTreeSet<ComponentName>,
    /// Whether locks, holds and other runs block components.
    counts_locks: bool,
}

impl<'a> BlockFinder<'a> {
    /// Creates a finder for the changes of a deployment.
    pub fn new<'c>(
        env_state: EnvState<'a>,
        policy: &Policy,
        spec: &DeploymentSpec<'_>,
        changes: impl Iterator<Item = &'c ComponentChange> + Clone,
    ) -> Self {
        let has_command =
            |it: &&ComponentChange| carries_out(policy, &it.target.component, it.is_removal());
        let is_mixed = spec.leaves_out_manual && changes.clone().any(|it| has_command(&it));
        // Files that belong to no component never have a command.
        let is_manual = |it: &&ComponentChange| {
            let name = &it.target.component;
            !has_command(it) && policy.has_component(name) && *name != ComponentName::rest()
        };
        Self {
            env_state,
            manual: changes
                .filter(|it| is_mixed && is_manual(it))
                .map(|change| change.target.component.clone())
                .collect(),
            counts_locks: spec.selection == Selection::UnblockedWithDependents,
        }
    }

    /// Returns the reason why a change is blocked, if it is.
    pub fn find_reason(&self, change: &ComponentChange) -> Option<BlockReason> {
        let (component, env_state) = (&change.target.component, self.env_state);
        if self.manual.contains(component) {
            return Some(BlockReason::NoCommand(find_command_key(change)));
        }
        if !self.counts_locks {
            return None;
        }
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
}

/// Returns the policy key of the command that makes a change.
pub fn find_command_key(change: &ComponentChange) -> &'static str {
    if change.is_removal() {
        "destroy"
    } else {
        "apply"
    }
}

/// Removes the blocked components, so that a lock stops only the locked components. If all components
/// are blocked, keeps them: it is then reported why none can be deployed.
pub(super) fn remove_blocked(
    blocks: &BlockFinder<'_>,
    components: Vec<ComponentChange>,
) -> Vec<ComponentChange> {
    let (unblocked, blocked): (Vec<ComponentChange>, Vec<ComponentChange>) = components
        .into_iter()
        .partition(|change| blocks.find_reason(change).is_none());
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
    blocks: &BlockFinder<'_>,
    policy: &Policy,
    components: &[ComponentChange],
) -> BTreeMap<ComponentName, DependencyBlock> {
    let env_state = blocks.env_state;
    let changes = || components.iter().filter(|change| !change.is_removal());
    let is_not_current = |change: &&ComponentChange| {
        let component = &change.target.component;
        env_state.content(component) != change.target.content
            || env_state.unknown_since(component).is_some()
    };
    let blocked: BTreeMap<&ComponentName, BlockReason> = changes()
        .filter(is_not_current)
        .filter_map(|change| {
            let reason = blocks.find_reason(change)?;
            Some((&change.target.component, reason))
        })
        .collect();
    let find_cause = |change: &ComponentChange| {
        let component = &change.target.component;
        if blocks.find_reason(change).is_some() {
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
