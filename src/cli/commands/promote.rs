//! `git deploy promote`: deploys what the previous environments run.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::args::environment::EnvArg;
use crate::cli::args::metadata::MetadataArgs;
use crate::cli::args::run::RunOptions;
use crate::cli::deploy_runner::DeployRunner;
use crate::cli::deployment_request::{self, find_expiry, find_rules};
use crate::cli::left_out_components::LeftOutReport;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::entry;
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::{Environment, PromotionMatch};
use crate::run::build_deployment::{Commits, DeploymentSpec, Selection};

/// Deploy what the previous environment runs
///
/// The previous environment is the policy's `promote_from`. If that is a list, a component is
/// promoted only if all of these environments run the same. Each component is promoted at its own
/// commit. Exit codes are those of `git deploy run`.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Promote everything from stage to prod:
    git deploy promote prod

  Promote one component:
    git deploy promote prod --component api")]
pub struct Args {
    #[command(flatten)]
    environment: EnvArg,
    /// Promote only this component (repeatable). Defaults to those that differ
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    options: RunOptions,
}

/// Deploys what the environment in the policy's `promote_from` runs, each component at its own
/// commit.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open_to_write(ui)?;
    let name = args.environment.find(&workspace, ui)?;
    let (env, rules) = workspace.find_environment(name.as_str())?;
    let named: BTreeSet<ComponentName> = args.components.iter().cloned().collect();
    let commits = find_commits(&workspace, rules, &named)?;
    let selection = if named.is_empty() {
        Selection::UnblockedWithDependents
    } else {
        Selection::Named(named)
    };
    let (person, _) = workspace.find_current_signer()?;
    let runner = DeployRunner::new(ui, &workspace, &env, &args.options)?
        .with_requester(args.metadata.requested_by.as_ref())
        .with_inputs(args.metadata.inputs.read(ui)?);
    let left_out = LeftOutReport::default();
    runner.deploy(&person, &|snapshot| {
        let (policy, rules) = find_rules(&env, snapshot)?;
        let spec = DeploymentSpec {
            env: &env,
            rules,
            commits: Commits::Each(commits.clone()),
            selection: selection.clone(),
            kind: entry::DeploymentKind::Deploy,
            destroy: false,
            versions: BTreeMap::new(),
            artifact: None,
        };
        let mut deployment = deployment_request::build_from_spec(snapshot, policy, &spec)?;
        left_out.print(ui, (snapshot, policy), &spec)?;
        args.metadata.apply_to(&mut deployment, snapshot)?;
        deployment.expires = find_expiry(&env, snapshot, ui, None)?;
        Ok(deployment)
    })?;
    left_out.require_none(&name)
}

/// Returns the commit at which each component, or each named one, is promoted: the one that the
/// previous environments run.
fn find_commits(
    workspace: &Workspace,
    rules: &Environment,
    named: &BTreeSet<ComponentName>,
) -> Result<BTreeMap<ComponentName, CommitId>, CliError> {
    let name = &rules.name;
    let mut running = Vec::new();
    for source in &rules.promote_from {
        let commits = workspace.find_running(source.as_str())?;
        running.push((source, commits.unwrap_or_default()));
    }
    let Some((first, _)) = running.first() else {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("{name} has no promote_from in the policy, so nothing can be promoted to it"),
        )
        .hint(format!("git deploy run {name} REV")));
    };
    let status = format!("git deploy status {first}");
    let components: BTreeSet<ComponentName> = if named.is_empty() {
        let running = running.iter().flat_map(|(_, commits)| commits.keys());
        running.cloned().collect()
    } else {
        named.clone()
    };
    let (mut chosen, mut differing) = (BTreeMap::new(), Vec::new());
    for component in components {
        let is_absent = |(_, commits): &&Running<'_>| !commits.contains_key(&component);
        if let Some((source, _)) = running.iter().find(is_absent)
            && (named.contains(&component) || running.len() > 1)
        {
            deployment_request::require_component(&workspace.policy, &component)?;
            differing.push(format!("{component} does not run in {source}"));
            continue;
        }
        match find_common_commit(workspace, rules, &component, &running)? {
            Some(commit) => drop(chosen.insert(component, commit)),
            None => differing.push(describe_difference(&component, &running)),
        }
    }
    if differing.is_empty() {
        return Ok(chosen);
    }
    let error = CliError::new(ErrorKind::Usage, differing.join("; "));
    if chosen.is_empty() || !named.is_empty() {
        return Err(error.hint(status));
    }
    let options: Vec<String> = chosen
        .keys()
        .map(|component| format!(" --component {component}"))
        .collect();
    Err(error.hint(format!("git deploy promote {name}{}", options.concat())))
}

/// An environment, and the commit of each component that runs there.
type Running<'a> = (&'a EnvName, BTreeMap<ComponentName, CommitId>);

/// Returns the commit of a component that all environments run, or one of several that the policy
/// takes for the same: those with the same content.
fn find_common_commit(
    workspace: &Workspace,
    rules: &Environment,
    component: &ComponentName,
    running: &[Running<'_>],
) -> Result<Option<CommitId>, CliError> {
    let commits: BTreeSet<CommitId> = running
        .iter()
        .filter_map(|(_, commits)| commits.get(component).copied())
        .collect();
    let by_content = workspace.policy.promotion_match(rules, component) == PromotionMatch::Content;
    if commits.len() > 1 && by_content {
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

/// Describes what each environment runs of a component: `e2e runs 1234 of api, perf runs 5678`.
fn describe_difference(component: &ComponentName, running: &[Running<'_>]) -> String {
    let runs: Vec<String> = running
        .iter()
        .filter_map(|(source, commits)| {
            Some(format!("{source} runs {}", commits.get(component)?.short()))
        })
        .collect();
    format!("{component} is not the same: {}", runs.join(", "))
}
