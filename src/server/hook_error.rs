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
    #[error("git's input does not follow the protocol: {0}")]
    Protocol(&'static str),
    /// The input from git could not be read, or the answer could not be written.
    #[error("the connection to git broke off")]
    Connection(#[source] std::io::Error),
    /// The input exceeds the limit.
    #[error("the push has too many refs: their names take more than {0} MiB; push fewer at once")]
    InputTooLong(usize),
    /// The push has too many updates to judge.
    #[error(
        "the push changes more than {MAX_UPDATES} ledgers, environment branches and environment tags: push fewer at once"
    )]
    TooManyUpdates,
    /// The push has too many entries.
    #[error("the push has more than {MAX_ENTRIES} new entries: push fewer at once")]
    TooManyEntries,
    /// The time limit has passed.
    #[error("checking the push took longer than {} seconds: push less at once, or try again", TIME_LIMIT.as_secs())]
    TimedOut,
    /// The thread that judges under the time limit could not be started.
    #[error("the system could not start another thread")]
    Thread(#[source] std::io::Error),
    /// That thread ended without a result.
    #[error("checking the push ended without a result: this is a bug in git-deploy")]
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
