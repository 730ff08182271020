//! Checks at the remote, before each step, that a run still belongs to this process.

use std::time::Duration;

use super::runner::{DeployRunner, StartedRun};
use crate::cli::ledger_problems::describe_problem;
use crate::clock::Stopwatch;
use crate::domain::state::{Scope, State};
use crate::ledger::StateReader;
use crate::ledger::sync::{SyncError, sync_usable};
use crate::run::execute::StopReason;

/// How long the result of one check stays valid.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The number of retries before the remote counts as unreachable.
const RETRIES: u32 = 4;

/// Checks repeatedly whether this process still owns the run.
pub(super) struct RunOwnership<'a> {
    runner: &'a DeployRunner<'a>,
    run: &'a StartedRun,
    last_check: Stopwatch,
}

impl<'a> RunOwnership<'a> {
    pub(super) fn new(runner: &'a DeployRunner<'a>, run: &'a StartedRun) -> Self {
        // The start entry was accepted a moment ago, which counts as a check.
        Self {
            runner,
            run,
            last_check: Stopwatch::start(),
        }
    }

    /// Checks that this process still owns the run.
    ///
    /// # Errors
    ///
    /// Fails if another client has taken the run over or ended it, or if the remote does not
    /// answer.
    pub(super) fn check(&mut self) -> Result<(), StopReason> {
        if self.last_check.elapsed() < CHECK_INTERVAL {
            return Ok(());
        }
        let state = self.read_state()?;
        let env_state = self.runner.env.state_in(&state);
        match env_state.run(self.run.sequence) {
            Some(run) if run.id() == Some(self.run.run) => {
                self.last_check = Stopwatch::start();
                Ok(())
            }
            Some(run) => Err(StopReason::TakenOver(format!(
                "{} has taken over the run",
                run.owner.statement.by
            ))),
            None => Err(StopReason::TakenOver(
                "another process has ended it".to_owned(),
            )),
        }
    }

    fn read_state(&self) -> Result<State, StopReason> {
        let mut retries = 0;
        loop {
            match self.try_read_state() {
                Err(_) if retries < RETRIES => {
                    std::thread::sleep(Duration::from_millis(500 << retries));
                    retries += 1;
                }
                result => return result.map_err(StopReason::OwnerUnknown),
            }
        }
    }

    fn try_read_state(&self) -> Result<State, String> {
        let (workspace, ledger) = (self.runner.workspace, self.runner.env.ledger());
        let repository = &workspace.repository;
        if let Some(remote) = &workspace.remote {
            let synced = sync_usable(repository, remote).map_err(|error| error.to_string())?;
            if let Some(problem) = synced.problem_of(ledger) {
                return Err(describe_problem(problem));
            }
        }
        let read = || {
            let ledgers = repository.local_ledgers().map_err(SyncError::into_git)?;
            let Some(tip) = ledgers.tip(ledger)? else {
                return Ok(State::empty());
            };
            let tree = repository.read_commit(tip.0)?.tree;
            let scope = if self.runner.env.member().is_some() {
                Scope::All
            } else {
                Scope::Components([].into())
            };
            StateReader::for_display(repository).load(tree, ledger, &scope)
        };
        read().map_err(|error: crate::git::Error| error.to_string())
    }
}
