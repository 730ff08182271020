//! Why a sync failed, and what can be wrong with a remote's ledger.

use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::verdict::{Decision, Verdict};
use crate::git::error::Error;
use crate::ledger::Tips;
use crate::ledger::ledger_refs::BrokenLedgerRef;

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
    /// The tip that this clone keeps: the last valid entry, or the tip that it had before.
    pub kept_tip: Option<EntryId>,
    /// The remote's tip, which can be any object.
    pub remote_tip: Option<EntryId>,
    /// What is wrong.
    pub fault: LedgerFault,
}

impl LedgerProblem {
    /// Returns the problems of ledgers whose refs are broken. `tips` are those that are kept.
    pub(in crate::ledger) fn of_broken_refs(
        broken: Vec<BrokenLedgerRef>,
        tips: &Tips,
    ) -> impl Iterator<Item = Self> {
        broken.into_iter().map(|broken| Self {
            kept_tip: tips.get(&broken.ledger).copied(),
            remote_tip: None,
            ledger: broken.ledger,
            fault: LedgerFault::Broken {
                why: broken.why,
                removal: broken.removal,
            },
        })
    }

    /// Checks whether the ref of the ledger in this repository is broken.
    pub fn is_broken(&self) -> bool {
        matches!(self.fault, LedgerFault::Broken { .. })
    }

    /// Checks whether the ledger is only undecided: a rule lacks a fact, as in a shallow clone, or
    /// its ref in this repository cannot be read.
    pub fn is_undecided(&self) -> bool {
        match &self.fault {
            LedgerFault::Unverified { verdict, .. } => verdict.decision() == Decision::CannotTell,
            LedgerFault::NotALedger { is_undecided, .. } => *is_undecided,
            LedgerFault::Broken { .. } => true,
            _ => false,
        }
    }

    /// Checks whether the last valid tip can replace the remote's tip.
    ///
    /// An entry that depends on another ledger may be valid, so it is not replaced.
    pub fn is_repairable(&self) -> bool {
        let is_replaceable = match &self.fault {
            LedgerFault::Deleted | LedgerFault::Rewound => true,
            LedgerFault::Unverified { .. } | LedgerFault::NotALedger { .. } => !self.is_undecided(),
            LedgerFault::Dependent { .. }
            | LedgerFault::Incomplete { .. }
            | LedgerFault::Broken { .. } => false,
        };
        is_replaceable && self.kept_tip.is_some()
    }
}

/// What can be wrong with a remote's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerFault {
    /// The remote no longer has the ledger.
    Deleted,
    /// The remote's tip does not follow our tip.
    Rewound,
    /// The ref in this repository is broken. It says where the ledger ends, here or on the remote.
    Broken {
        /// What is wrong, with the ref's name.
        why: String,
        /// The command that removes the ref.
        removal: Option<String>,
    },
    /// The remote's ref is not a ledger of this project.
    NotALedger {
        /// Why not.
        why: String,
        /// Whether it could not be read completely, so that it may be a ledger.
        is_undecided: bool,
    },
    /// An entry does not verify.
    Unverified {
        /// The first such commit.
        id: EntryId,
        /// The result of the rules.
        verdict: Box<Verdict>,
    },
    /// An entry names an entry of another ledger that is not accepted.
    Dependent {
        /// The first such commit.
        id: EntryId,
        /// The other ledger.
        on: LedgerName,
        /// The entry of the other ledger.
        named: EntryId,
    },
    /// A signed entry of another ledger names an entry that this one lacks: it was deleted, rewound
    /// or replaced before this clone fetched it.
    Incomplete {
        /// The entry.
        lacked: EntryId,
        /// The other ledger.
        named_by: LedgerName,
    },
}
