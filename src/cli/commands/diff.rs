//! `git deploy diff`: shows what a deployment would change.
//!
//! A component changes if its content differs, as for a deployment. The commits in between only
//! explain the change.

mod commit_list;
mod promotions;
mod targets;

use std::collections::BTreeMap;

use clap::builder::RangedU64ValueParser;

use commit_list::CommitList;
use targets::{ComponentTarget, find_running_name, find_targets};

use crate::cli::args::environment::EnvRevArgs;
use crate::cli::deployment_request::require_component;
use crate::cli::read_context::{self, EnvironmentSnapshot};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName, LedgerName};
use crate::domain::policy::Policy;
use crate::domain::text::Line;
use crate::git::Error;
use crate::git::commits_ahead::CommitsAhead;
use crate::ledger::facts::{FactGatherer, PathCommits};
use crate::view::commit_count::CommitCount;
use crate::view::deployment_diff::{
    self, CommitSummary, ComponentDiff, ContentChange, DeploymentDiff,
};

/// Show what a deployment would change
///
/// Compares contents component by component, and lists the commits that would be deployed or lost.
/// `git deploy diff prod stage` shows what a promotion to prod would deploy. Without arguments,
/// compares each environment with the one before it.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Show what would be promoted to each environment:
    git deploy diff

  Compare production with HEAD:
    git deploy diff prod

  Show what would be promoted from stage to prod:
    git deploy diff prod stage

  Compare one component with a tag:
    git deploy diff prod v1.5.0 --component api")]
pub struct Args {
    #[command(flatten)]
    env_rev: EnvRevArgs,
    /// Only this component (repeatable)
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
    /// Show up to N commits
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 20, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    number: usize,
}

/// The maximum number of commits to examine for one component.
const HISTORY_LIMIT: usize = 10_000;

/// Prints what a deployment would change.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open(ui)?;
    read_context::report_problems(&workspace, ui)?;
    if args.env_rev.are_open() {
        return promotions::run(&workspace, args, ui);
    }
    let (name, rev) = args.env_rev.find_reviewed_environment(&workspace, ui)?;
    let diff = read_diff(&workspace, &name, rev.unwrap_or("HEAD"), args)?;
    if ui.json() {
        return ui.print_document("diff", &diff);
    }
    print_diff(&diff, args, ui);
    read_context::print_fetch_age(&workspace, ui);
    Ok(())
}

/// Compares an environment with a revision.
fn read_diff(
    workspace: &Workspace,
    name: &EnvName,
    revision: &str,
    args: &Args,
) -> Result<DeploymentDiff, CliError> {
    let snapshot = read_context::read_environment(workspace, name.as_str())?;
    let targets = find_targets(workspace, &snapshot, revision)?;
    let gatherer = workspace.gatherer();
    let comparison = Comparison {
        workspace,
        snapshot: &snapshot,
        gatherer: &gatherer,
        path_commits: PathCommits::new(&workspace.repository, &workspace.policy, HISTORY_LIMIT),
    };
    comparison.compare(revision, &targets, &args.components)
}

/// Prints a comparison as text, and whether this clone lacks a part of the history for it.
fn print_diff(diff: &DeploymentDiff, args: &Args, ui: &Ui) {
    ui.print(deployment_diff::render_text(
        diff,
        args.number,
        ui.width(),
        &|time| ui.format_time(time),
    ));
    let lacks_history = |it: &ComponentDiff| {
        it.change.is_change()
            && !it.change.keeps_content()
            && it.from.is_some()
            && it.gained.is_none()
    };
    if diff.components.iter().any(lacks_history) {
        ui.eprint("part of the history in between is missing: git fetch --unshallow, or git fetch");
    }
}

/// Compares what an environment runs with the targets.
struct Comparison<'a> {
    workspace: &'a Workspace,
    snapshot: &'a EnvironmentSnapshot<'a>,
    gatherer: &'a FactGatherer<'a>,
    path_commits: PathCommits<'a>,
}

impl Comparison<'_> {
    /// Compares the components of `only`, or all if it is empty, with their targets.
    ///
    /// # Errors
    ///
    /// Fails if `only` names a component that is neither in the policy nor running.
    fn compare(
        &self,
        revision: &str,
        targets: &BTreeMap<ComponentName, ComponentTarget>,
        only: &[ComponentName],
    ) -> Result<DeploymentDiff, CliError> {
        let mut components = Vec::new();
        for (component, target) in targets {
            if only.is_empty() || only.contains(component) {
                components.extend(self.compare_component(component, target)?);
            }
        }
        if let Some(unknown) = only.iter().find(|name| !targets.contains_key(*name)) {
            require_component(&self.workspace.policy, unknown)?;
        }
        let (commits, lost_commits, truncated) = self.collect_commits(&components)?;
        let affected = components
            .iter()
            .filter(|it| it.change.is_change())
            .map(|it| it.component.clone())
            .collect();
        Ok(DeploymentDiff {
            environment: self.snapshot.name().clone(),
            revision: revision.to_owned(),
            affected,
            components,
            commits,
            lost_commits,
            truncated,
        })
    }

    /// Compares a component with its target. Returns `None` if it neither runs nor is in the
    /// target.
    fn compare_component(
        &self,
        component: &ComponentName,
        target: &ComponentTarget,
    ) -> Result<Option<ComponentDiff>, CliError> {
        let state = self.snapshot.state();
        let running_name = self.running_name(component);
        let from = state.commit(running_name);
        let is_known = state.unknown_since(running_name).is_none();
        let same_content = if running_name == component {
            ContentChange::Unchanged
        } else {
            ContentChange::Renamed
        };
        if let (Some(from), Some(to)) = (from, target.commit)
            && is_known
            // An error means that a commit is not in this clone. The recorded content is then
            // compared below.
            && matches!(self.path_commits.differs(component, from, to), Ok(false))
            && state.content(running_name).is_some()
            && self.has_same_paths(component)
        {
            return Ok(Some(self.describe_component(
                component,
                same_content,
                Some(from),
                Some(to),
                target,
            )));
        }
        let cannot_tell = || format!("cannot tell the content of {component}");
        let content = match target.commit {
            Some(commit) => self
                .gatherer
                .content(&self.workspace.policy, commit, component)
                .context(ErrorKind::CannotTell, cannot_tell())?,
            None => None,
        };
        let to = target.commit.filter(|_| content.is_some());
        let describe = |change| self.describe_component(component, change, from, to, target);
        if from.is_some() && is_known && content.is_some() && content == state.content(running_name)
        {
            return Ok(Some(describe(same_content)));
        }
        let (gained, lost) = match (from, target.commit) {
            (Some(from), Some(to)) => (
                self.count_commits(component, to, from)?,
                self.count_commits(component, from, to)?,
            ),
            _ => (None, None),
        };
        let change = match (from, content) {
            (None, None) => return Ok(None),
            (None, Some(_)) => ContentChange::New,
            (Some(_), None) => ContentChange::Absent,
            (Some(_), Some(_)) if !is_known => ContentChange::Unknown,
            _ if lost.is_some_and(|count| count.commits > 0) => ContentChange::LosesCommits,
            _ => ContentChange::Changed,
        };
        let if_changed = |count: Option<CommitCount>| count.filter(|_| change.is_change());
        Ok(Some(ComponentDiff {
            gained: if_changed(gained),
            lost: if_changed(lost),
            ..describe(change)
        }))
    }

    /// Returns whether the policy in force gives the component the paths that its recorded content
    /// was computed from. Otherwise the two contents cannot be compared by commit.
    fn has_same_paths(&self, component: &ComponentName) -> bool {
        let running_name = self.running_name(component);
        let policy_tip = self
            .snapshot
            .state()
            .live_entry(running_name)
            .and_then(|entry| entry.statement.seen.get(&LedgerName::policy()).copied());
        let earlier = policy_tip.and_then(|tip| self.gatherer.policy_at(tip).ok().flatten());
        let paths = |policy: &Policy, name| policy.component(name).map(|it| it.paths.clone());
        let current = paths(&self.workspace.policy, component);
        current.is_some() && earlier.is_some_and(|earlier| paths(&earlier, running_name) == current)
    }

    /// Returns the name under which a component runs in the environment.
    fn running_name<'c>(&'c self, component: &'c ComponentName) -> &'c ComponentName {
        find_running_name(&self.workspace.policy, self.snapshot.state(), component)
    }

    /// Describes a component without counting commits.
    fn describe_component(
        &self,
        component: &ComponentName,
        change: ContentChange,
        from: Option<CommitId>,
        to: Option<CommitId>,
        target: &ComponentTarget,
    ) -> ComponentDiff {
        let running_name = self.running_name(component);
        ComponentDiff {
            component: component.clone(),
            renamed_from: Some(running_name)
                .filter(|name| *name != component)
                .cloned(),
            change,
            from,
            to,
            from_version: self.snapshot.version(running_name),
            to_version: to
                .and_then(|commit| self.find_version(component, commit))
                .or_else(|| target.version.clone()),
            gained: None,
            lost: None,
        }
    }

    /// Returns the version that the environment's version rule determines for a commit. Returns
    /// `None` if there is no rule, if it finds none, or if it is a command, which is not run here.
    fn find_version(&self, component: &ComponentName, commit: CommitId) -> Option<Line> {
        let rule = self.snapshot.rules.version.as_ref()?;
        self.gatherer
            .read_versions(rule, std::iter::once((commit, component.clone())))
            .0
            .into_values()
            .find_map(|version| version.ok().flatten())
    }

    /// Counts the commits that touch a component and are in `new` but not in `old`. Returns `None`
    /// if the history is not in this clone.
    fn count_commits(
        &self,
        component: &ComponentName,
        new: CommitId,
        old: CommitId,
    ) -> Result<Option<CommitCount>, CliError> {
        let ahead = self.find_commits(component, new, old)?;
        Ok(ahead.map(|ahead| CommitCount {
            commits: ahead.commits.len(),
            truncated: ahead.is_truncated,
        }))
    }

    /// Lists the commits that `count_commits` counts.
    fn find_commits(
        &self,
        component: &ComponentName,
        new: CommitId,
        old: CommitId,
    ) -> Result<Option<CommitsAhead>, CliError> {
        match self
            .path_commits
            .touching_in_any_parent(component, new, old)
        {
            Ok(ahead) => Ok(Some(ahead)),
            Err(Error::Shallow | Error::Missing(_)) => Ok(None),
            Err(error) => Err(CliError::new(
                ErrorKind::CannotTell,
                "cannot read the history in between",
            )
            .because(error)),
        }
    }

    /// Returns the commits that the changed components would gain, those that they would lose, and
    /// whether either list is truncated.
    fn collect_commits(
        &self,
        components: &[ComponentDiff],
    ) -> Result<(Vec<CommitSummary>, Vec<CommitSummary>, bool), CliError> {
        let (mut gained, mut lost) = (CommitList::default(), CommitList::default());
        let changing = |it: &&ComponentDiff| it.change.is_change() && !it.change.keeps_content();
        for diff in components.iter().filter(changing) {
            let (Some(from), Some(to)) = (diff.from, diff.to) else {
                continue;
            };
            let name = &diff.component;
            gained.add(name, self.find_commits(name, to, from)?);
            lost.add(name, self.find_commits(name, from, to)?);
        }
        let is_truncated = gained.is_truncated || lost.is_truncated;
        Ok((
            gained.read_commits(self.workspace)?,
            lost.read_commits(self.workspace)?,
            is_truncated,
        ))
    }
}
