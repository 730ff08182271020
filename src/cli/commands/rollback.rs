//! `git deploy rollback`: redeploys the last good release.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::args::environment::EnvArg;
use crate::cli::args::metadata::MetadataArgs;
use crate::cli::args::run::RunOptions;
use crate::cli::deploy_runner::DeployRunner;
use crate::cli::deployment_request::{self, find_rules};
use crate::cli::read_context::{self, EnvironmentSnapshot};
use crate::cli::rollback_targets::{self, GoodRelease};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::entry;
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::run::build_deployment::{Commits, DeploymentSpec, Selection};
use crate::view::good;

/// Roll back to the last good release
///
/// Without --to, rolls back the components that the newest deployment changed, each to its last
/// good release before that. Approvals and checks are not required again.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Roll back the newest deployment:
    git deploy rollback prod

  See where each component would go:
    git deploy rollback prod --list

  Roll one component back to a release:
    git deploy rollback prod --component api --to v1.4.1")]
pub struct Args {
    #[command(flatten)]
    environment: EnvArg,
    /// Roll back only this component (repeatable)
    ///
    /// Defaults to those that the newest deployment changed or, with --to, to all that differ.
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
    /// Roll back to this commit, which must have been good here
    #[arg(long, value_name = "REV", conflicts_with = "list")]
    to: Option<String>,
    /// List the releases to roll back to, and do nothing
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    metadata: MetadataArgs,
    #[command(flatten)]
    options: RunOptions,
}

/// Rolls back to earlier releases, or lists them with `--list`.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = if args.list {
        Workspace::open(ui)?
    } else {
        Workspace::open_to_write(ui)?
    };
    let name = args.environment.find(&workspace, ui)?;
    let (env, _) = workspace.find_environment(name.as_str())?;
    let snapshot = read_context::read_environment(&workspace, name.as_str())?;
    for component in &args.components {
        deployment_request::require_component(&workspace.policy, component)?;
    }
    let named: BTreeSet<ComponentName> = args.components.iter().cloned().collect();
    if args.list {
        return list_targets(ui, &workspace, &snapshot, &named);
    }
    let (commits, selection) = if let Some(rev) = &args.to {
        (
            Commits::One(workspace.resolve_commit(rev)?),
            deployment_request::select_to_change(&args.components),
        )
    } else {
        let commits = find_rollback_commits(&workspace, &snapshot, &named)?;
        let selection = Selection::Named(commits.keys().cloned().collect());
        (Commits::Each(commits), selection)
    };
    let (person, _) = workspace.find_current_signer()?;
    let runner = DeployRunner::new(ui, &workspace, &env, &args.options)?
        .with_requester(args.metadata.requested_by.as_ref())
        .with_inputs(args.metadata.inputs.read(ui)?);
    runner.deploy(&person, &|view| {
        let (policy, rules) = find_rules(&env, view)?;
        let spec = DeploymentSpec {
            env: &env,
            rules,
            commits: commits.clone(),
            selection: selection.clone(),
            kind: entry::DeploymentKind::Rollback,
            destroy: false,
            versions: BTreeMap::new(),
        };
        let mut deployment = deployment_request::build_from_spec(view, policy, &spec)?;
        args.metadata.apply_to(&mut deployment, view)?;
        Ok(deployment)
    })
}

/// Returns the commit that each component goes back to. Without named components, chooses those of
/// `find_default_components`.
///
/// # Errors
///
/// Fails if a component has no earlier good release.
fn find_rollback_commits(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    named: &BTreeSet<ComponentName>,
) -> Result<BTreeMap<ComponentName, CommitId>, CliError> {
    let wanted = if named.is_empty() {
        find_default_components(snapshot)
    } else {
        named.clone()
    };
    if wanted.is_empty() {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("nothing has been deployed to {} yet", snapshot.name()),
        ));
    }
    let is_candidate = |component: &ComponentName, release: &GoodRelease| {
        differs_from_running(snapshot, component, release)
    };
    let releases = rollback_targets::find_newest(workspace, snapshot, &wanted, &is_candidate)?;
    if let Some(stuck) = wanted
        .iter()
        .find(|component| !releases.contains_key(*component))
    {
        let message = format!(
            "{stuck} cannot be rolled back in {}: it has no earlier good release",
            snapshot.name()
        );
        let running = snapshot
            .state()
            .commit(stuck)
            .map_or_else(|| "nothing".to_owned(), |commit| commit.short());
        return Err(CliError::new(ErrorKind::Denied, message)
            .because(format!("it runs {running}"))
            .hint(format!("git deploy rollback {} --list", snapshot.name())));
    }
    Ok(releases
        .into_iter()
        .map(|(component, release)| (component, release.target.commit))
        .collect())
}

/// Returns whether a release differs from the running one. Returns `true` for every release if the
/// running one is unknown.
fn differs_from_running(
    snapshot: &EnvironmentSnapshot<'_>,
    component: &ComponentName,
    release: &GoodRelease,
) -> bool {
    let state = snapshot.state();
    state.unknown_since(component).is_some() || state.content(component) != Some(release.content)
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

/// Prints the last good release before the running one for each component.
fn list_targets(
    ui: &Ui,
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    named: &BTreeSet<ComponentName>,
) -> Result<(), CliError> {
    read_context::report_problems(workspace, ui)?;
    let wanted = if named.is_empty() {
        rollback_targets::find_attempted(workspace, snapshot)
    } else {
        named.clone()
    };
    let is_candidate = |component: &ComponentName, release: &GoodRelease| {
        differs_from_running(snapshot, component, release)
    };
    let report = rollback_targets::build_good_view(workspace, snapshot, wanted, &is_candidate)?;
    if ui.json() {
        return ui.print_document("good", &report);
    }
    ui.print(good::render_text(&report, ui.width(), &|time| {
        ui.format_time(time)
    }));
    read_context::print_fetch_age(workspace, ui);
    Ok(())
}
