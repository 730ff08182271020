//! Searches for the changes of commits in what one environment runs: by history, by content, or as
//! another commit with the same change.
//!
//! Answers "no" only after examining everything that could prove a "yes". Otherwise the answer is
//! "cannot tell".

mod answers;
mod reverts;
mod running;
mod search_target;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use answers::answer_for_missing;
use search_target::{SEARCH_LIMIT, SearchTarget};

use crate::cli::read_context::EnvironmentSnapshot;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::id::{CommitId, Content, Oid};
use crate::domain::name::ComponentName;
use crate::git::{Commit, Error};
use crate::ledger::facts::{FactGatherer, PathCommits};
use crate::run::new_commits::read_subject;
use crate::view::contains::{ComponentAnswer, ComponentContainment, MatchKind};

/// Searches for changes in what one environment runs.
pub(super) struct ChangeSearch<'a> {
    workspace: &'a Workspace,
    snapshot: &'a EnvironmentSnapshot<'a>,
    gatherer: &'a FactGatherer<'a>,
    path_commits: PathCommits<'a>,
    /// The patch ids computed so far, by commit, because several components search the same
    /// commits. `None` for a commit that changes nothing.
    patch_ids: HashMap<Oid, Option<String>>,
}

/// The version of a component that an environment runs.
pub(super) struct RunningVersion {
    pub commit: CommitId,
    /// `None` if the component has no files at the commit.
    pub content: Option<Content>,
}

/// Whether to skip merge commits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Merges {
    Include,
    Skip,
}

impl SearchTarget {
    fn commit(self) -> CommitId {
        match self {
            Self::Change(commit) | Self::All(commit) => commit,
        }
    }
}

impl<'a> ChangeSearch<'a> {
    /// Creates a search in an environment.
    pub fn new(
        workspace: &'a Workspace,
        snapshot: &'a EnvironmentSnapshot<'a>,
        gatherer: &'a FactGatherer<'a>,
    ) -> Self {
        let path_commits = PathCommits::new(&workspace.repository, &workspace.policy, SEARCH_LIMIT);
        Self {
            workspace,
            snapshot,
            gatherer,
            path_commits,
            patch_ids: HashMap::new(),
        }
    }
}

impl ChangeSearch<'_> {
    /// Searches every affected component. Also returns the subject of the commit, if `revision`
    /// names one.
    pub fn find_all(
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
                    running: self.find_running(&component)?.map(|it| it.commit),
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
    /// looks for that commit's change in the components that it touches, or if it touches none, in
    /// every component that the commit has or that runs.
    fn find_targets(
        &self,
        revision: &str,
    ) -> Result<(Option<String>, BTreeMap<ComponentName, SearchTarget>), CliError> {
        if let Some(running) = self.workspace.find_running_under_any_name(revision)? {
            // A component that was renamed since is searched under its new name.
            let policy = &self.workspace.policy;
            let targets = running.into_iter().map(|(component, commit)| {
                let current = policy.current_name(&component).clone();
                (current, SearchTarget::All(commit))
            });
            return Ok((None, targets.collect()));
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
            let components = self.list_concerned(commit).into_iter();
            touched.extend(components.map(|component| (component, SearchTarget::Change(commit))));
        }
        let commit = self
            .workspace
            .repository
            .read_commit(commit.0)
            .context(ErrorKind::CannotTell, cannot_read())?;
        Ok((read_subject(&commit), touched))
    }

    /// Returns the components of a commit that touches none: those that have files at the commit, and
    /// those that run.
    fn list_concerned(&self, commit: CommitId) -> BTreeSet<ComponentName> {
        let policy = &self.workspace.policy;
        let running = self.snapshot.state().components().into_keys();
        let running = running.map(|name| policy.current_name(name).clone());
        // If the content of a component is unknown, it is searched for like the others.
        let has_files = |name: &ComponentName| {
            let content = self.gatherer.content(policy, commit, name);
            content.map_or(true, |content| content.is_some())
        };
        let declared = policy.component_names().into_iter().filter(has_files);
        declared.chain(running).collect()
    }

    /// Searches one component for the change that a commit makes.
    pub fn find_change(
        &mut self,
        component: &ComponentName,
        commit: CommitId,
    ) -> Result<ComponentAnswer, CliError> {
        self.find(component, SearchTarget::Change(commit))
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
        let Some(running) = self.find_running(component)? else {
            return Ok(ComponentAnswer::no(format!(
                "{} does not run it",
                self.snapshot.name()
            )));
        };
        let commit = target.commit();
        let content = self
            .gatherer
            .content(&self.workspace.policy, commit, component);
        if content.is_ok_and(|content| content.is_some() && content == running.content) {
            let repository = &self.workspace.repository;
            let is_ancestor = repository.is_ancestor(commit.0, running.commit.0);
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
        match self.search_history(component, target, running.commit) {
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
            let reverted = match target {
                SearchTarget::Change(commit) => {
                    self.find_revert(component, running, commit, commit)?
                }
                SearchTarget::All(_) => None,
            };
            return Ok(reverted.unwrap_or(ComponentAnswer::Yes {
                kind: MatchKind::History,
                cherry_picks: Vec::new(),
            }));
        }
        let needed = self.list_needed_commits(component, target, running)?;
        let deployed = self.path_commits.touching(component, running, commit)?;
        let matches = self.match_changes(&needed, &deployed.commits)?;
        let missing: Vec<Oid> = needed
            .iter()
            .filter(|id| !matches.contains_key(*id))
            .copied()
            .collect();
        if let (SearchTarget::Change(commit), Some(equivalent)) = (target, matches.get(&commit.0))
            && let Some(reverted) =
                self.find_revert(component, running, commit, CommitId(*equivalent))?
        {
            return Ok(reverted);
        }
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

    /// Returns the commits whose changes the running commit must have, newest first.
    ///
    /// # Errors
    ///
    /// Fails if the history cannot be read, or if there are too many such commits.
    fn list_needed_commits(
        &self,
        component: &ComponentName,
        target: SearchTarget,
        running: CommitId,
    ) -> crate::git::Result<Vec<Oid>> {
        match target {
            SearchTarget::Change(commit) => Ok(vec![commit.0]),
            SearchTarget::All(commit) => {
                let ahead = self.path_commits.touching(component, commit, running)?;
                if ahead.is_truncated {
                    return Err(Error::LimitExceeded {
                        what: "the number of commits to look for".to_owned(),
                        limit: SEARCH_LIMIT as u64,
                    });
                }
                Ok(ahead.commits)
            }
        }
    }

    /// Returns the answer if a later commit in the running history reverts a change. `searched` is the
    /// commit that the user named, and `deployed` the commit in the running history that makes the same
    /// change.
    fn find_revert(
        &self,
        component: &ComponentName,
        running: CommitId,
        searched: CommitId,
        deployed: CommitId,
    ) -> crate::git::Result<Option<ComponentAnswer>> {
        let repository = &self.workspace.repository;
        let later = |since: Oid| {
            let since = CommitId(since);
            Ok(self
                .path_commits
                .touching(component, running, since)?
                .commits)
        };
        let history = reverts::RevertSearch {
            repository,
            running: running.0,
            later: &later,
        };
        let revert = history.find(&[searched.0, deployed.0])?;
        let Some(revert) = revert else {
            return Ok(None);
        };
        let subject = read_subject(&repository.read_commit(revert)?);
        let subject = subject.map_or_else(String::new, |it| format!(" \"{it}\""));
        Ok(Some(ComponentAnswer::No {
            reason: format!("reverted by {}{subject}", revert.prefix(7)),
            reverted_by: Some(CommitId(revert)),
        }))
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
        self.compute_patch_ids(needed, Merges::Include)?;
        // The commits that a merge brought in are in the list individually.
        self.compute_patch_ids(deployed, Merges::Skip)?;
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

    /// Computes the missing patch ids of commits.
    fn compute_patch_ids(&mut self, ids: &[Oid], merges: Merges) -> crate::git::Result<()> {
        let repository = &self.workspace.repository;
        let mut commits: Vec<Commit> = Vec::new();
        for id in ids.iter().filter(|id| !self.patch_ids.contains_key(*id)) {
            let commit = repository.read_commit(*id)?;
            if merges == Merges::Include || commit.parents.len() <= 1 {
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

fn join_names<'n>(components: impl Iterator<Item = &'n ComponentName>) -> String {
    components
        .map(ComponentName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
