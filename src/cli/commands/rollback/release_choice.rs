//! Chooses the commit that each component goes back to.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::read_context::EnvironmentSnapshot;
use crate::cli::rollback_targets::{self, GoodRelease, Rejection};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::command_line::component_options;
use crate::domain::deploy_command::DeployCommand;
use crate::domain::history::RunPeriod;
use crate::domain::id::{CommitId, Content, Digest};
use crate::domain::name::ComponentName;
use crate::domain::state::EnvState;
use crate::run::build_deployment::Commits;

/// Returns the newest good release of each component that had an artifact.
pub(super) fn find_releases_with(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    named_components: &BTreeSet<ComponentName>,
    digest: &Digest,
) -> Result<BTreeMap<ComponentName, CommitId>, CliError> {
    let components = if named_components.is_empty() {
        rollback_targets::find_attempted(workspace, snapshot)
    } else {
        named_components.clone()
    };
    let has_artifact = |_: &ComponentName, release: &GoodRelease| {
        let mut images = release.target.artifacts.iter();
        images.any(|image| image.digest == *digest)
    };
    let releases = rollback_targets::find_newest(workspace, snapshot, &components, &has_artifact)?;
    if releases.is_empty() {
        let message = format!(
            "no good release in {} had the artifact {}",
            snapshot.name(),
            digest.short()
        );
        return Err(CliError::new(ErrorKind::Denied, message)
            .hint(format!("git deploy rollback {} --list", snapshot.name())));
    }
    Ok(releases
        .into_iter()
        .map(|(component, release)| (component, release.target.commit))
        .collect())
}

/// Returns the commit that each component goes back to for `--to REV`: REV, or the commit of a good
/// release with the same content if the component never ran REV itself, for example because REV is a
/// squash of the commits that ran.
pub(super) fn find_commits_with_content(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    named: &BTreeSet<ComponentName>,
    commit: CommitId,
) -> Result<Commits, CliError> {
    let components = if named.is_empty() {
        workspace.policy.component_names()
    } else {
        named.clone()
    };
    let gatherer = workspace.gatherer();
    let mut contents = BTreeMap::new();
    for component in &components {
        let content = gatherer.content(&workspace.policy, commit, component);
        let content = content.context(
            ErrorKind::CannotTell,
            "cannot read the contents of the commit",
        )?;
        contents.extend(content.map(|content| (component.clone(), content)));
    }
    let is_of_commit = |_: &ComponentName, release: &GoodRelease| release.target.commit == commit;
    let exact = rollback_targets::find_newest(workspace, snapshot, &components, &is_of_commit)?;
    let has_content = |component: &ComponentName, release: &GoodRelease| {
        contents.get(component) == Some(&release.content)
    };
    let missing: BTreeSet<ComponentName> = components
        .iter()
        .filter(|component| !exact.contains_key(*component))
        .cloned()
        .collect();
    let equal = rollback_targets::find_newest(workspace, snapshot, &missing, &has_content)?;
    if equal.is_empty() {
        return Ok(Commits::One(commit));
    }
    let commit_of = |component: ComponentName| {
        let release = equal.get(&component);
        let commit = release.map_or(commit, |release| release.target.commit);
        (component, commit)
    };
    Ok(Commits::Each(
        components.into_iter().map(commit_of).collect(),
    ))
}

/// Returns the commit that each component goes back to. Without named components, chooses those of
/// `find_default_components`.
///
/// # Errors
///
/// Fails if a component has no earlier good release, or if nothing was deployed yet.
pub(super) fn find_rollback_commits(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    named_components: &BTreeSet<ComponentName>,
) -> Result<BTreeMap<ComponentName, CommitId>, CliError> {
    let components = if named_components.is_empty() {
        find_default_components(snapshot)
    } else {
        named_components.clone()
    };
    if components.is_empty() {
        let failed = find_without_release(snapshot);
        if !failed.is_empty() {
            let none = BTreeMap::new();
            return Err(explain_no_release(workspace, snapshot, &failed, &none)?);
        }
        let name = snapshot.name();
        let command = DeployCommand::new(&workspace.policy, name);
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("nothing has been deployed to {name} yet"),
        )
        .hint(command.to_string()));
    }
    let is_candidate = |component: &ComponentName, release: &GoodRelease| {
        differs_from_running(snapshot, component, Some(release.content))
    };
    let releases = rollback_targets::find_newest(workspace, snapshot, &components, &is_candidate)?;
    let stuck: Vec<&ComponentName> = components
        .iter()
        .filter(|it| !releases.contains_key(*it))
        .collect();
    if !stuck.is_empty() {
        return Err(explain_no_release(workspace, snapshot, &stuck, &releases)?);
    }
    Ok(releases
        .into_iter()
        .map(|(component, release)| (component, release.target.commit))
        .collect())
}

/// Returns the error for components that cannot be rolled back. It lists the running commits, and why
/// the earlier releases are not good. Its hints roll back the `releases` of the other components, and
/// deploy or release these.
fn explain_no_release(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    stuck: &[&ComponentName],
    releases: &BTreeMap<ComponentName, GoodRelease>,
) -> Result<CliError, CliError> {
    let (name, state, policy) = (snapshot.name(), snapshot.state(), &workspace.policy);
    let mut reasons = Vec::new();
    let mut lifts = BTreeSet::new();
    for component in stuck {
        let differs =
            |period: &RunPeriod<'_>| differs_from_running(snapshot, component, period.content);
        let rejected = rollback_targets::find_rejected(workspace, snapshot, component, &differs)?;
        reasons.push(describe_present(state, component));
        reasons.extend(
            rejected
                .iter()
                .map(|it| format!("{} is {}", it.commit.short(), it.reason)),
        );
        let held = rejected.iter().find(|it| it.reason == Rejection::OnHold);
        lifts.extend(held.map(|it| it.commit));
    }
    let names: Vec<&str> = stuck.iter().map(|it| it.as_str()).collect();
    let (names, has) = match names.len() {
        1 => (names.join(", "), "it has"),
        _ => (names.join(", "), "they have"),
    };
    let message = format!("{names} cannot be rolled back in {name}: {has} no earlier good release");
    let mut error = CliError::new(ErrorKind::Denied, message).because(reasons.join("\n"));
    if !releases.is_empty() {
        let others = component_options(releases.keys());
        error = error.ask("the others", format!("git deploy rollback {name}{others}"));
    }
    for commit in lifts {
        let unlock = format!("git deploy unlock {name} --commit {}", commit.short());
        error = error.ask("if it was good after all", unlock);
    }
    let forward = DeployCommand::new(policy, name)
        .any_commit()
        .only(stuck.iter().copied())
        .deployed_in(state);
    Ok(error.ask("with a fixed commit", forward.to_string()))
}

/// Returns the components whose first deployment failed, so that nothing ran before it.
pub(super) fn find_without_release<'s>(
    snapshot: &'s EnvironmentSnapshot<'_>,
) -> Vec<&'s ComponentName> {
    let state = snapshot.state();
    let present = state.present_commits().into_keys();
    present
        .filter(|name| state.commit(name).is_none())
        .collect()
}

/// Describes what an environment has of a component that cannot be rolled back.
fn describe_present(state: EnvState<'_>, component: &ComponentName) -> String {
    let attempt = state.unknown_since(component).map(|it| &it.statement);
    let tried = attempt.and_then(|it| Some((it, it.commit_of(component)?)));
    match (tried, state.commit(component)) {
        (Some((attempt, commit)), _) => {
            let verb = if attempt.was_cancelled(component) {
                "was cancelled"
            } else {
                "has not succeeded"
            };
            let commit = commit.short();
            format!("{component}: the deployment of {commit} {verb}, so what runs is unknown")
        }
        (None, Some(commit)) => format!("{component}: it runs {}", commit.short()),
        (None, None) => format!("{component}: it runs nothing"),
    }
}

/// Returns whether a release differs from the running one. Returns `true` for every release if the
/// running one is unknown.
pub(super) fn differs_from_running(
    snapshot: &EnvironmentSnapshot<'_>,
    component: &ComponentName,
    content: Option<Content>,
) -> bool {
    let state = snapshot.state();
    state.unknown_since(component).is_some() || state.content(component) != content
}

/// Returns the components whose running version is unknown. If there are none, returns those that
/// the newest deployment changed.
fn find_default_components(snapshot: &EnvironmentSnapshot<'_>) -> BTreeSet<ComponentName> {
    let state = snapshot.state();
    let sequence =
        |name: &ComponentName| state.live_entry(name).map(|entry| entry.statement.sequence);
    let running: Vec<&ComponentName> = state.components().into_keys().collect();
    let unknown: BTreeSet<ComponentName> = running
        .iter()
        .filter(|name| state.unknown_since(name).is_some())
        .map(|name| (*name).clone())
        .collect();
    if !unknown.is_empty() {
        return unknown;
    }
    let newest = running.iter().filter_map(|name| sequence(name)).max();
    running
        .into_iter()
        .filter(|name| sequence(name) == newest)
        .cloned()
        .collect()
}
