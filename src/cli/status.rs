//! `git deploy status`: what runs where. It reads the state at each ledger's tip and walks no history of a ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::look;
use super::workspace::Workspace;
use super::{Context, Failure, Kind, OrFail as _};
use crate::domain::entry::{Action, Deployment, Kept, Kind as DeploymentKind, Outcome, Target, VerificationResult};
use crate::domain::id::{CommitId, Content};
use crate::domain::name::ComponentName;
use crate::domain::state::{Here, Run};
use crate::domain::text::Line;
use crate::git::{self, Repository};
use crate::view::status::{self, Behind, Component, Environment, Held, Lock, Status};

/// More commits than this are not counted.
const BEHIND_LIMIT: usize = 1_000;

/// Show what runs where, since when, by whom, and how far behind
#[derive(clap::Args)]
pub struct Args {
    /// Only this environment
    #[arg(value_name = "ENV")]
    environment: Option<String>,
    /// Show every component on a line of its own, also where all are alike
    #[arg(long)]
    all: bool,
}

/// Prints the table.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    let workspace = Workspace::open(context)?;
    let problems = look::problems(&workspace, context)?;
    let places = look::places(&workspace, args.environment.as_deref())?;
    let (repository, remote) = (&workspace.repository, workspace.remote.as_deref());
    let branch = repository.default_branch(remote).or_fail(Kind::CannotTell, "cannot tell the default branch")?;
    let running = places.iter().flat_map(|place| place.here().components().into_values());
    let yanks = look::yanks(&workspace, running).or_fail(Kind::CannotTell, "cannot read what was yanked")?;
    let mut environments: Vec<Environment> = Vec::new();
    let mut lanes: BTreeMap<String, BTreeSet<CommitId>> = BTreeMap::new();
    let branch_of = |place: &look::Place<'_>| {
        let own = place.rules.branch.as_ref().map(|own| own.as_str().to_owned());
        own.or_else(|| branch.clone())
    };
    for place in &places {
        let here = place.here();
        let mut components = components(here);
        for component in &mut components {
            component.yanked = component.commit.and_then(|commit| reason(yanks.yanked_commit(commit)));
        }
        let branch_here = branch_of(place);
        if let Some(branch) = &branch_here {
            let commits = components.iter().filter_map(|component| component.commit);
            lanes.entry(branch.clone()).or_default().extend(commits);
        }
        environments.push(Environment {
            name: place.name.clone(),
            branch: branch_here.filter(|_| place.rules.branch.is_some()).filter(|own| Some(own) != branch.as_ref()),
            lock: here.lock().and_then(lock),
            expires: here.expiry(),
            holds: holds(here),
            components,
        });
    }
    let lanes: BTreeMap<&String, _> =
        lanes.iter().map(|(branch, commits)| (branch, behind(repository, remote, branch, commits))).collect();
    for (place, environment) in places.iter().zip(&mut environments) {
        let Some(lane) = branch_of(place).and_then(|branch| lanes.get(&branch)) else { continue };
        for component in &mut environment.components {
            component.behind = component.commit.and_then(|commit| lane.get(&commit).copied());
        }
    }
    let fetched = remote.and_then(|_| repository.last_fetch());
    let remote = workspace.remote.clone();
    let status = Status { environments, branch, remote, fetched, problems };
    if context.json() {
        return context.report("status", &status);
    }
    context.print(status::text(&status, args.all, context.width(), &|time| context.when(time)));
    Ok(())
}

fn reason(kept: Option<&Arc<Kept>>) -> Option<Line> {
    match &kept?.statement.action {
        Action::Yank(it) => Some(it.reason.clone()),
        _ => None,
    }
}

fn lock(kept: &Arc<Kept>) -> Option<Lock> {
    let statement = &kept.statement;
    match &statement.action {
        Action::Lock(it) => Some(Lock { by: statement.by.clone(), at: statement.at, reason: it.reason.clone() }),
        _ => None,
    }
}

/// What was attempted last and is on hold since.
fn holds(here: Here<'_>) -> Vec<Held> {
    let attempted_last = |(component, content, _): (&ComponentName, Content, &Arc<Kept>)| {
        let last = here.last(component)?.statement.ended();
        let ended = last.into_iter().find(|ended| ended.target.component == *component)?;
        let bad = matches!(ended.outcome, Outcome::Failed | Outcome::RolledBack);
        let held = bad && ended.target.content == Some(content);
        held.then(|| Held { component: component.clone(), commit: ended.target.commit, outcome: ended.outcome })
    };
    here.holds().filter_map(attempted_last).collect()
}

/// Everything that runs, or is on its way, in an environment.
fn components(here: Here<'_>) -> Vec<Component> {
    let runs = here.runs();
    let changed = runs.iter().filter_map(|run| run.start.statement.deployment()).flat_map(Deployment::changed);
    let mut names: BTreeSet<&ComponentName> = changed.map(|change| &change.target.component).collect();
    names.extend(here.components().into_keys());
    names.into_iter().filter_map(|name| component(here, name)).collect()
}

fn component(here: Here<'_>, name: &ComponentName) -> Option<Component> {
    let live = here.live(name);
    let ended = live.into_iter().flat_map(|kept| kept.statement.ended());
    let target = ended.map(|ended| ended.target).find(|target| target.component == *name);
    let run = here.run_of(name);
    let (state, kept, to) = condition(here, name, run)?;
    Some(Component {
        component: name.clone(),
        commit: here.commit(name),
        version: target.and_then(|target| target.version),
        state,
        to,
        since: kept.statement.at,
        by: kept.statement.by.clone(),
        behind: None,
        lock: here.component_lock(name).and_then(lock),
        yanked: None,
    })
}

/// How a component is, the entry that made it so, and what is on its way there. The most pressing news wins.
fn condition<'a>(
    here: Here<'a>,
    name: &ComponentName,
    run: Option<Run<'a>>,
) -> Option<(status::State, &'a Arc<Kept>, Option<String>)> {
    if let Some(run) = run {
        let deployment = run.start.statement.deployment()?;
        let change = deployment.changed().find(|change| change.target.component == *name)?;
        let state = match (deployment.kind, change.intent) {
            (_, crate::domain::entry::Intent::Destroy) => status::State::Destroying,
            (DeploymentKind::Rollback, _) => status::State::RollingBack,
            _ => status::State::Deploying,
        };
        return Some((state, run.owner, Some(release(&change.target))));
    }
    if let Some(unknown) = here.unknown(name) {
        return Some((status::State::Unknown, unknown, None));
    }
    let live = here.live(name)?;
    if here.verified(name) == Some(VerificationResult::Failed) {
        return Some((status::State::Unhealthy, here.verification(name).unwrap_or(live), None));
    }
    Some((status::State::Live, live, None))
}

/// What a target is called: its version, else its commit.
fn release(target: &Target) -> String {
    target.version.as_ref().map_or_else(|| target.commit.0.prefix(7), Line::to_string)
}

/// How far commits are behind a branch; nothing of those whose history is not here, or where there is no such branch.
fn behind(
    repository: &Repository,
    remote: Option<&str>,
    branch: &str,
    commits: &BTreeSet<CommitId>,
) -> BTreeMap<CommitId, Behind> {
    let Some(tip) = repository.branch_tip(remote, branch).ok().flatten() else { return BTreeMap::new() };
    let ids: Vec<_> = commits.iter().map(|commit| commit.0).collect();
    let counts = repository.behind(tip.0, &ids, BEHIND_LIMIT).unwrap_or_default();
    let shown = |count| match count {
        git::behind::Behind::Exactly(commits) => Some(Behind { commits, more: false }),
        git::behind::Behind::More => Some(Behind { commits: BEHIND_LIMIT, more: true }),
        git::behind::Behind::Unknown => None,
    };
    commits.iter().zip(counts).filter_map(|(commit, count)| Some((*commit, shown(count)?))).collect()
}
