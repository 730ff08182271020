//! The result of an installation: what was changed, or why nothing was.

use std::path::PathBuf;

use super::handoff::HandoffError;
use crate::domain::id::PublicKey;
use crate::git;

/// One result of the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallStep {
    /// The state now, in one line.
    pub message: String,
    /// Whether it had to be changed.
    pub changed: bool,
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
    #[error("nobody is named who may publish the first policy")]
    NoAdmin,
    /// The existing project began with another key.
    #[error(
        "the project that is in the repository names a root key that is not among the admins: {0}"
    )]
    OtherRoots(PublicKey),
    /// The hooks are outside of the repository.
    #[error("core.hooksPath leads out of the repository, to {}, where other repositories may have their hooks too", .0.display())]
    HooksElsewhere(PathBuf),
    /// The program to hand entries over to is not an absolute path.
    #[error("the program that entries are handed to is named by its absolute path, and {} is none", .0.display())]
    HandoffNotAbsolute(PathBuf),
    /// The hand-off could not begin.
    #[error("the hand-off could not begin")]
    HandoffFailed(#[from] HandoffError),
    /// gitolite has its own hook at the place of ours.
    #[error(
        "gitolite manages {}, and puts its own hook update back in the place of the one that would stand in for proc-receive",
        .0.display()
    )]
    Gitolite(PathBuf),
    /// There is already a hook that cannot be called first.
    #[error("a hook proc-receive is there already, at {}, and git calls only one", .0.display())]
    HookExists(PathBuf),
    /// The name for the previous hook is taken.
    #[error("the hook {} would be moved to a name that is taken already: {}", hook.display(), taken.display())]
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
