//! Selects the components of a deployment from those of the environment and the commit.

use std::collections::BTreeSet;

use super::blocked_components::{BlockFinder, find_blocked_dependents, remove_blocked};
use super::component_changes::{build_change, include_dependents, select_change};
use super::deployment_spec::{Commits, DeploymentSpec, Selection, SelectionError};
use crate::domain::entry::{ComponentChange, DeploymentKind};
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::state::EnvState;
use crate::ledger::writer::LedgerSnapshot;

/// Returns the change of each component that the deployment includes. The list is empty if every
/// component of the commit already runs.
pub(super) fn select_components(
    snapshot: &LedgerSnapshot<'_>,
    policy: &Policy,
    spec: &DeploymentSpec<'_>,
    env_state: EnvState<'_>,
) -> Result<Vec<ComponentChange>, SelectionError> {
    let in_policy = policy.component_names();
    let mut candidates = in_policy.clone();
    if spec.destroy {
        // A running component that left the policy is absent from every commit, so it is destroyed
        // together with those that the commit no longer has.
        candidates.extend(env_state.components().into_keys().cloned());
    }
    require_candidates(spec, env_state, &candidates)?;
    let (mut components, mut commit_has_component) = (Vec::new(), false);
    let mut unchanged = Vec::new();
    for component in &candidates {
        let is_deselected =
            matches!(&spec.selection, Selection::Named(named) if !named.contains(component));
        let Some(commit) = spec.commits.get(component).filter(|_| !is_deselected) else {
            continue;
        };
        let content = if in_policy.contains(component) {
            let content = snapshot.gatherer.content(policy, commit, component);
            content.map_err(|error| SelectionError::MissingFact(error.to_string()))?
        } else {
            None
        };
        commit_has_component |= content.is_some();
        match select_change(env_state, spec, component, commit, content)? {
            Some(change) => components.push(change),
            None if content.is_some() => {
                unchanged.push(build_change(env_state, component, commit, content));
            }
            None => {}
        }
    }
    require_removal(spec, &components)?;
    if matches!(
        spec.selection,
        Selection::UnblockedWithDependents | Selection::ChangedWithDependents
    ) {
        include_dependents(env_state, policy, &mut components, unchanged);
    }
    let blocks = BlockFinder::new(env_state, policy, spec, components.iter());
    // A rollback goes against the order of dependencies, so it waits for none.
    if spec.kind != DeploymentKind::Rollback {
        let skipped = find_blocked_dependents(&blocks, policy, &components);
        components.retain(|change| !skipped.contains_key(&change.target.component));
    }
    let mut components = remove_blocked(&blocks, components);
    add_replaced(env_state, policy, &mut components);
    if components.is_empty() && !commit_has_component {
        return Err(SelectionError::NoComponents(name_commits(&spec.commits)));
    }
    Ok(components)
}

/// Fails if named components are to be destroyed, and all of them would be deployed instead. In an
/// ephemeral environment, the removal of the whole environment can be meant.
fn require_removal(
    spec: &DeploymentSpec<'_>,
    components: &[ComponentChange],
) -> Result<(), SelectionError> {
    let is_asked_for =
        spec.destroy && matches!(spec.selection, Selection::Named(_)) && !spec.rules.is_pattern();
    match components {
        [first, ..] if is_asked_for && !components.iter().any(ComponentChange::is_removal) => {
            Err(SelectionError::NothingToDestroy {
                components: components
                    .iter()
                    .map(|change| change.target.component.clone())
                    .collect(),
                commit: first.target.commit,
            })
        }
        _ => Ok(()),
    }
}

/// Fails if a component that the selection names is not among the candidates.
fn require_candidates(
    spec: &DeploymentSpec<'_>,
    env_state: EnvState<'_>,
    candidates: &BTreeSet<ComponentName>,
) -> Result<(), SelectionError> {
    if let Selection::Named(named) = &spec.selection
        && let Some(unknown) = named.iter().find(|name| !candidates.contains(*name))
    {
        return Err(match env_state.present_commit(unknown) {
            Some(_) => SelectionError::Undeclared {
                component: unknown.clone(),
                environment: spec.env.name().clone(),
            },
            None => SelectionError::UnknownComponent(unknown.clone()),
        });
    }
    Ok(())
}

/// Adds the removal of each component that still runs under an old name of a deployed one.
fn add_replaced(env_state: EnvState<'_>, policy: &Policy, components: &mut Vec<ComponentChange>) {
    let list_replaced = |change: &ComponentChange| {
        let target = &change.target;
        let old_names = policy.former_names(&target.component).iter();
        let is_replaced = |old: &&ComponentName| {
            let is_included = components.iter().any(|it| it.target.component == **old);
            !is_included && env_state.present_commit(old).is_some()
        };
        let removals = old_names.filter(is_replaced).map(|old| ComponentChange {
            renamed_to: Some(target.component.clone()),
            ..build_change(env_state, old, target.commit, None)
        });
        removals.collect::<Vec<_>>()
    };
    let deployed = components.iter().filter(|change| !change.is_removal());
    let replaced: Vec<ComponentChange> = deployed.flat_map(list_replaced).collect();
    components.extend(replaced);
    components.sort_by(|one, other| one.target.component.cmp(&other.target.component));
}

/// Names the commits of a deployment for an error.
fn name_commits(commits: &Commits) -> String {
    match commits {
        Commits::One(commit) => commit.short(),
        Commits::Each(_) => "the commits".to_owned(),
    }
}
