//! Compares what the ledgers say about a commit with what each environment runs now.

use std::collections::BTreeSet;

use super::commit_reader::CommitReader;
use crate::cli::change_search::ChangeSearch;
use crate::cli::read_context::EnvironmentSnapshot;
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::entry::VerificationResult;
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::view::contains::{ComponentAnswer, MatchKind};
use crate::view::deployment_details::DeploymentDetails;
use crate::view::show::{IncludedWith, RunRow, RunState};

impl CommitReader<'_> {
    /// Corrects the rows of an environment by what it runs now, so that they agree with
    /// `git deploy contains`: a later commit can contain this one, and another one can revert it.
    /// Returns whether a component that the commit touches lacks the commit.
    pub(super) fn compare_with_running(
        &self,
        snapshot: &EnvironmentSnapshot<'_>,
        runs: &mut Vec<RunRow>,
    ) -> Result<bool, CliError> {
        let mut search = ChangeSearch::new(self.workspace, snapshot, self.gatherer);
        let mut is_missing = false;
        let searched = self.find_searched_components(snapshot)?;
        for component in self.workspace.policy.component_names() {
            let touches = searched.contains(&component);
            let is_deploying = runs
                .iter()
                .any(|run| run.component == component && run.state == RunState::Deploying);
            let running = snapshot.state().commit(&component);
            if is_deploying {
                continue;
            }
            if !touches {
                self.mark_superseded(snapshot, &component, running, runs);
                continue;
            }
            match (search.find_change(&component, self.commit)?, running) {
                (ComponentAnswer::Yes { kind, .. }, Some(running)) => {
                    self.mark_running(snapshot, &component, running, kind, runs);
                }
                (ComponentAnswer::No { reverted_by, .. }, running) => {
                    is_missing = true;
                    if let Some((revert, running)) = reverted_by.zip(running) {
                        self.mark_running(snapshot, &component, running, MatchKind::History, runs);
                        mark_reverted(&component, revert, runs);
                    } else {
                        mark_ended(snapshot, &component, runs);
                    }
                }
                (ComponentAnswer::Yes { .. } | ComponentAnswer::CannotTell { .. }, _) => {}
            }
        }
        Ok(is_missing)
    }

    /// Returns the components in which the commit is searched: those that it touches, or if it touches
    /// none, those that run.
    fn find_searched_components(
        &self,
        snapshot: &EnvironmentSnapshot<'_>,
    ) -> Result<BTreeSet<ComponentName>, CliError> {
        let mut searched = BTreeSet::new();
        for component in self.workspace.policy.component_names() {
            let touches = self.path_commits.touches(self.commit, &component);
            let touches = touches.context(
                ErrorKind::CannotTell,
                format!("cannot read what {} changes", self.commit.short()),
            )?;
            if touches {
                searched.insert(component);
            }
        }
        if searched.is_empty() {
            searched.extend(snapshot.state().components().into_keys().cloned());
        }
        Ok(searched)
    }

    /// Marks a component that the commit does not touch and that ran it as running it still, if its
    /// running commit contains the commit.
    fn mark_superseded(
        &self,
        snapshot: &EnvironmentSnapshot<'_>,
        component: &ComponentName,
        running: Option<CommitId>,
        runs: &mut Vec<RunRow>,
    ) {
        let has_run = runs
            .iter()
            .any(|run| run.component == *component && run.state == RunState::Ran);
        let repository = &self.workspace.repository;
        if let Some(running) = running.filter(|_| has_run)
            && matches!(repository.is_ancestor(self.commit.0, running.0), Ok(true))
        {
            self.mark_running(snapshot, component, running, MatchKind::History, runs);
        }
    }

    /// Marks the commit as running inside the running commit, unless a row already says that it runs.
    fn mark_running(
        &self,
        snapshot: &EnvironmentSnapshot<'_>,
        component: &ComponentName,
        running: CommitId,
        kind: MatchKind,
        runs: &mut Vec<RunRow>,
    ) {
        let with = (running != self.commit).then_some(IncludedWith {
            commit: running,
            kind,
        });
        let mut rows = runs.iter_mut().filter(|run| run.component == *component);
        if let Some(run) = rows.find(|run| matches!(run.state, RunState::Runs | RunState::Ran)) {
            if run.state == RunState::Ran {
                run.state = RunState::Runs;
                run.with = with;
                run.to = None;
            }
            return;
        }
        let Some(live) = snapshot.state().live_entry(component) else {
            return;
        };
        runs.push(RunRow {
            component: component.clone(),
            state: RunState::Runs,
            with,
            reverted_by: None,
            from: live.statement.at,
            to: None,
            verification: snapshot
                .state()
                .newest_verification(component)
                .unwrap_or(VerificationResult::None),
            by: live.statement.by.clone(),
            details: DeploymentDetails::default(),
        });
    }
}

/// Marks the running row of a component as reverted.
fn mark_reverted(component: &ComponentName, revert: CommitId, runs: &mut [RunRow]) {
    let rows = runs.iter_mut().filter(|run| run.component == *component);
    for run in rows.filter(|run| run.state == RunState::Runs) {
        run.state = RunState::Reverted;
        run.reverted_by = Some(revert);
    }
}

/// Marks the row of a later commit that contains this one as ended, because the component no longer
/// runs it.
fn mark_ended(snapshot: &EnvironmentSnapshot<'_>, component: &ComponentName, runs: &mut [RunRow]) {
    let end = snapshot.state().live_entry(component);
    let rows = runs.iter_mut().filter(|run| run.component == *component);
    for run in rows.filter(|run| run.state == RunState::Runs && run.with.is_some()) {
        run.state = RunState::Ran;
        run.to = end.map(|entry| entry.statement.at);
    }
}
