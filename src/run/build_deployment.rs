//! Works out what a deployment of a commit consists of: which components change, and their versions
//! and artifacts.
//!
//! The result is computed for every attempt, from the state that the new entry will follow. The
//! server computes it again and compares.

mod blocked_components;
mod component_changes;
mod component_selection;
mod deployment_spec;
mod left_out;
mod versions;

pub use blocked_components::{BlockReason, find_command_key};
use component_selection::select_components;
pub use deployment_spec::{Commits, DeploymentSpec, Selection, SelectionError};
pub use left_out::{LeftOut, list_left_out};
use versions::{add_version_and_artifacts, gather_facts};
pub(super) use versions::{build_statement, find_artifacts};

use crate::domain::entry::Deployment;
use crate::domain::name::ComponentName;
use crate::domain::policy::{DeployOn, Policy};
use crate::domain::state::Scope;
use crate::ledger::writer::LedgerSnapshot;

/// Works out the components of a deployment. The caller adds descriptions and other texts.
pub fn build_deployment(
    snapshot: &LedgerSnapshot<'_>,
    policy: &Policy,
    spec: &DeploymentSpec<'_>,
) -> Result<Deployment, SelectionError> {
    let scope = match &spec.selection {
        // An environment pattern's ledger is read whole, because its environments are small.
        Selection::Named(names) if !spec.rules.is_pattern() && !spec.destroy => {
            let old_names = names.iter().flat_map(|name| policy.former_names(name));
            Scope::Components(old_names.chain(names).cloned().collect())
        }
        _ => Scope::All,
    };
    let state = snapshot.load_state(spec.env.ledger(), &scope)?;
    let components = select_components(snapshot, policy, spec, spec.env.state_in(&state))?;
    let mut deployment = Deployment::new(spec.kind, components);
    let facts = gather_facts(snapshot, policy, spec, &deployment, &state);
    // The settings `up_to_date` and `deploy_on = "merge"` compare the commit with the branch's tip.
    // An audit knows only the tip that the entry records.
    if spec.rules.branch.is_some()
        && (spec.rules.up_to_date || spec.rules.deploy_on == DeployOn::Merge)
    {
        deployment.branch_tip = match &facts.branch_tip {
            Some(Ok(tip)) => *tip,
            Some(Err(why)) => return Err(SelectionError::MissingFact(why.clone())),
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

/// Lists the running components that the commit has neither under their own name nor under a new
/// one. Returns an empty list if the deployment destroys such components.
pub fn list_removed_components(
    snapshot: &LedgerSnapshot<'_>,
    policy: &Policy,
    spec: &DeploymentSpec<'_>,
) -> Result<Vec<ComponentName>, SelectionError> {
    let state = snapshot.load_state(spec.env.ledger(), &Scope::All)?;
    let in_policy = policy.component_names();
    let mut removed = Vec::new();
    for component in spec
        .env
        .state_in(&state)
        .components()
        .into_keys()
        .filter(|name| !spec.destroy && policy.renamed_to(name).is_none())
    {
        let Some(commit) = spec.commits.get(component) else {
            continue;
        };
        let content = in_policy
            .contains(component)
            .then(|| snapshot.gatherer.content(policy, commit, component));
        let content = content
            .transpose()
            .map_err(|error| SelectionError::MissingFact(error.to_string()))?;
        if content.flatten().is_none() {
            removed.push(component.clone());
        }
    }
    Ok(removed)
}
