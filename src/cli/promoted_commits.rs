//! Finds what `git deploy promote` deploys: the commits that the previous environments run.

use std::collections::{BTreeMap, BTreeSet};

use super::args::deployment::DeploymentArgs;
use super::read_context::{EnvironmentSnapshot, read_environment};
use super::workspace::Workspace;
use super::{CliError, ErrorContext as _, ErrorKind, deployment_request};
use crate::domain::command_line::component_options;
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::{Environment, PromotionMatch};

/// Returns the commit at which each component is promoted: the one that the previous environments run.
/// If components are named, returns only theirs. With `--destroy`, also returns the commit at which the
/// previous environments removed a component that the environment still runs.
pub fn find_promoted_commits(
    workspace: &Workspace,
    rules: &Environment,
    request: &DeploymentArgs,
) -> Result<BTreeMap<ComponentName, CommitId>, CliError> {
    let named_components: BTreeSet<ComponentName> = request.components.iter().cloned().collect();
    let name = &rules.name;
    let mut sources = Vec::new();
    for source in &rules.promote_from {
        let commits = workspace.find_running(source.as_str())?;
        sources.push(SourceEnvironment {
            name: source,
            commits: commits.unwrap_or_default(),
        });
    }
    let Some(first) = sources.first() else {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("{name} has no promote_from in the policy, so nothing can be promoted to it"),
        )
        .hint(format!("git deploy run {name} REV")));
    };
    let status = format!("git deploy status {}", first.name);
    let components: BTreeSet<ComponentName> = if named_components.is_empty() {
        let running = sources.iter().flat_map(|source| source.commits.keys());
        running.cloned().collect()
    } else {
        named_components.clone()
    };
    let mut chosen = if request.destroy {
        find_removals(workspace, rules, &named_components)?
    } else {
        BTreeMap::new()
    };
    let is_removed: BTreeSet<ComponentName> = chosen.keys().cloned().collect();
    let mut differing = Vec::new();
    for component in components.difference(&is_removed).cloned() {
        let lacks_component =
            |source: &&SourceEnvironment<'_>| !source.commits.contains_key(&component);
        if let Some(source) = sources.iter().find(lacks_component)
            && (named_components.contains(&component) || sources.len() > 1)
        {
            deployment_request::require_component(&workspace.policy, &component)?;
            differing.push(format!("{component} does not run in {}", source.name));
            continue;
        }
        match find_common_commit(workspace, rules, &component, &sources)? {
            Some(commit) => drop(chosen.insert(component, commit)),
            None => differing.push(describe_difference(&component, &sources)),
        }
    }
    if differing.is_empty() {
        return Ok(chosen);
    }
    let error = CliError::new(ErrorKind::Usage, differing.join("; "));
    if chosen.is_empty() || !named_components.is_empty() {
        return Err(error.hint(status));
    }
    let components = component_options(chosen.keys());
    Err(error.hint(format!("git deploy promote {name}{components}")))
}

/// The components that a previous environment runs.
struct SourceEnvironment<'a> {
    name: &'a EnvName,
    /// The commit of each running component.
    commits: BTreeMap<ComponentName, CommitId>,
}

/// Returns the components that an environment runs and that all previous environments have removed,
/// each with the commit at which it was removed. If components are named, returns only those.
fn find_removals(
    workspace: &Workspace,
    rules: &Environment,
    named: &BTreeSet<ComponentName>,
) -> Result<BTreeMap<ComponentName, CommitId>, CliError> {
    let target = read_environment(workspace, rules.name.as_str())?;
    let sources = rules.promote_from.iter();
    let sources: Vec<EnvironmentSnapshot<'_>> = sources
        .map(|source| read_environment(workspace, source.as_str()))
        .collect::<Result<_, _>>()?;
    let running = target.state().components().into_keys();
    let wanted = running.filter(|component| named.is_empty() || named.contains(*component));
    let find_removal = |component: &ComponentName| {
        let removals = sources.iter().map(|it| it.state().removed_at(component));
        let removals: Option<Vec<CommitId>> = removals.collect();
        Some((component.clone(), *removals?.first()?))
    };
    Ok(wanted.filter_map(find_removal).collect())
}

/// Returns the commit of a component that all source environments run. If the policy compares
/// contents, the environments may run different commits with the same content, and the function
/// returns one of these. Returns `None` if the environments differ.
fn find_common_commit(
    workspace: &Workspace,
    rules: &Environment,
    component: &ComponentName,
    sources: &[SourceEnvironment<'_>],
) -> Result<Option<CommitId>, CliError> {
    let commits: BTreeSet<CommitId> = sources
        .iter()
        .filter_map(|source| source.commits.get(component).copied())
        .collect();
    let compares_content =
        workspace.policy.promotion_match(rules, component) == PromotionMatch::Content;
    if commits.len() > 1 && compares_content {
        let gatherer = workspace.gatherer();
        let mut contents = BTreeSet::new();
        for commit in &commits {
            let content = gatherer.content(&workspace.policy, *commit, component);
            contents.insert(content.context(
                ErrorKind::CannotTell,
                format!("cannot compute the content of {component}"),
            )?);
        }
        return Ok(commits.first().copied().filter(|_| contents.len() == 1));
    }
    Ok(commits.first().copied().filter(|_| commits.len() == 1))
}

/// Describes which commit of a component each environment runs: `api is not the same: e2e runs 1234,
/// perf runs 5678`.
fn describe_difference(component: &ComponentName, sources: &[SourceEnvironment<'_>]) -> String {
    let runs: Vec<String> = sources
        .iter()
        .filter_map(|source| {
            let commit = source.commits.get(component)?;
            Some(format!("{} runs {}", source.name, commit.short()))
        })
        .collect();
    format!("{component} is not the same: {}", runs.join(", "))
}
