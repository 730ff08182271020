//! Computes what an approval is for: a deployment, a removal or a command.

use std::collections::{BTreeMap, BTreeSet};

use super::Args;
use crate::cli::args::command_line::format_command;
use crate::cli::deploy_runner::build_destruction;
use crate::cli::deployment_request::{DeploymentRequest, build_requested, select_to_change};
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::command_line::component_options;
use crate::domain::entry::{ComponentChange, Deployment, DeploymentKind};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::state::{EnvState, Scope};
use crate::ledger::writer::LedgerSnapshot;

/// Computes the deployment, removal or command to approve. All its components are at one commit.
/// `named_commit` is the commit on the command line, and `head` returns the checked-out one.
///
/// # Errors
///
/// Fails if there is nothing to approve.
pub(super) fn build_approved_deployment(
    args: &Args,
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    named_commit: Option<CommitId>,
    head: &dyn Fn() -> Result<CommitId, CliError>,
) -> Result<Deployment, CliError> {
    let commit = || named_commit.map_or_else(head, Ok);
    if !args.exec.is_empty() {
        return build_exec(args, env, snapshot, named_commit);
    }
    if !args.destroy {
        let deployment = build_deployment_of(args, env, snapshot, commit()?)?;
        return require_change(deployment, env, commit()?);
    }
    // With `--destroy`, approve the removal of components that the commit no longer has. If there
    // are none and the environment is ephemeral, approve the removal of the environment.
    if named_commit.is_some() || env.member().is_none() {
        let commit = commit()?;
        let mut deployment = build_deployment_of(args, env, snapshot, commit)?;
        deployment.components.retain(ComponentChange::is_removal);
        if env.member().is_none() || !deployment.components.is_empty() {
            return require_change(deployment, env, commit);
        }
    }
    build_environment_removal(args, env, snapshot, named_commit)
}

/// Computes the deployment of a commit.
fn build_deployment_of(
    args: &Args,
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    commit: CommitId,
) -> Result<Deployment, CliError> {
    let request = DeploymentRequest {
        commit,
        selection: select_to_change(&args.components),
        kind: DeploymentKind::Deploy,
        destroy: args.destroy,
        versions: &BTreeMap::new(),
    };
    build_requested(env, snapshot, &request)
}

/// Fails if a deployment changes nothing.
fn require_change(
    deployment: Deployment,
    env: &EnvRef,
    commit: CommitId,
) -> Result<Deployment, CliError> {
    if deployment.changed().next().is_some() {
        return Ok(deployment);
    }
    let message = format!(
        "{} would change nothing in {}: there is nothing to approve",
        commit.short(),
        env.name()
    );
    Err(CliError::new(ErrorKind::Usage, message).hint("repeat the command with --component NAME"))
}

/// Computes the destruction of an ephemeral environment. If components or a commit are named, includes
/// only those components, and only if they are at that commit.
fn build_environment_removal(
    args: &Args,
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    named_commit: Option<CommitId>,
) -> Result<Deployment, CliError> {
    let name = env.name();
    let destruction = build_destruction(env, snapshot, &|_| Ok(()))?;
    let mut deployment = destruction.ok_or_else(|| {
        let message = format!("{name} does not exist: there is nothing to approve");
        CliError::new(ErrorKind::Usage, message)
    })?;
    deployment.components.retain(|change| {
        let component = &change.target.component;
        (args.components.is_empty() || args.components.contains(component))
            && named_commit.is_none_or(|commit| change.target.commit == commit)
    });
    let commits: BTreeSet<CommitId> = deployment.targets().map(|it| it.commit).collect();
    if commits.len() == 1 {
        return Ok(deployment);
    }
    let error = CliError::new(
        ErrorKind::Usage,
        if commits.is_empty() {
            format!("none of these components is in {name} at this commit")
        } else {
            format!("the components of {name} are at several commits: approve one after the other")
        },
    );
    Err(commits.into_iter().fold(error, |error, commit| {
        let at_commit = deployment.targets().filter(|it| it.commit == commit);
        let components = component_options(at_commit.map(|it| &it.component));
        error.hint(format!(
            "git deploy approve {name} {}{components} --destroy",
            commit.short()
        ))
    }))
}

/// Computes the deployment of kind `exec` that runs a command in the running commit of a component.
fn build_exec(
    args: &Args,
    env: &EnvRef,
    snapshot: &LedgerSnapshot<'_>,
    named_commit: Option<CommitId>,
) -> Result<Deployment, CliError> {
    let name = env.name();
    // A `--` between the option and the command is not part of the command.
    let has_dashes = args.exec.first().is_some_and(|word| word == "--");
    let command = format_command(args.exec.get(usize::from(has_dashes)..).unwrap_or_default())?;
    let state = snapshot
        .load_state(env.ledger(), &Scope::All)
        .context(ErrorKind::CannotTell, "cannot read the ledger")?;
    let env_state = env.state_in(&state);
    let component = &find_exec_component(args, env, env_state)?;
    let (Some(commit), content) = (env_state.commit(component), env_state.content(component))
    else {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("{component} does not run in {name}"),
        ));
    };
    if let Some(named_commit) = named_commit.filter(|it| *it != commit) {
        let (named_commit, commit) = (named_commit.short(), commit.short());
        let message = format!(
            "{component} runs {commit} in {name}, not {named_commit}: a command runs in the running commit"
        );
        return Err(CliError::new(ErrorKind::Usage, message).hint(format!(
            "git deploy approve {name} {commit} --component {component} --exec -- {command}"
        )));
    }
    Ok(Deployment::new_exec(
        component.clone(),
        commit,
        content,
        command,
    ))
}

/// Finds the component in whose running commit the command runs: the named one, or the only one that
/// runs in the environment.
///
/// # Errors
///
/// Fails if there is no such component, or more than one.
fn find_exec_component(
    args: &Args,
    env: &EnvRef,
    env_state: EnvState<'_>,
) -> Result<ComponentName, CliError> {
    let running: Vec<&ComponentName> = env_state
        .components()
        .into_keys()
        .filter(|it| args.components.is_empty() || args.components.contains(it))
        .filter(|it| **it != ComponentName::rest() || !args.components.is_empty())
        .collect();
    if let [component] = running[..] {
        return Ok(component.clone());
    }
    let name = env.name();
    let message = format!("name one component that runs in {name}");
    Err(CliError::new(ErrorKind::Usage, message).hint(format!("git deploy status {name}")))
}
