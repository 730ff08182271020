//! Builds the changes of single components, and adds the components that depend on a changed one.

use std::collections::BTreeSet;

use super::deployment_spec::{DeploymentSpec, Selection, SelectionError};
use crate::domain::entry::{ComponentChange, Target};
use crate::domain::id::{CommitId, Content};
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::state::EnvState;

/// Returns the change of one component, or `None` if the deployment does not include the component:
/// it already runs, or it is in neither the environment nor the commit.
pub(super) fn select_change(
    env_state: EnvState<'_>,
    spec: &DeploymentSpec<'_>,
    component: &ComponentName,
    commit: CommitId,
    content: Option<Content>,
) -> Result<Option<ComponentChange>, SelectionError> {
    let is_named = matches!(spec.selection, Selection::Named(_));
    let is_included = match content {
        None if spec.destroy && env_state.commit(component).is_some() => true,
        None if is_named => {
            return Err(SelectionError::NotInCommit {
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
    Ok(is_included.then(|| build_change(env_state, component, commit, content)))
}

/// Builds the change of a component to a commit, without a version, artifacts or a plan.
pub(super) fn build_change(
    env_state: EnvState<'_>,
    component: &ComponentName,
    commit: CommitId,
    content: Option<Content>,
) -> ComponentChange {
    let target = Target::new(component.clone(), commit, content);
    ComponentChange::new(target, env_state.commit(component))
}

/// Adds unchanged components that depend on a component that changes, or that was deployed after
/// them: its outputs can change their plans, although their own files are the same. Only components
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
        let changed_or_newer = |dependency: &ComponentName| {
            changed.contains(dependency) || live_sequence(dependency) > live_sequence(name)
        };
        policy
            .component(name)
            .is_some_and(|component| component.depends_on.iter().any(changed_or_newer))
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
    let has_plan = |name: &ComponentName| {
        policy
            .component(name)
            .is_some_and(|component| component.plan.is_some())
    };
    components.extend(unchanged.into_iter().filter(|change| {
        let component = &change.target.component;
        changed.contains(component) && has_plan(component)
    }));
    components.sort_by(|one, other| one.target.component.cmp(&other.target.component));
}
