//! Why a hook could not judge a push at all. All of it is "cannot tell": nothing is let in.

use std::path::PathBuf;

use super::ref_update::LineError;
use super::{MAX_ENTRIES, MAX_UPDATES, TIME_LIMIT};
use crate::git;

/// Why a hook could not judge.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// What git said is not what git says.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The same, in the protocol of proc-receive.
    #[error("git and the hook do not understand each other: {0}")]
    Protocol(&'static str),
    /// Git's words could not be read, or the answer not be written.
    #[error("the connection to git broke off")]
    Broken(#[source] std::io::Error),
    /// More words than a push that could be judged has.
    #[error(
        "the push names more refs than are looked at: {0} MiB of them at most; push fewer at once"
    )]
    TooLong(usize),
    /// Too many updates of ours.
    #[error(
        "the push changes more than {MAX_UPDATES} ledgers, and branches and tags of environments: push fewer at once"
    )]
    TooMany,
    /// Too many entries.
    #[error("the push brings more than {MAX_ENTRIES} entries: push fewer at once")]
    TooManyEntries,
    /// The time is over.
    #[error("it took longer than {} seconds: push less at once, or try again", TIME_LIMIT.as_secs())]
    Late,
    /// The system gave no thread to judge in.
    #[error("the system has no room for another thread")]
    Thread(#[source] std::io::Error),
    /// It ended in a fault of its own.
    #[error("judging the push came to no end: this is a fault of git-deploy")]
    Died,
    /// The lock was not to be had.
    #[error("another push held the lock {} for too long: try again", .0.display())]
    Locked(PathBuf),
    /// The lock's file could not be used.
    #[error("the lock {} cannot be used", path.display())]
    Lock {
        /// Its file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Git failed.
    #[error(transparent)]
    Git(#[from] git::Error),
}
