//! The branch that a deployment by hand was made from, for the tag that it will get.

use super::workspace::Workspace;
use crate::domain::entry::Deployment;
use crate::domain::env_ref::EnvRef;
use crate::domain::policy::{Environment, Placeholder};

/// States the checked-out branch as the origin of a deployment, if the environment's tags name the
/// branch, no CI job or option has stated one, and the branch contains what is deployed.
pub fn state_branch(workspace: &Workspace, env: &EnvRef, deployment: &mut Deployment) {
    let names_branch = |rules: &Environment| {
        let template = rules.tag.as_ref();
        template.is_some_and(|template| template.contains(Placeholder::Branch))
    };
    let rules = workspace.policy.environment(env.name());
    if deployment.origin.branch.is_some() || !rules.is_some_and(names_branch) {
        return;
    }
    // Without a branch, the tag gets the one of the policy. So nothing fails here.
    let repository = &workspace.repository;
    let (Ok(Some(branch)), Ok(Some(head))) = (
        repository.checked_out_branch(),
        repository.resolve_revision("HEAD"),
    ) else {
        return;
    };
    let contains = |commit| repository.is_ancestor(commit, head).unwrap_or(false);
    let commits: Vec<_> = deployment
        .deployed()
        .map(|change| change.target.commit.0)
        .collect();
    if !commits.is_empty() && commits.into_iter().all(contains) {
        deployment.origin.branch = branch.parse().ok();
    }
}
