//! Works out what a deployment of a commit consists of: which components change, and their versions
//! and artifacts.
//!
//! The result is computed for every attempt, from the state that the new entry will follow. The
//! server computes it again and compares.

mod deployment_spec;
mod left_out;
mod selection;
mod versions;

pub use deployment_spec::{BuildError, Commits, DeploymentSpec, Selection};
use left_out::find_skipped;
pub use left_out::{LeftOut, list_left_out};
use selection::{build_change, include_dependents, make_change, remove_blocked};
use versions::{add_version_and_artifacts, gather_facts};
pub(super) use versions::{build_statement, find_artifacts};

use crate::domain::entry::{ComponentChange, Deployment};
use crate::domain::name::ComponentName;
use crate::domain::policy::{DeployOn, Policy};
use crate::domain::state::{EnvState, Scope};
use crate::ledger::writer::LedgerSnapshot;

/// Works out the components of a deployment. The caller adds descriptions and other texts.
pub fn build_deployment(
    ledgers: &LedgerSnapshot<'_>,
    policy: &Policy,
    spec: &DeploymentSpec<'_>,
) -> Result<Deployment, BuildError> {
    let scope = match &spec.selection {
        // An environment pattern's ledger is read whole, because its environments are small.
        Selection::Named(names) if !spec.rules.is_pattern() && !spec.destroy => {
            Scope::Components(names.clone())
        }
        _ => Scope::All,
    };
    let state = ledgers.load_state(spec.env.ledger(), &scope)?;
    let components = select_components(ledgers, policy, spec, spec.env.state_in(&state))?;
    let mut deployment = Deployment::new(spec.kind, components);
    let facts = gather_facts(ledgers, policy, spec, &deployment, &state);
    // The settings `up_to_date` and `deploy_on = "merge"` compare the commit with the branch's tip.
    // An audit knows only the tip that the entry records.
    if spec.rules.branch.is_some()
        && (spec.rules.up_to_date || spec.rules.deploy_on == DeployOn::Merge)
    {
        deployment.branch_tip = match &facts.branch_tip {
            Some(Ok(tip)) => *tip,
            Some(Err(why)) => return Err(BuildError::MissingFact(why.clone())),
            None => None,
        };
    }
    for change in deployment
        .components
        .iter_mut()
        .filter(|change| !change.is_removal())
    {
        add_version_and_artifacts(&mut change.target, spec, &facts)?;
    }
    Ok(deployment)
}

/// Returns what happens to each component that the deployment includes. The list is empty if every
/// component of the commit already runs.
fn select_components(
    ledgers: &LedgerSnapshot<'_>,
    policy: &Policy,
    spec: &DeploymentSpec<'_>,
    env_state: EnvState<'_>,
) -> Result<Vec<ComponentChange>, BuildError> {
    let in_policy = policy.component_names();
    let mut all = in_policy.clone();
    if spec.destroy {
        // A running component that left the policy is absent from every commit, so it is destroyed
        // together with those that the commit no longer has.
        all.extend(env_state.components().into_keys().cloned());
    }
    if let Selection::Named(wanted) = &spec.selection
        && let Some(unknown) = wanted.iter().find(|name| !all.contains(*name))
    {
        return Err(BuildError::UnknownComponent(unknown.clone()));
    }
    let (mut components, mut is_any_in_commit) = (Vec::new(), false);
    let mut unchanged = Vec::new();
    for component in &all {
        let is_left_out =
            matches!(&spec.selection, Selection::Named(wanted) if !wanted.contains(component));
        let Some(commit) = spec.commits.get(component).filter(|_| !is_left_out) else {
            continue;
        };
        let content = if in_policy.contains(component) {
            let content = ledgers.gatherer.content(policy, commit, component);
            content.map_err(|error| BuildError::MissingFact(error.to_string()))?
        } else {
            None
        };
        is_any_in_commit |= content.is_some();
        match build_change(env_state, spec, component, commit, content)? {
            Some(change) => components.push(change),
            None if content.is_some() => {
                unchanged.push(make_change(env_state, component, commit, content));
            }
            None => {}
        }
    }
    if matches!(
        spec.selection,
        Selection::Unblocked | Selection::WithDependents
    ) {
        include_dependents(env_state, policy, &mut components, unchanged);
    }
    if spec.selection == Selection::Unblocked {
        let skipped = find_skipped(env_state, policy, &components);
        components.retain(|change| !skipped.contains_key(&change.target.component));
    }
    let components = remove_blocked(env_state, &spec.selection, components);
    if components.is_empty() && !is_any_in_commit {
        let commit = match &spec.commits {
            Commits::One(commit) => commit.short(),
            Commits::Each(_) => "the commits".to_owned(),
        };
        return Err(BuildError::NoComponents(commit));
    }
    Ok(components)
}

/// Lists the running components that the commit no longer has. The list is empty if the deployment
/// destroys them.
pub fn list_removed_components(
    ledgers: &LedgerSnapshot<'_>,
    policy: &Policy,
    spec: &DeploymentSpec<'_>,
) -> Result<Vec<ComponentName>, BuildError> {
    let state = ledgers.load_state(spec.env.ledger(), &Scope::All)?;
    let in_policy = policy.component_names();
    let mut removed = Vec::new();
    for component in spec
        .env
        .state_in(&state)
        .components()
        .into_keys()
        .filter(|_| !spec.destroy)
    {
        let Some(commit) = spec.commits.get(component) else {
            continue;
        };
        let content = in_policy
            .contains(component)
            .then(|| ledgers.gatherer.content(policy, commit, component));
        let content = content
            .transpose()
            .map_err(|error| BuildError::MissingFact(error.to_string()))?;
        if content.flatten().is_none() {
            removed.push(component.clone());
        }
    }
    Ok(removed)
}
