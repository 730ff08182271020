//! Records of components that git-deploy deploys itself: each must state that it is external.
//!
//! Without that word, a person who follows a habit would record a deployment that nobody has made.

use std::collections::BTreeSet;

use crate::domain::count::choose;
use crate::domain::deploy_command::{DeployCommand, carries_out};
use crate::domain::entry::{ComponentChange, Deployment, DeploymentKind};
use crate::domain::id::CommitId;
use crate::domain::policy::Policy;
use crate::domain::rules::findings::join_names;
use crate::domain::verdict::{Check, Rule};

/// Returns the refusal of a recorded deployment that is not marked as external, if the policy has
/// the commands for one of its components.
pub fn refuse_unmarked_record(
    policy: &Policy,
    environment: &str,
    deployment: &Deployment,
) -> Option<Check> {
    // The removal of a former name has no command: the component goes on under its new name.
    let is_carried_out = |it: &&ComponentChange| {
        it.renamed_to.is_none() && carries_out(policy, &it.target.component, it.is_removal())
    };
    let changes: Vec<&ComponentChange> = deployment.changed().filter(is_carried_out).collect();
    if deployment.external || changes.is_empty() {
        return None;
    }
    let are_removals = changes.iter().all(|it| it.is_removal());
    let names = || changes.iter().map(|it| &it.target.component);
    let (command, act, verb) = if are_removals {
        ("destroy", "removes", "removed")
    } else {
        ("apply", "deploys", "deployed")
    };
    let past = choose(changes.len(), "it was", "they were");
    let why = format!(
        "git-deploy {act} {} itself (`{command}` in deploy.toml): add --external if {past} {verb} by hand",
        join_names(names()),
    );
    let commits: BTreeSet<CommitId> = changes.iter().map(|it| it.target.commit).collect();
    let kind = if are_removals {
        DeploymentKind::Destroy
    } else {
        deployment.kind
    };
    let run = DeployCommand::new(policy, environment)
        .kind(kind)
        .only(names());
    let run = match commits.first() {
        Some(commit) if commits.len() == 1 => run.commit(*commit),
        _ => run,
    };
    Some(Check::fail(Rule::Content, why).remedy(run.to_string()))
}
