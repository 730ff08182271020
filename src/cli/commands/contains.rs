//! `git deploy contains`: checks whether a change is deployed: by history, by content, or as
//! another commit with the same change.
//!
//! Answers "no" only after examining everything that could prove a "yes". Otherwise the answer is
//! "cannot tell".

use std::collections::{BTreeMap, HashMap};

use crate::cli::args::environment::EnvRevArgs;
use crate::cli::read_context::{self, EnvironmentSnapshot};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::ComponentName;
use crate::git::{Commit, Error};
use crate::ledger::facts::{FactGatherer, PathCommits};
use crate::run::default_description::read_subject;
use crate::view::contains::{
    self, ComponentAnswer, ComponentContainment, ContainmentAnswer, ContainmentReport, MatchKind,
};

/// Check whether a change is deployed, including cherry-picks
///
/// Finds a change by history, by content, or as another commit that makes the same change. If REV
/// names an environment, checks whether ENV has everything that it runs. Exits with 0 if all of it
/// is deployed, 1 if not, 3 if that cannot be determined.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Is this fix in production?
    git deploy contains prod 3f2a9c1

  Does prod have everything that stage runs?
    git deploy contains prod stage

  Use it in a script:
    if git deploy contains prod 3f2a9c1; then echo \"deployed\"; fi")]
pub struct Args {
    #[command(flatten)]
    at: EnvRevArgs,
    /// Only this component (repeatable)
    #[arg(short, long = "component", value_name = "NAME")]
    components: Vec<ComponentName>,
}

/// The maximum number of commits to search for the same change.
const SEARCH_LIMIT: usize = 2_000;

/// Prints whether a change is in an environment, and fails unless it is.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let workspace = Workspace::open(ui)?;
    read_context::report_problems(&workspace, ui)?;
    let (name, rev) = args.at.find(&workspace, ui)?;
    let revision = rev.unwrap_or("HEAD");
    let snapshot = read_context::read_environment(&workspace, name.as_str())?;
    let gatherer = workspace.gatherer();
    let search = ChangeSearch {
        workspace: &workspace,
        snapshot: &snapshot,
        gatherer: &gatherer,
        path_commits: PathCommits::new(&workspace.repository, &workspace.policy, SEARCH_LIMIT),
        patch_ids: HashMap::new(),
    };
    let (subject, components) = search.find_all(revision, &args.components)?;
    let answer = ContainmentReport::overall_answer(&components);
    let report = ContainmentReport {
        environment: snapshot.name().clone(),
        revision: revision.to_owned(),
        answer,
        components,
    };
    if ui.json() {
        ui.print_document("contains", &report)?;
    } else {
        ui.print(contains::render_text(
            &report,
            subject.as_deref(),
            ui.width(),
        ));
        read_context::print_fetch_age(&workspace, ui);
    }
    match answer {
        ContainmentAnswer::Yes => Ok(()),
        ContainmentAnswer::No => Err(CliError::reported(ErrorKind::Denied)),
        ContainmentAnswer::CannotTell => Err(CliError::reported(ErrorKind::CannotTell)),
    }
}

/// Searches for changes in what one environment runs.
struct ChangeSearch<'a> {
    workspace: &'a Workspace,
    snapshot: &'a EnvironmentSnapshot<'a>,
    gatherer: &'a FactGatherer<'a>,
    path_commits: PathCommits<'a>,
    /// The patch ids computed so far, by commit, because several components search the same
    /// commits. `None` for a commit that changes nothing.
    patch_ids: HashMap<Oid, Option<String>>,
}

/// What to look for in a component.
#[derive(Clone, Copy)]
enum SearchTarget {
    /// The change that one commit makes.
    Change(CommitId),
    /// Everything in the history of a commit.
    All(CommitId),
}

impl SearchTarget {
    fn commit(self) -> CommitId {
        match self {
            Self::Change(commit) | Self::All(commit) => commit,
        }
    }
}

impl ChangeSearch<'_> {
    /// Searches every affected component. Also returns the subject of the commit, if `revision`
    /// names one.
    fn find_all(
        mut self,
        revision: &str,
        only: &[ComponentName],
    ) -> Result<(Option<String>, Vec<ComponentContainment>), CliError> {
        let (subject, targets) = self.find_targets(revision)?;
        if let Some(unknown) = only.iter().find(|name| !targets.contains_key(*name)) {
            crate::cli::deployment_request::require_component(&self.workspace.policy, unknown)?;
            let message = format!(
                "{revision} does not change {unknown}: it changes {}",
                join_names(targets.keys())
            );
            return Err(CliError::new(ErrorKind::Usage, message));
        }
        let mut components = Vec::new();
        for (component, target) in targets {
            if only.is_empty() || only.contains(&component) {
                components.push(ComponentContainment {
                    result: self.find(&component, target)?,
                    running: self.snapshot.state().commit(&component),
                    commit: target.commit(),
                    component,
                });
            }
        }
        Ok((subject, components))
    }

    /// Returns the subject of the commit, if `revision` names one, and what to look for in each
    /// component.
    ///
    /// If `revision` names an environment, looks for everything that it runs. If it names a commit,
    /// looks for that commit's change in the components that it touches, or in every running
    /// component if it touches none.
    fn find_targets(
        &self,
        revision: &str,
    ) -> Result<(Option<String>, BTreeMap<ComponentName, SearchTarget>), CliError> {
        if let Some(running) = self.workspace.find_running(revision)? {
            let all = running
                .into_iter()
                .map(|(component, commit)| (component, SearchTarget::All(commit)));
            return Ok((None, all.collect()));
        }
        let commit = self.workspace.resolve_commit(revision)?;
        let cannot_read = || format!("cannot read what {} changes", commit.short());
        let mut touched = BTreeMap::new();
        for component in self.workspace.policy.component_names() {
            if self
                .path_commits
                .touches(commit, &component)
                .context(ErrorKind::CannotTell, cannot_read())?
            {
                touched.insert(component, SearchTarget::Change(commit));
            }
        }
        if touched.is_empty() {
            let running = self.snapshot.state().components().into_keys().cloned();
            touched.extend(running.map(|component| (component, SearchTarget::Change(commit))));
        }
        if touched.is_empty() {
            let name = self.snapshot.name();
            return Err(
                CliError::new(ErrorKind::Usage, format!("nothing runs in {name} yet"))
                    .hint("git deploy status"),
            );
        }
        let commit = self
            .workspace
            .repository
            .read_commit(commit.0)
            .context(ErrorKind::CannotTell, cannot_read())?;
        Ok((read_subject(&commit), touched))
    }

    /// Searches one component: first compares contents, which is fast, and then searches the
    /// history.
    fn find(
        &mut self,
        component: &ComponentName,
        target: SearchTarget,
    ) -> Result<ComponentAnswer, CliError> {
        let state = self.snapshot.state();
        let cannot_tell = |reason: String| Ok(ComponentAnswer::CannotTell { reason });
        if state.unknown_since(component).is_some() {
            return cannot_tell(format!(
                "the running version in {} is unknown",
                self.snapshot.name()
            ));
        }
        let Some(running) = state.commit(component) else {
            return Ok(ComponentAnswer::No {
                reason: format!("{} does not run it", self.snapshot.name()),
            });
        };
        let commit = target.commit();
        let content = self
            .gatherer
            .content(&self.workspace.policy, commit, component);
        if content.is_ok_and(|content| content.is_some() && content == state.content(component)) {
            let is_ancestor = self.workspace.repository.is_ancestor(commit.0, running.0);
            let kind = if is_ancestor.unwrap_or(false) {
                MatchKind::History
            } else {
                MatchKind::Content
            };
            return Ok(ComponentAnswer::Yes {
                kind,
                cherry_picks: Vec::new(),
            });
        }
        match self.search_history(component, target, running) {
            Ok(answer) => Ok(answer),
            Err(Error::Shallow | Error::Missing(_)) => cannot_tell(
                "part of the history in between is missing: git fetch --unshallow, or git fetch"
                    .to_owned(),
            ),
            Err(Error::LimitExceeded { what, limit }) => {
                cannot_tell(format!("{what} is above {limit}"))
            }
            Err(error) => {
                Err(CliError::new(ErrorKind::CannotTell, "cannot read the history").because(error))
            }
        }
    }

    /// Searches the history for a component whose content differs.
    fn search_history(
        &mut self,
        component: &ComponentName,
        target: SearchTarget,
        running: CommitId,
    ) -> crate::git::Result<ComponentAnswer> {
        let repository = &self.workspace.repository;
        let commit = target.commit();
        if repository.is_ancestor(commit.0, running.0)? {
            return Ok(ComponentAnswer::Yes {
                kind: MatchKind::History,
                cherry_picks: Vec::new(),
            });
        }
        let needed = match target {
            SearchTarget::Change(commit) => vec![commit.0],
            SearchTarget::All(commit) => {
                let ahead = self.path_commits.touching(component, commit, running)?;
                if ahead.is_truncated {
                    let what = "the number of commits to look for".to_owned();
                    return Err(Error::LimitExceeded {
                        what,
                        limit: SEARCH_LIMIT as u64,
                    });
                }
                ahead.commits
            }
        };
        let deployed = self.path_commits.touching(component, running, commit)?;
        let matches = self.match_changes(&needed, &deployed.commits)?;
        let missing: Vec<Oid> = needed
            .iter()
            .filter(|id| !matches.contains_key(*id))
            .copied()
            .collect();
        if missing.is_empty() {
            let kind = if needed.is_empty() {
                MatchKind::History
            } else {
                MatchKind::Patch
            };
            return Ok(ComponentAnswer::Yes {
                kind,
                cherry_picks: matches.into_values().map(CommitId).collect(),
            });
        }
        Ok(answer_for_missing(
            target,
            running,
            &missing,
            deployed.is_truncated,
        ))
    }

    /// Maps needed commits to deployed commits that make the same change. Leaves out needed
    /// commits without such a match.
    fn match_changes(
        &mut self,
        needed: &[Oid],
        deployed: &[Oid],
    ) -> crate::git::Result<BTreeMap<Oid, Oid>> {
        if needed.is_empty() || deployed.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.compute_patch_ids(needed, false)?;
        // The commits that a merge brought in are in the list themselves.
        self.compute_patch_ids(deployed, true)?;
        let patch_id = |id: &Oid| self.patch_ids.get(id)?.as_deref();
        let by_patch: HashMap<&str, Oid> = deployed
            .iter()
            .filter_map(|id| Some((patch_id(id)?, *id)))
            .collect();
        Ok(needed
            .iter()
            .filter_map(|id| Some((*id, *by_patch.get(patch_id(id)?)?)))
            .collect())
    }

    /// Computes the missing patch ids of commits. With `without_merges`, skips merge commits.
    fn compute_patch_ids(&mut self, ids: &[Oid], without_merges: bool) -> crate::git::Result<()> {
        let repository = &self.workspace.repository;
        let mut commits: Vec<Commit> = Vec::new();
        for id in ids.iter().filter(|id| !self.patch_ids.contains_key(*id)) {
            let commit = repository.read_commit(*id)?;
            if !(without_merges && commit.parents.len() > 1) {
                commits.push(commit);
            }
        }
        let mut patch_ids = repository.patch_ids(&commits)?;
        self.patch_ids.extend(
            commits
                .iter()
                .map(|commit| (commit.id, patch_ids.remove(&commit.id))),
        );
        Ok(())
    }
}

/// Returns the answer if changes were not found among the deployed commits. `missing` lists the
/// commits that make these changes, newest first, and is not empty. With `is_truncated`, only the
/// first `SEARCH_LIMIT` deployed commits were examined.
fn answer_for_missing(
    target: SearchTarget,
    running: CommitId,
    missing: &[Oid],
    is_truncated: bool,
) -> ComponentAnswer {
    let running = running.0.prefix(7);
    if is_truncated {
        let reason =
            format!("more than {SEARCH_LIMIT} commits of {running} may hold the same change");
        return ComponentAnswer::CannotTell { reason };
    }
    let newest = missing.first().map(|id| id.prefix(7)).unwrap_or_default();
    let reason = match (target, missing.len()) {
        (SearchTarget::Change(_), _) => {
            format!("{running} has neither the commit nor one that makes the same change")
        }
        (SearchTarget::All(_), 1) => format!("{running} lacks {newest}"),
        (SearchTarget::All(_), count) => {
            format!("{running} lacks {count} commits, the newest {newest}")
        }
    };
    ComponentAnswer::No { reason }
}

fn join_names<'n>(components: impl Iterator<Item = &'n ComponentName>) -> String {
    components
        .map(ComponentName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
