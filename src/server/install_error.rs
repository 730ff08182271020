//! The results of an installation: its steps, or the error that stopped it.

use std::path::PathBuf;

use super::HookError;
use super::handoff::HandoffError;
use crate::domain::id::PublicKey;
use crate::git;

/// One hook or setting that the installation has changed or found unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallStep {
    /// The hook or setting as it is now, in one line.
    pub message: String,
    /// Whether it had to be changed.
    pub was_changed: bool,
}

/// Why a repository was not turned into a server.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// There is no repository.
    #[error("there is no git repository at {}", path.display())]
    NoRepository {
        /// The path.
        path: PathBuf,
        /// The error of git's library.
        source: git::Error,
    },
    /// No key is named that may publish the first policy.
    #[error("no key is given that may publish the first policy")]
    NoAdmin,
    /// The existing project began with another key.
    #[error("the project in this repository has a root key that is not an admin key: {0}")]
    OtherRoots(PublicKey),
    /// The hooks are outside of the repository.
    #[error("core.hooksPath points outside the repository, to {}, which other repositories may use too", .0.display())]
    HooksElsewhere(PathBuf),
    /// The program to hand entries over to is not an absolute path.
    #[error("the hand-off program needs an absolute path, and {} is not one", .0.display())]
    HandoffNotAbsolute(PathBuf),
    /// The hand-off could not be set up.
    #[error("the hand-off could not be set up")]
    HandoffFailed(#[from] HandoffError),
    /// Another push held the lock of the ledgers for too long.
    #[error("the branches that git hands to proc-receive could not be set")]
    Lock(#[source] HookError),
    /// gitolite manages the repository and has its own hook `update`.
    #[error(
        "gitolite manages {} and would overwrite the hook update that replaces proc-receive",
        .0.display()
    )]
    Gitolite(PathBuf),
    /// There is already a hook that cannot be called first.
    #[error("there is already a hook proc-receive at {}, and git calls only one", .0.display())]
    HookExists(PathBuf),
    /// The name for the previous hook is taken.
    #[error("the hook {} cannot be moved: {} already exists", hook.display(), taken.display())]
    NameTaken {
        /// The hook.
        hook: PathBuf,
        /// Its new name.
        taken: PathBuf,
    },
    /// The program's path cannot be written into a shell script.
    #[error("the program's path is not UTF-8: {}", .0.display())]
    Program(PathBuf),
    /// A file could not be written.
    #[error("{} could not be written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Git failed.
    #[error(transparent)]
    Git(#[from] git::Error),
}
