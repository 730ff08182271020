//! Why a hook could not judge a push at all. The decision is always "cannot tell", and nothing is
//! accepted.

use std::path::PathBuf;

use super::limits::{MAX_ENTRIES, MAX_UPDATES, TIME_LIMIT};
use super::ref_update::LineError;
use crate::git;

/// Why a hook could not judge.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// A line from git could not be read.
    #[error(transparent)]
    Line(#[from] LineError),
    /// A message of the proc-receive protocol could not be read.
    #[error("git and the hook do not understand each other: {0}")]
    Protocol(&'static str),
    /// The input from git could not be read, or the answer not be written.
    #[error("the connection to git broke off")]
    Connection(#[source] std::io::Error),
    /// The input is longer than that of any push that could be judged.
    #[error(
        "the push names more refs than are looked at: {0} MiB of them at most; push fewer at once"
    )]
    InputTooLong(usize),
    /// The push has too many updates to judge.
    #[error(
        "the push changes more than {MAX_UPDATES} ledgers, and branches and tags of environments: push fewer at once"
    )]
    TooManyUpdates,
    /// The push has too many entries.
    #[error("the push brings more than {MAX_ENTRIES} entries: push fewer at once")]
    TooManyEntries,
    /// The time limit has passed.
    #[error("it took longer than {} seconds: push less at once, or try again", TIME_LIMIT.as_secs())]
    TimedOut,
    /// The thread could not be started.
    #[error("the system has no room for another thread")]
    Thread(#[source] std::io::Error),
    /// The thread ended without a result.
    #[error("judging the push came to no end: this is a fault of git-deploy")]
    NoResult,
    /// The lock could not be taken in time.
    #[error("another push held the lock {} for too long: try again", .0.display())]
    LockTimeout(PathBuf),
    /// The lock file could not be used.
    #[error("the lock {} cannot be used", path.display())]
    Lock {
        /// Its file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Git failed.
    #[error(transparent)]
    Git(#[from] git::Error),
}
