//! Ledgers as stored in git: a genesis, entries, and trees that hold the state.
//!
//! Reading a ledger parses it but proves nothing: [`entry_validator`] checks signatures, rules and
//! positions.

pub mod audit;
mod cache;
pub mod chain;
mod commit_movement;
pub mod deployment_history;
mod entry_files;
mod entry_notes;
pub mod entry_validator;
pub mod facts;
mod genesis;
mod ledger_commit;
mod missing_tags;
pub mod notes;
pub mod notes_sync;
mod policy_in_force;
pub mod recovery;
mod state_reader;
pub mod sync;
mod tree_after;
mod validation_types;
pub mod writer;
pub mod yank_coverage;

use std::collections::BTreeMap;

pub use commit_movement::{CommitMovement, MovedCommits, MovementKind, MovementReader};
pub use genesis::{Project, genesis_bytes, project_genesis_bytes};
pub use ledger_commit::{LedgerCommit, entry_commit_bytes};
pub use state_reader::{POLICY_LIMIT, StateReader};

use super::git::error::{Error, Result};
use super::git::repo::Repository;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;

/// The prefix of every ledger's ref.
pub const PREFIX: &str = "refs/deploy/";
/// The prefix of the refs that hold fetched ledgers until they are verified.
pub const INCOMING: &str = "refs/deploy-incoming/";

/// The tip of each existing ledger.
pub type Tips = BTreeMap<LedgerName, EntryId>;

impl Repository {
    /// Returns the tips of all ledgers. A ref below `refs/deploy/` with an invalid name is an
    /// error: only bypassing this program creates one.
    pub fn tips(&self) -> Result<Tips> {
        self.tips_below(PREFIX)
    }

    /// Returns the tips of the ledgers below another prefix.
    pub fn tips_below(&self, prefix: &str) -> Result<Tips> {
        let parse_tip = |(name, id): (String, _)| {
            let short = name.strip_prefix(prefix).unwrap_or(&name);
            let ledger = short.parse().map_err(|_| Error::InvalidRef {
                name: name.clone(),
                why: "this is not the name of a ledger",
            })?;
            Ok((ledger, EntryId(id)))
        };
        self.list_refs(prefix)?.into_iter().map(parse_tip).collect()
    }

    /// Returns the tip of one ledger, or `None` if it does not exist.
    pub fn tip(&self, ledger: &LedgerName) -> Result<Option<EntryId>> {
        Ok(self.read_ref(&ledger.ref_name())?.map(EntryId))
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
