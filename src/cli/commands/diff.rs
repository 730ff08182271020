//! `git deploy diff`: shows what a deployment would change.
//!
//! A component changes if its content differs, as for a deployment. The commits in between only
//! explain the change.

use std::collections::{BTreeMap, BTreeSet};

use clap::builder::RangedU64ValueParser;

use crate::cli::args::environment::EnvRevArgs;
use crate::cli::deployment_request::require_component;
use crate::cli::read_context::{self, EnvironmentSnapshot};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::{ComponentName, LedgerName};
use crate::domain::policy::Policy;
use crate::domain::text::Line;
use crate::git::Error;
use crate::git::commits_ahead::CommitsAhead;
use crate::ledger::facts::{FactGatherer, PathCommits};
use crate::run::default_description::read_subject;
use crate::view::commit_count::CommitCount;
use crate::view::deployment_diff::{
    self, CommitSummary, ComponentDiff, ContentChange, DeploymentDiff,
};

/// Show what a deployment would change
///
/// Compares contents component by component, and lists the commits that would be deployed or lost.
/// `git deploy diff prod stage` shows what a promotion to prod would deploy.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
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
    let (name, rev) = args.env_rev.find_reviewed_environment(&workspace, ui)?;
    let snapshot = read_context::read_environment(&workspace, name.as_str())?;
    let revision = rev.unwrap_or("HEAD");
    let targets = find_targets(&workspace, &snapshot, revision)?;
    let gatherer = workspace.gatherer();
    let comparison = Comparison {
        workspace: &workspace,
        snapshot: &snapshot,
        gatherer: &gatherer,
        path_commits: PathCommits::new(&workspace.repository, &workspace.policy, HISTORY_LIMIT),
    };
    let diff = comparison.compare(revision, &targets, &args.components)?;
    if ui.json() {
        return ui.print_document("diff", &diff);
    }
    ui.print(deployment_diff::render_text(
        &diff,
        args.number,
        ui.width(),
        &|time| ui.format_time(time),
    ));
    let lacks_history =
        |it: &ComponentDiff| it.change.is_change() && it.from.is_some() && it.gained.is_none();
    if diff.components.iter().any(lacks_history) {
        ui.eprint("part of the history in between is missing: git fetch --unshallow, or git fetch");
    }
    read_context::print_fetch_age(&workspace, ui);
    Ok(())
}

/// The commit and version that a component would be deployed at.
#[derive(Debug, Default)]
struct ComponentTarget {
    /// `None` if the source environment does not run the component.
    commit: Option<CommitId>,
    /// Its version in the source environment. `None` if the source is a commit.
    version: Option<Line>,
}

/// Returns the target of each component that is in the policy or runs in an environment. `revision`
/// names the source: a commit or an environment.
fn find_targets(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    revision: &str,
) -> Result<BTreeMap<ComponentName, ComponentTarget>, CliError> {
    let mut targets: BTreeMap<ComponentName, ComponentTarget> = BTreeMap::new();
    let mut components = workspace.policy.component_names();
    components.extend(snapshot.state().components().into_keys().cloned());
    if let Some(running) = workspace.find_running(revision)? {
        let source = read_context::read_environment(workspace, revision)?;
        components.extend(running.keys().cloned());
        for component in components {
            let version = source.version(&component);
            let commit = running.get(&component).copied();
            targets.insert(component, ComponentTarget { commit, version });
        }
        return Ok(targets);
    }
    let commit = Some(workspace.resolve_commit(revision)?);
    targets.extend(components.into_iter().map(|component| {
        (
            component,
            ComponentTarget {
                commit,
                version: None,
            },
        )
    }));
    Ok(targets)
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
        let from = state.commit(component);
        let is_known = state.unknown_since(component).is_none();
        if let (Some(from), Some(to)) = (from, target.commit)
            && is_known
            // An error means that a commit is not in this clone. The recorded content is then
            // compared below.
            && matches!(self.path_commits.differs(component, from, to), Ok(false))
            && state.content(component).is_some()
            && self.has_same_paths(component)
        {
            return Ok(Some(self.describe_component(
                component,
                ContentChange::Unchanged,
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
        if from.is_some() && is_known && content.is_some() && content == state.content(component) {
            return Ok(Some(describe(ContentChange::Unchanged)));
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
        let policy_tip = self
            .snapshot
            .state()
            .live_entry(component)
            .and_then(|entry| entry.statement.seen.get(&LedgerName::policy()).copied());
        let earlier = policy_tip.and_then(|tip| self.gatherer.policy_at(tip).ok().flatten());
        let paths = |policy: &Policy| policy.component(component).map(|it| it.paths.clone());
        let current = paths(&self.workspace.policy);
        current.is_some() && earlier.is_some_and(|earlier| paths(&earlier) == current)
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
        ComponentDiff {
            component: component.clone(),
            change,
            from,
            to,
            from_version: self.snapshot.version(component),
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
        match self.path_commits.touching(component, new, old) {
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
        for diff in components.iter().filter(|it| it.change.is_change()) {
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

/// A list of distinct commits in the order in which they were added, with the components that they
/// touch.
#[derive(Default)]
struct CommitList {
    order: Vec<Oid>,
    touched: BTreeMap<Oid, BTreeSet<ComponentName>>,
    is_truncated: bool,
}

impl CommitList {
    fn add(&mut self, component: &ComponentName, ahead: Option<CommitsAhead>) {
        let Some(ahead) = ahead else { return };
        self.is_truncated |= ahead.is_truncated;
        for id in ahead.commits {
            let touched = self.touched.entry(id).or_default();
            if touched.is_empty() {
                self.order.push(id);
            }
            touched.insert(component.clone());
        }
    }

    /// Reads the commits and sorts them, newest first. Commits of the same date keep the order of
    /// history.
    fn read_commits(self, workspace: &Workspace) -> Result<Vec<CommitSummary>, CliError> {
        let mut commits = Vec::new();
        for id in &self.order {
            let commit = workspace
                .repository
                .read_commit(*id)
                .context(ErrorKind::CannotTell, "cannot read a commit")?;
            commits.push(CommitSummary {
                commit: CommitId(*id),
                subject: read_subject(&commit).unwrap_or_default(),
                author: read_context::find_author(workspace, commit.author()),
                at: commit.committer_time,
                components: self
                    .touched
                    .get(id)
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect(),
            });
        }
        commits.sort_by_key(|commit| std::cmp::Reverse(commit.at));
        Ok(commits)
    }
}
