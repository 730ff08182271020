//! Why an entry was not written.
//!
//! A refusal, a remote that says no, and a push of which nobody knows are kept apart: a caller must never take one for another.

use super::TRIES;
use crate::clock;
use crate::domain::entry::Statement;
use crate::domain::verdict::Verdict;
use crate::git::error::Error;
use crate::ledger::sync::SyncError;
use crate::signing::EntryError;
use crate::signing::sign::SignError;

/// Why an entry was not written.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The rules say no, or cannot tell.
    #[error("the rules do not allow it")]
    Refused(Box<Refusal>),
    /// The remote said no, in its own words.
    #[error("the remote refused the entry")]
    Rejected(Vec<String>),
    /// The remote could not establish what its rules ask, in its own words, and let nothing in.
    #[error("the remote cannot tell whether the entry may go in")]
    Doubted(Vec<String>),
    /// It may have been written, or not.
    #[error("the push got no answer, and the remote could not be asked whether the entry is there")]
    Unanswered(Vec<String>),
    /// Git could not push, in its own words, and the entry is not there.
    #[error("git could not push the entry")]
    Unpushed(Vec<String>),
    /// Others were always faster.
    #[error("the ledger moved {TRIES} times while this entry was being made")]
    Busy,
    /// The remote's ledgers could not be fetched or not be believed.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The statement breaks a bound or contradicts itself.
    #[error(transparent)]
    Invalid(#[from] crate::domain::entry::InvalidError),
    /// It could not be signed.
    #[error("the entry could not be signed")]
    Sign(#[from] SignError),
    /// What was signed does not verify.
    #[error(transparent)]
    Verify(#[from] EntryError),
    /// The entry that was just made does not read back.
    #[error(transparent)]
    Parse(#[from] crate::domain::entry::ParseError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] clock::RandomError),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] Error),
}

/// Why [`Writer::append`] stopped.
#[derive(Debug)]
pub enum Stopped<E> {
    /// The caller could not make its draft.
    Draft(E),
    /// The draft was made, and not written.
    Append(AppendError),
}

impl<E, T: Into<AppendError>> From<T> for Stopped<E> {
    fn from(error: T) -> Self {
        Self::Append(error.into())
    }
}

/// A refusal, with what was asked.
#[derive(Debug)]
pub struct Refusal {
    /// What would have been written.
    pub statement: Statement,
    /// Why not.
    pub verdict: Verdict,
}
