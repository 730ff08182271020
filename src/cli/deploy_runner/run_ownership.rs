//! Checks at the remote, before each step, that a run still belongs to this process.

use std::time::Duration;

use super::{Begun, Deploying};
use crate::clock::Stopwatch;
use crate::domain::state::{Scope, State};
use crate::ledger::StateReader;
use crate::ledger::sync::sync;
use crate::run::execute::Lost;

/// How long the result of one check stays valid.
const FRESH: Duration = Duration::from_secs(1);
/// How many times the remote is asked again before it counts as unreachable.
const TRIES: u32 = 4;

/// Checks repeatedly whether this process still owns the run.
pub(super) struct Ours<'a> {
    of: &'a Deploying<'a>,
    begun: &'a Begun,
    looked: Stopwatch,
}

impl<'a> Ours<'a> {
    pub(super) fn new(of: &'a Deploying<'a>, begun: &'a Begun) -> Self {
        // The start was accepted a moment ago.
        Self {
            of,
            begun,
            looked: Stopwatch::start(),
        }
    }

    /// Checks that this process still owns the run.
    ///
    /// # Errors
    ///
    /// Fails if another client has taken the run over or ended it, or if the remote does not
    /// answer.
    pub(super) fn look(&mut self) -> Result<(), Lost> {
        if self.looked.elapsed() < FRESH {
            return Ok(());
        }
        let state = self.state()?;
        let here = state.environment(self.of.place.named.as_ref());
        match here.run(self.begun.sequence) {
            Some(run) if run.id() == Some(self.begun.run) => {
                self.looked = Stopwatch::start();
                Ok(())
            }
            Some(run) => Err(Lost::Taken(format!(
                "{} has taken it over",
                run.owner.statement.by
            ))),
            None => Err(Lost::Taken("somebody has ended it".to_owned())),
        }
    }

    fn state(&self) -> Result<State, Lost> {
        let mut tries = 0;
        loop {
            match self.try_state() {
                Err(_) if tries < TRIES => {
                    std::thread::sleep(Duration::from_millis(500 << tries));
                    tries += 1;
                }
                result => return result.map_err(Lost::Unknown),
            }
        }
    }

    fn try_state(&self) -> Result<State, String> {
        let (workspace, ledger) = (self.of.workspace, &self.of.place.ledger);
        let repository = &workspace.repository;
        if let Some(remote) = &workspace.remote {
            sync(repository, remote).map_err(|error| error.to_string())?;
        }
        let read = || {
            let Some(tip) = repository.tip(ledger)? else {
                return Ok(State::empty());
            };
            let tree = repository.read_commit(tip.0)?.tree;
            let scope = if self.of.place.named.is_some() {
                Scope::All
            } else {
                Scope::Components([].into())
            };
            StateReader::to_show(repository).load(tree, ledger, &scope)
        };
        read().map_err(|error: crate::git::Error| error.to_string())
    }
}
