//! Why a sync failed, and what can be wrong with a remote's ledger.

use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::verdict::{Decision, Verdict};
use crate::git::error::{Error, Result};
use crate::git::repo::Repository;

/// Why a sync failed.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The remote has another project than the one this clone trusts.
    #[error("the remote's ledgers belong to the project {found}, but this clone trusts {pinned}")]
    OtherProject {
        /// The pinned project.
        pinned: EntryId,
        /// The remote's project.
        found: EntryId,
    },
    /// The ledgers in this repository belong to another project than the one it trusts.
    #[error("the ledgers here belong to the project {found}, but this clone trusts {pinned}")]
    OtherLocalProject {
        /// The pinned project.
        pinned: EntryId,
        /// The project of the refs.
        found: EntryId,
    },
    /// Some of the ledgers in this repository are not verified, so nothing is decided on them.
    #[error("not verified here: {}", list_ledgers(.0))]
    Local(Vec<LedgerProblem>),
    /// The pin cannot be read.
    #[error("deploy.root in git's configuration is not a project's id: {0:?}")]
    Pin(String),
    /// Some of the remote's ledgers are not accepted.
    #[error("some of the remote's ledgers are not accepted, so nothing is written to them")]
    Problems(Vec<LedgerProblem>),
    /// The remote's ledgers cannot be verified in a shallow clone. The remote is not at fault.
    #[error(
        "this clone is shallow: the remote's ledgers cannot be verified without the missing history"
    )]
    Shallow(Vec<LedgerProblem>),
    /// Nothing could be fetched.
    #[error("cannot fetch from {remote}")]
    Fetch {
        /// The remote.
        remote: String,
        /// Git's error.
        source: Error,
    },
    /// Git failed.
    #[error(transparent)]
    Git(#[from] Error),
}

impl SyncError {
    /// Returns the error as one of git access, for callers that only report it.
    pub fn into_git(self) -> Error {
        match self {
            Self::Git(error) => error,
            other => Error::Unverified(other.to_string()),
        }
    }
}

/// Lists the ledgers of problems.
fn list_ledgers(problems: &[LedgerProblem]) -> String {
    let names: Vec<&str> = problems.iter().map(|it| it.ledger.as_str()).collect();
    names.join(", ")
}

/// A problem with a remote's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerProblem {
    /// The ledger.
    pub ledger: LedgerName,
    /// The tip that this clone keeps.
    pub kept_tip: Option<EntryId>,
    /// The remote's tip.
    pub remote_tip: Option<EntryId>,
    /// What is wrong.
    pub fault: LedgerFault,
}

impl LedgerProblem {
    /// Checks whether the ledger is only undecided: a rule lacks a fact, as in a shallow clone.
    pub fn is_undecided(&self) -> bool {
        matches!(&self.fault, LedgerFault::Unverified { verdict, .. } if verdict.decision() == Decision::CannotTell)
    }

    /// Returns the last valid tip: the one before the first invalid entry, or the tip that this
    /// clone keeps. `None` if the ledger has no valid entry.
    pub fn last_valid_tip(&self, repository: &Repository) -> Result<Option<EntryId>> {
        let LedgerFault::Unverified { id, .. } = &self.fault else {
            return Ok(self.kept_tip);
        };
        let Some(before) = repository.first_parent(id.0)? else {
            return Ok(self.kept_tip);
        };
        // A genesis is no entry.
        let is_entry = repository.first_parent(before)?.is_some();
        Ok(is_entry.then_some(EntryId(before)).or(self.kept_tip))
    }
}

/// What can be wrong with a remote's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerFault {
    /// The remote no longer has the ledger.
    Deleted,
    /// The remote's tip does not follow our tip.
    Rewound,
    /// An entry does not verify.
    Unverified {
        /// The first such commit.
        id: EntryId,
        /// The result of the rules.
        verdict: Box<Verdict>,
    },
}
