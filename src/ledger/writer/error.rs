//! Why an entry was not written.
//!
//! The rules' refusal, the remote's refusal, and a push with an unknown outcome are separate
//! variants: a caller must not confuse them.

use crate::clock;
use crate::domain::entry::Statement;
use crate::domain::verdict::Verdict;
use crate::git::error::Error;
use crate::ledger::sync::SyncError;
use crate::signing::EntrySignatureError;
use crate::signing::sign::SignError;

/// The largest number of attempts after lost races. Each begins with a fetch, so even on a busy
/// ledger every writer succeeds with fewer.
pub(super) const ATTEMPT_LIMIT: u32 = 60;

/// Why an entry was not written.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The rules refuse the entry, or cannot decide.
    #[error("the rules do not allow it")]
    Refused(Box<RefusedEntry>),
    /// The remote refused the entry, with these messages.
    #[error("the remote refused the entry")]
    RemoteRefused(Vec<String>),
    /// The remote could not decide and accepted nothing. These are its messages.
    #[error("the remote cannot tell whether the entry is allowed")]
    RemoteUndecided(Vec<String>),
    /// The outcome of the push is unknown. These are git's messages.
    #[error("the remote did not answer the push, and could not be asked whether it has the entry")]
    Unanswered(Vec<String>),
    /// Git could not push, and the remote does not have the entry. These are git's messages.
    #[error("git could not push the entry")]
    PushFailed(Vec<String>),
    /// Other writers were always faster.
    #[error("the ledger moved {ATTEMPT_LIMIT} times while this entry was being written")]
    Busy,
    /// The remote's ledgers could not be fetched or were not accepted.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The statement exceeds a limit or contradicts itself.
    #[error(transparent)]
    Invalid(#[from] crate::domain::entry::InvalidError),
    /// The entry could not be signed.
    #[error("the entry could not be signed")]
    Sign(#[from] SignError),
    /// The new signature does not verify.
    #[error(transparent)]
    Verify(#[from] EntrySignatureError),
    /// The new entry cannot be parsed again.
    #[error(transparent)]
    Parse(#[from] crate::domain::entry::ParseError),
    /// No random numbers are available.
    #[error(transparent)]
    Random(#[from] clock::RandomError),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] Error),
}

/// Why `LedgerWriter::append` failed.
#[derive(Debug)]
pub enum AppendFailure<E> {
    /// The caller could not make its draft.
    Draft(E),
    /// The draft was made, but not written.
    Append(AppendError),
}

impl<E, T: Into<AppendError>> From<T> for AppendFailure<E> {
    fn from(error: T) -> Self {
        Self::Append(error.into())
    }
}

/// A refused entry.
#[derive(Debug)]
pub struct RefusedEntry {
    /// The statement of the entry.
    pub statement: Statement,
    /// The result of the rules.
    pub verdict: Verdict,
}
