//! `git deploy rollback`: redeploys the last good release.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::deploy_runner::{Carrying, Deploying};
use crate::cli::deployment_request::{self, Place};
use crate::cli::env_args::OnlyEnv;
use crate::cli::metadata_args::Purpose;
use crate::cli::rollback_targets::{self, Release};
use crate::cli::workspace::Workspace;
use crate::cli::{Context, Failure, Kind, read_context};
use crate::domain::entry;
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::run::build_deployment::{Commits, DeploymentSpec, Selection};
use crate::view::good;

/// Go back to what ran well before
///
/// Without --to, what the newest deployment changed goes back to its last good release before it. Nothing is asked for again that was asked for
/// then: no approvals, no checks.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    at: OnlyEnv,
    /// The component; can be repeated; without it those that the newest deployment changed, with --to all that differ
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
    /// The commit to go back to, which ran well here
    #[arg(long, value_name = "REV", conflicts_with = "list")]
    to: Option<String>,
    /// Only show where one could go back to, and do nothing
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    purpose: Purpose,
    #[command(flatten)]
    carrying: Carrying,
}

/// Rolls back to earlier releases, or lists them with `--list`.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = if args.list {
        Workspace::open(context)?
    } else {
        Workspace::open_to_write(context)?
    };
    let name = args.at.find(&workspace, context)?;
    let place = Place::find(&workspace, name.as_str())?;
    let mut places = read_context::places(&workspace, Some(name.as_str()))?;
    let Some(here) = places.pop() else {
        return Err(Failure::told(Kind::CannotTell));
    };
    for component in &args.components {
        deployment_request::known(&workspace.policy, component)?;
    }
    let named: BTreeSet<ComponentName> = args.components.iter().cloned().collect();
    if args.list {
        return list(context, &workspace, &here, &named);
    }
    let (commits, selection) = if let Some(rev) = &args.to {
        (
            Commits::One(workspace.commit(rev)?),
            deployment_request::to_change(&args.components),
        )
    } else {
        let commits = back(&workspace, &here, &named)?;
        let selection = Selection::Named(commits.keys().cloned().collect());
        (Commits::Each(commits), selection)
    };
    let (person, _) = workspace.signer()?;
    let deploying = Deploying::new(context, &workspace, &place, &args.carrying)?
        .requested_by(args.purpose.requested_by.as_ref());
    deploying.deploy(&person, &|view| {
        let (policy, rules) = place.rules(view)?;
        let wish = DeploymentSpec {
            name: &place.name,
            rules,
            commits: commits.clone(),
            selection: selection.clone(),
            kind: entry::DeploymentKind::Rollback,
            destroy: false,
            versions: BTreeMap::new(),
        };
        let mut deployment = deployment_request::composed(view, policy, &wish)?;
        args.purpose.add(&mut deployment, view)?;
        Ok(deployment)
    })
}

/// Returns the commit that each component goes back to: for the named components, or for those that
/// the newest deployment changed or left unknown.
fn back(
    workspace: &Workspace,
    place: &read_context::Place<'_>,
    named: &BTreeSet<ComponentName>,
) -> Result<BTreeMap<ComponentName, CommitId>, Failure> {
    let here = place.here();
    let wanted = if named.is_empty() {
        newest_changed(place)
    } else {
        named.clone()
    };
    if wanted.is_empty() {
        return Err(Failure::new(
            Kind::Usage,
            format!("nothing was deployed to {} yet", place.name),
        ));
    }
    let other = |component: &ComponentName, release: &Release| earlier(place, component, release);
    let found = rollback_targets::newest(workspace, place, &wanted, &other)?;
    if let Some(stuck) = wanted
        .iter()
        .find(|component| !found.contains_key(*component))
    {
        let words = format!(
            "{stuck} has nothing to go back to in {}: no earlier release of it ran well",
            place.name
        );
        let runs = here
            .commit(stuck)
            .map_or_else(|| "nothing".to_owned(), |commit| commit.short());
        return Err(Failure::new(Kind::Denied, words)
            .because(format!("{runs} is what runs of it"))
            .hint(format!("git deploy rollback {} --list", place.name)));
    }
    Ok(found
        .into_iter()
        .map(|(component, release)| (component, release.target.commit))
        .collect())
}

/// Returns whether a release differs from the running one. If the running one is unknown, every
/// release does.
fn earlier(place: &read_context::Place<'_>, component: &ComponentName, release: &Release) -> bool {
    let here = place.here();
    here.unknown_since(component).is_some() || here.content(component) != Some(release.content)
}

/// Returns the components of which it is unknown what runs. If there are none, returns those that
/// the newest deployment changed.
fn newest_changed(place: &read_context::Place<'_>) -> BTreeSet<ComponentName> {
    let here = place.here();
    let live = |name: &ComponentName| here.live_entry(name).map(|kept| kept.statement.sequence);
    let running: Vec<&ComponentName> = here.components().into_keys().collect();
    let unknown: BTreeSet<ComponentName> = running
        .iter()
        .filter(|name| here.unknown_since(name).is_some())
        .map(|name| (*name).clone())
        .collect();
    if !unknown.is_empty() {
        return unknown;
    }
    let newest = running.iter().filter_map(|name| live(name)).max();
    running
        .into_iter()
        .filter(|name| live(name) == newest)
        .cloned()
        .collect()
}

/// Prints the last good release before the running one for each component.
fn list(
    context: &Context,
    workspace: &Workspace,
    place: &read_context::Place<'_>,
    named: &BTreeSet<ComponentName>,
) -> Result<(), Failure> {
    read_context::problems(workspace, context)?;
    let wanted = if named.is_empty() {
        rollback_targets::attempted(workspace, place)
    } else {
        named.clone()
    };
    let other = |component: &ComponentName, release: &Release| earlier(place, component, release);
    let good = rollback_targets::shown(workspace, place, wanted, &other)?;
    if context.json() {
        return context.report("good", &good);
    }
    context.print(good::text(&good, context.width(), &|time| {
        context.when(time)
    }));
    read_context::age(workspace, context);
    Ok(())
}
