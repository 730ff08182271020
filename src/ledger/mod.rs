//! Ledgers as they lie in git: genesis, entries, the trees that are their state.
//!
//! What is read here is parsed, never believed: signatures, rules and places are checked by `judge`.

pub mod audit;
mod cache;
pub mod chain;
pub mod deployment_history;
pub mod entry_validator;
pub mod facts;
mod genesis;
mod link;
pub mod notes;
pub mod recovery;
mod state_reader;
pub mod sync;
pub mod writer;

use std::collections::BTreeMap;

pub use genesis::{Project, genesis_bytes, project_bytes};
pub use link::{Link, Links, commit_bytes};
pub use state_reader::{POLICY_LIMIT, StateReader};

use super::git::error::{Error, Result};
use super::git::repo::Repository;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;

/// The prefix of every ledger's ref.
pub const PREFIX: &str = "refs/deploy/";
/// Where fetched ledgers wait until they are verified.
pub const INCOMING: &str = "refs/deploy-incoming/";

/// The tip of each ledger that exists.
pub type Tips = BTreeMap<LedgerName, EntryId>;

impl Repository {
    /// The tips of all ledgers. A ref below `refs/deploy/` whose name is no ledger's is an error: nobody but a bypass puts it there.
    pub fn tips(&self) -> Result<Tips> {
        self.tips_below(PREFIX)
    }

    /// The tips of the ledgers below another prefix.
    pub fn tips_below(&self, prefix: &str) -> Result<Tips> {
        let ledger = |(name, id): (String, _)| {
            let short = name.strip_prefix(prefix).unwrap_or(&name);
            let ledger = short.parse().map_err(|_| Error::Ref {
                name: name.clone(),
                why: "no ledger has this name",
            })?;
            Ok((ledger, EntryId(id)))
        };
        self.list_refs(prefix)?.into_iter().map(ledger).collect()
    }

    /// The tip of one ledger.
    pub fn tip(&self, ledger: &LedgerName) -> Result<Option<EntryId>> {
        Ok(self.read_ref(&ledger.reference())?.map(EntryId))
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
