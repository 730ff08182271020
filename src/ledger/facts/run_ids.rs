//! The ids of a run that is resumed: that of its start, and those of its resumes.
//!
//! The state stores only the newest resume. The state before a resume stores the one before it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{FactGatherer, describe_error};
use crate::domain::entry::{Action, RunStep, Statement, StoredEntry};
use crate::domain::id::{EntryId, RunId};
use crate::domain::rules::Facts;
use crate::domain::state::{EnvState, Slot, SlotKey};
use crate::git::error::{Error, Result};
use crate::git::tree::{Leaf, TreeItem};

impl FactGatherer<'_> {
    /// Gathers the ids that a run had, if the statement resumes one that is open.
    pub(super) fn gather_run_ids(&self, statement: &Statement, facts: &mut Facts) {
        let (Action::Resume(resume), Some(Ok(state))) = (&statement.action, &facts.state) else {
            return;
        };
        let env_state = state.environment_of(statement);
        facts.run_ids = Some(
            self.read_run_ids(statement, env_state, resume.start)
                .map_err(|error| describe_error(&error)),
        );
    }

    fn read_run_ids(
        &self,
        statement: &Statement,
        env_state: EnvState<'_>,
        start: u64,
    ) -> Result<BTreeSet<RunId>> {
        let mut ids = BTreeSet::new();
        let Some(run) = env_state.run(start) else {
            return Ok(ids);
        };
        let slot = Slot {
            environment: statement.environment.clone(),
            key: SlotKey::RunOwner(start),
        };
        let path = slot.to_string();
        let mut owner = run.owner.clone();
        loop {
            ids.extend(owner.statement.action.run_step().map(RunStep::run));
            if owner.statement.sequence == start {
                return Ok(ids);
            }
            let before = owner.statement.previous;
            let earlier = self.read_owner(before, &path)?;
            if earlier.statement.sequence >= owner.statement.sequence {
                return Err(corrupt(before, format!("{path} is a later entry")));
            }
            owner = earlier;
        }
    }

    /// Reads the start or resume that owned a run after a ledger commit.
    fn read_owner(&self, id: EntryId, path: &str) -> Result<Arc<StoredEntry>> {
        let tree = self.repository.read_commit(id.0)?.tree;
        match self.repository.item_at(tree, path)? {
            Some(TreeItem::Leaf(Leaf::Blob(blob))) => self
                .repository
                .read_stored_entry(blob, &|why| corrupt(id, why)),
            _ => Err(corrupt(id, format!("{path} is not a file"))),
        }
    }
}

fn corrupt(id: EntryId, why: impl Into<String>) -> Error {
    Error::corrupt(format!("the state at {id}"), why)
}
