//! Ledgers as stored in git: a genesis, entries, and trees that hold the state.
//!
//! Reading a ledger parses it but proves nothing: [`entry_validator`] checks signatures, rules and
//! positions.

pub mod audit;
mod cache;
pub mod chain;
mod commit_movement;
pub mod deployment_history;
pub mod ended_deployments;
mod entry_files;
mod entry_notes;
pub mod entry_validator;
pub mod facts;
mod genesis;
mod ledger_commit;
pub mod ledger_refs;
pub mod local_ledgers;
mod missing_tags;
pub mod notes;
pub mod notes_sync;
mod policy_in_force;
pub mod recovery;
mod state_reader;
pub mod sync;
mod tree_after;
mod validation_types;
mod verified_tips;
pub mod writer;
pub mod yank_coverage;

use std::collections::BTreeMap;

pub use commit_movement::{CommitMovement, MovedCommits, MovementKind, MovementReader};
pub use genesis::{Project, genesis_bytes, project_genesis_bytes};
pub use ledger_commit::{LedgerCommit, entry_commit_bytes};
pub use state_reader::{POLICY_LIMIT, StateReader};

use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;

/// The prefix of every ledger's ref.
pub const PREFIX: &str = "refs/deploy/";
/// The prefix of the refs that hold fetched ledgers until they are verified.
pub const INCOMING: &str = "refs/deploy-incoming/";

/// The tip of each existing ledger.
pub type Tips = BTreeMap<LedgerName, EntryId>;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
