//! `git deploy rollback`: redeploys the last good release.

mod release_choice;

use std::collections::{BTreeMap, BTreeSet};

use release_choice::{
    differs_from_running, find_commits_with_content, find_releases_with, find_rollback_commits,
    find_without_release,
};

use crate::cli::args::environment::EnvArg;
use crate::cli::args::metadata::MetadataArgs;
use crate::cli::args::run::RunOptions;
use crate::cli::chosen_deployment::ChosenDeployment;
use crate::cli::deploy_runner::DeployRunner;
use crate::cli::deployment_request;
use crate::cli::read_context::{self, EnvironmentSnapshot};
use crate::cli::rollback_targets;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, Ui};
use crate::domain::deploy_command::DeployCommand;
use crate::domain::entry::{self, Outcome};
use crate::domain::id::{CommitId, Content, Digest};
use crate::domain::name::ComponentName;
use crate::run::build_deployment::{Commits, Selection};
use crate::view::good;

/// Roll back to the last good release
///
/// Without --to, rolls back the components that the newest deployment changed, each to its last
/// good release before that. Does nothing if that deployment was rolled back automatically. Approvals
/// and checks are not required again. The content that is rolled back stays on hold. Exits with 6
/// if it left out components that another system deploys: the command for those is printed.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Roll back the newest deployment:
    git deploy rollback prod

  See where each component would go:
    git deploy rollback prod --list

  Roll one component back to a release:
    git deploy rollback prod --component api --to v1.4.1

  Roll back to the release that had an artifact:
    git deploy rollback prod --to registry.example.com/api@sha256:9f86d081…")]
pub struct Args {
    #[command(flatten)]
    environment: EnvArg,
    /// Roll back only this component (repeatable)
    ///
    /// Defaults to those that the newest deployment changed or, with --to, to all that differ.
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
    /// Roll back to this commit, or to the release with this artifact
    ///
    /// It must have been good in the environment.
    #[arg(long, value_name = "REV|NAME@DIGEST", conflicts_with = "list")]
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
    // The list shows what a rollback would do, so it is as fresh.
    let workspace = Workspace::open_to_write(ui)?;
    let name = args.environment.find(&workspace, ui)?;
    let (env, _) = workspace.find_environment(name.as_str())?;
    let snapshot = read_context::read_environment(&workspace, name.as_str())?;
    for component in &args.components {
        deployment_request::require_component(&workspace.policy, component)?;
    }
    let named_components: BTreeSet<ComponentName> = args.components.iter().cloned().collect();
    if args.list {
        return list_targets(ui, &workspace, &snapshot, &named_components);
    }
    let Some(target) = find_target(args, ui, &workspace, &snapshot, &named_components)? else {
        return Ok(());
    };
    let runner =
        DeployRunner::new(ui, &workspace, &env, &args.options)?.with_named(&args.components);
    let chosen = ChosenDeployment {
        commits: target.commits,
        selection: target.selection,
        kind: entry::DeploymentKind::Rollback,
        destroy: false,
        leaves_out_manual: args.components.is_empty(),
        artifact: target.artifact,
        metadata: &args.metadata,
        ttl: None,
    };
    chosen.carry_out(runner)
}

/// The releases to which a rollback goes back.
struct RollbackTarget {
    commits: Commits,
    selection: Selection,
    /// The artifact that the release must have, if one was named.
    artifact: Option<Digest>,
}

/// Finds the releases to go back to. If there is nothing to do, prints why and returns `None`.
fn find_target(
    args: &Args,
    ui: &Ui,
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    named_components: &BTreeSet<ComponentName>,
) -> Result<Option<RollbackTarget>, CliError> {
    let to_each = |commits: BTreeMap<ComponentName, CommitId>, artifact| RollbackTarget {
        selection: Selection::Named(commits.keys().cloned().collect()),
        commits: Commits::Each(commits),
        artifact,
    };
    let digest = args.to.as_deref().and_then(parse_artifact);
    Ok(Some(match (&args.to, digest) {
        (_, Some(digest)) => {
            let commits = find_releases_with(workspace, snapshot, named_components, &digest)?;
            to_each(commits, Some(digest))
        }
        (Some(rev), None) => RollbackTarget {
            commits: find_commits_with_content(
                workspace,
                snapshot,
                named_components,
                workspace.resolve_commit(rev)?,
            )?,
            selection: deployment_request::select_to_change(&args.components),
            artifact: None,
        },
        (None, None) => {
            if let Some(commits) = find_automatic_rollback(snapshot, named_components) {
                report_automatic_rollback(ui, snapshot, &commits);
                return Ok(None);
            }
            let commits = find_rollback_commits(workspace, snapshot, named_components)?;
            if named_components.is_empty() {
                report_without_release(ui, workspace, snapshot);
            }
            to_each(commits, None)
        }
    }))
}

/// Prints which components stay as their failed first deployment left them, and what leads on.
fn report_without_release(ui: &Ui, workspace: &Workspace, snapshot: &EnvironmentSnapshot<'_>) {
    let components = find_without_release(snapshot);
    if components.is_empty() {
        return;
    }
    let names: Vec<&str> = components.iter().map(|it| it.as_str()).collect();
    let sentence = format!(
        "What {} runs of {} stays unknown, because nothing ran there before. With a fixed commit",
        snapshot.name(),
        names.join(", ")
    );
    let command = DeployCommand::new(&workspace.policy, snapshot.name())
        .any_commit()
        .only(components)
        .deployed_in(snapshot.state());
    ui.eprint(ui.format_with_command(&sentence, &command.to_string()));
}

/// Parses the digest of `NAME@sha256:…`. Rules compare digests, so the name does not matter.
fn parse_artifact(word: &str) -> Option<Digest> {
    word.rsplit_once('@')?.1.parse().ok()
}

/// Returns the commits that the newest deployment attempted, if every component that it changed was
/// rolled back automatically.
fn find_automatic_rollback(
    snapshot: &EnvironmentSnapshot<'_>,
    named_components: &BTreeSet<ComponentName>,
) -> Option<BTreeSet<CommitId>> {
    let state = snapshot.state();
    let is_selected =
        |name: &&ComponentName| named_components.is_empty() || named_components.contains(*name);
    let running = state.components();
    let attempts = running
        .keys()
        .filter(|name| is_selected(name))
        .filter_map(|name| state.last_attempt(name));
    let newest = attempts.max_by_key(|entry| entry.statement.sequence)?;
    let results = newest.statement.component_results();
    let mut changed = results
        .iter()
        .filter(|it| is_selected(&&it.target.component) && it.outcome != Outcome::Skipped)
        .peekable();
    changed.peek()?;
    changed
        .map(|it| (it.outcome == Outcome::RolledBack).then_some(it.target.commit))
        .collect()
}

fn report_automatic_rollback(
    ui: &Ui,
    snapshot: &EnvironmentSnapshot<'_>,
    commits: &BTreeSet<CommitId>,
) {
    let name = snapshot.name();
    let commits: Vec<String> = commits.iter().map(|it| it.0.prefix(7)).collect();
    let sentence = format!(
        "There is nothing to do: the deployment of {} to {name} was rolled back automatically. To go back further, choose a release",
        commits.join(", ")
    );
    ui.print(ui.format_with_command(&sentence, &format!("git deploy rollback {name} --list")));
}

/// Prints the last good release before the running one for each component.
fn list_targets(
    ui: &Ui,
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    named_components: &BTreeSet<ComponentName>,
) -> Result<(), CliError> {
    read_context::report_problems(workspace, ui)?;
    let components = if named_components.is_empty() {
        rollback_targets::find_attempted(workspace, snapshot)
    } else {
        named_components.clone()
    };
    if components.is_empty() && !ui.json() {
        let name = snapshot.name();
        ui.eprint_sentence(format_args!("nothing has been deployed to {name} yet"));
        return Ok(());
    }
    let is_candidate = |component: &ComponentName, content: Option<Content>| {
        differs_from_running(snapshot, component, content)
    };
    let mut report =
        rollback_targets::build_good_releases(workspace, snapshot, components, &is_candidate)?;
    for row in report
        .components
        .iter_mut()
        .filter(|it| it.release.is_none())
    {
        let (component, commit) = (&row.component, snapshot.state().commit(&row.component));
        row.reason = row.reason.take().or_else(|| {
            let commit = commit?.0.prefix(7);
            Some(format!(
                "{component}: no other release than {commit} has run"
            ))
        });
    }
    if ui.json() {
        return ui.print_document("good", &report);
    }
    ui.print(good::render_text(&report, ui.width(), &|time| {
        ui.format_time(time)
    }));
    Ok(())
}
