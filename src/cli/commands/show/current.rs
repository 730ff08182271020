//! Compares what the ledgers say about a commit with what each environment runs now.

use super::commit_reader::CommitReader;
use crate::cli::CliError;
use crate::cli::change_search::ChangeSearch;
use crate::cli::read_context::EnvironmentSnapshot;
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
        let search = ChangeSearch::new(self.workspace, snapshot, self.gatherer, self.history);
        let mut is_missing = false;
        for component in self.workspace.policy.component_names() {
            let is_deploying = runs
                .iter()
                .any(|run| run.component == component && run.state == RunState::Deploying);
            let running = snapshot.state().commit(&component);
            if is_deploying {
                continue;
            }
            // A commit that changes no component is searched in those that run.
            if !self.is_searched(&component)
                || self.changed_components.is_empty() && running.is_none()
            {
                self.mark_superseded(snapshot, &component, running, runs);
                continue;
            }
            match (search.find_change(&component, self.commit)?, running) {
                (ComponentAnswer::Yes { kind, .. }, Some(running)) => {
                    self.mark_running(snapshot, &component, running, kind, runs);
                }
                (
                    ComponentAnswer::CannotTell {
                        possibly_reverted_by: Some(revert),
                        ..
                    },
                    Some(running),
                ) => {
                    self.mark_running(snapshot, &component, running, MatchKind::History, runs);
                    mark_reverted(&component, RunState::PossiblyReverted, revert, runs);
                }
                (ComponentAnswer::No { reverted_by, .. }, running) => {
                    is_missing = true;
                    if let Some((revert, running)) = reverted_by.zip(running) {
                        self.mark_running(snapshot, &component, running, MatchKind::History, runs);
                        mark_reverted(&component, RunState::Reverted, revert, runs);
                    } else {
                        mark_ended(snapshot, &component, runs);
                    }
                }
                (ComponentAnswer::Yes { .. } | ComponentAnswer::CannotTell { .. }, _) => {}
            }
        }
        Ok(is_missing)
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

/// Marks the running row of a component as reverted, or as possibly reverted.
fn mark_reverted(
    component: &ComponentName,
    state: RunState,
    revert: CommitId,
    runs: &mut [RunRow],
) {
    let rows = runs.iter_mut().filter(|run| run.component == *component);
    for run in rows.filter(|run| run.state == RunState::Runs) {
        run.state = state;
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
