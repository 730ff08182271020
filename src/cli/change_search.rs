//! Searches for the changes of commits in what one environment runs: by history, by content, or as
//! another commit with the same change.
//!
//! Answers "no" only after examining everything that could prove a "yes". Otherwise the answer is
//! "cannot tell".

mod answers;
mod code_history;
mod reverts;
mod running;
mod search_target;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use answers::{answer_for_effect, answer_for_missing};
pub(super) use code_history::CodeHistory;
use reverts::{Effect, find_effect};
use search_target::{SEARCH_LIMIT, SearchTarget};

use crate::cli::read_context::EnvironmentSnapshot;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::id::{CommitId, Content, Oid};
use crate::domain::name::ComponentName;
use crate::git::Error;
use crate::ledger::facts::FactGatherer;
use crate::run::new_commits::read_subject;
use crate::view::contains::{ComponentAnswer, ComponentContainment, MatchKind};

/// Searches for changes in what one environment runs.
pub(super) struct ChangeSearch<'a> {
    workspace: &'a Workspace,
    snapshot: &'a EnvironmentSnapshot<'a>,
    gatherer: &'a FactGatherer<'a>,
    history: &'a CodeHistory<'a>,
}

/// The version of a component that an environment runs.
pub(super) struct RunningVersion {
    pub commit: CommitId,
    /// `None` if the component has no files at the commit.
    pub content: Option<Content>,
}

impl<'a> ChangeSearch<'a> {
    /// Creates a search in an environment.
    pub fn new(
        workspace: &'a Workspace,
        snapshot: &'a EnvironmentSnapshot<'a>,
        gatherer: &'a FactGatherer<'a>,
        history: &'a CodeHistory<'a>,
    ) -> Self {
        Self {
            workspace,
            snapshot,
            gatherer,
            history,
        }
    }
}

impl ChangeSearch<'_> {
    /// Searches every affected component. Also returns the subject of the commit, if `revision`
    /// names one.
    pub fn find_all(
        self,
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
    /// looks for that commit's change in the components that it changes, or if it changes none, in
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
        let changed = self
            .history
            .find_changed_components(commit)
            .context(ErrorKind::CannotTell, cannot_read())?
            .into_iter();
        let mut touched: BTreeMap<_, _> = changed
            .map(|component| (component, SearchTarget::Change(commit)))
            .collect();
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
        &self,
        component: &ComponentName,
        commit: CommitId,
    ) -> Result<ComponentAnswer, CliError> {
        self.find(component, SearchTarget::Change(commit))
    }

    /// Searches one component: first compares contents, which is fast, and then searches the
    /// history.
    fn find(
        &self,
        component: &ComponentName,
        target: SearchTarget,
    ) -> Result<ComponentAnswer, CliError> {
        let state = self.snapshot.state();
        let cannot_tell = |reason: String| Ok(ComponentAnswer::cannot_tell(reason));
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
        let found = match target {
            SearchTarget::Change(commit) => self.search_change(component, commit, running.commit),
            SearchTarget::All(commit) => self.search_all(component, commit, running.commit),
        };
        match found {
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

    /// Searches the history for a single change in a component whose content differs.
    fn search_change(
        &self,
        component: &ComponentName,
        commit: CommitId,
        running: CommitId,
    ) -> crate::git::Result<ComponentAnswer> {
        let repository = &self.workspace.repository;
        if repository.is_ancestor(commit.0, running.0)? {
            let effect = find_effect(self.history, component, running.0, commit.0, None)?;
            return answer_for_effect(repository, effect, MatchKind::History, Vec::new());
        }
        let same = self
            .history
            .find_same_change(commit.0, component, running.0, commit.0)?;
        // Prefers the original commit to a merge that brought it.
        let mut matches = Vec::new();
        for id in same.commits.into_iter().rev() {
            matches.push((repository.read_commit(id)?.parents.len() > 1, id));
        }
        matches.sort_by_key(|(is_merge, _)| *is_merge);
        let mut not_in_effect = None;
        for (_, id) in matches {
            let effect = find_effect(self.history, component, running.0, id, Some(commit.0))?;
            let is_in_effect = effect == Effect::Kept;
            let picks = vec![CommitId(id)];
            let answer = answer_for_effect(repository, effect, MatchKind::Patch, picks)?;
            if is_in_effect {
                return Ok(answer);
            }
            // A "no" needs that all of them are reverted.
            let is_unclear = matches!(answer, ComponentAnswer::CannotTell { .. });
            if is_unclear || not_in_effect.is_none() {
                not_in_effect = Some(answer);
            }
        }
        let is_truncated = same.is_truncated;
        Ok(not_in_effect.filter(|_| !is_truncated).unwrap_or_else(|| {
            let target = SearchTarget::Change(commit);
            answer_for_missing(target, running, &[commit.0], is_truncated)
        }))
    }

    /// Searches the history for everything in the history of a commit, in a component whose content
    /// differs.
    fn search_all(
        &self,
        component: &ComponentName,
        commit: CommitId,
        running: CommitId,
    ) -> crate::git::Result<ComponentAnswer> {
        let (history, repository) = (self.history, &self.workspace.repository);
        if repository.is_ancestor(commit.0, running.0)? {
            return Ok(ComponentAnswer::Yes {
                kind: MatchKind::History,
                cherry_picks: Vec::new(),
            });
        }
        let needed = history.list_touching_commits(component, commit, running)?;
        if needed.is_truncated {
            return Err(Error::LimitExceeded {
                what: "the number of commits to look for".to_owned(),
                limit: SEARCH_LIMIT as u64,
            });
        }
        let deployed = history.list_touching_commits(component, running, commit)?;
        let mut is_truncated = false;
        let mut matches = self.match_changes(&needed.commits, &deployed.commits)?;
        let mut missing = needed.commits;
        missing.retain(|id| !matches.contains_key(id));
        // Almost all equal commits are equal as a whole. Others are the equal of a merge, or equal only
        // in this component, so the newest missing commit is looked for by itself.
        while let Some(newest) = missing.first().copied() {
            let same = history.find_same_change(newest, component, running.0, commit.0)?;
            is_truncated = same.is_truncated;
            let Some(equivalent) = same.commits.last() else {
                break;
            };
            matches.insert(newest, *equivalent);
            missing.remove(0);
        }
        if !missing.is_empty() {
            let target = SearchTarget::All(commit);
            return Ok(answer_for_missing(target, running, &missing, is_truncated));
        }
        let kind = if matches.is_empty() {
            MatchKind::History
        } else {
            MatchKind::Patch
        };
        Ok(ComponentAnswer::Yes {
            kind,
            cherry_picks: matches.into_values().map(CommitId).collect(),
        })
    }

    /// Maps needed commits to deployed commits that make the same change. Leaves out needed
    /// commits without such a match.
    fn match_changes(
        &self,
        needed: &[Oid],
        deployed: &[Oid],
    ) -> crate::git::Result<BTreeMap<Oid, Oid>> {
        if needed.is_empty() || deployed.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.history
            .compute_patch_ids(needed.iter().chain(deployed))?;
        let by_patch: HashMap<String, Oid> = deployed
            .iter()
            .filter_map(|id| Some((self.history.patch_id(*id)?, *id)))
            .collect();
        let find_match = |id: &Oid| by_patch.get(&self.history.patch_id(*id)?).copied();
        Ok(needed
            .iter()
            .filter_map(|id| Some((*id, find_match(id)?)))
            .collect())
    }
}

fn join_names<'n>(components: impl Iterator<Item = &'n ComponentName>) -> String {
    components
        .map(ComponentName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
