//! Errors of git access.
//!
//! There are separate variants for the errors that callers handle differently: a lost race is
//! retried, a missing object means "cannot tell", and only the owner of an unsupported repository
//! can fix it.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::packed_refs::PackedRefsFault;
use crate::domain::command_line::quote_word;
use crate::domain::id::Oid;
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, Rule};

/// The result of an access to git.
pub type Result<T> = std::result::Result<T, Error>;

/// The underlying error, shown to the user.
type BoxedError = Box<dyn std::error::Error + Send + Sync>;

/// Why an access to git failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no repository at the path, or it cannot be opened.
    #[error("no git repository could be opened at {}", path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// The message of git's library.
        source: BoxedError,
    },
    /// The repository has a format that cannot be read safely here.
    #[error("the repository at {} uses {feature}, which cannot be read safely; try {remedy}", path.display())]
    Unsupported {
        /// The repository.
        path: PathBuf,
        /// The unsupported feature.
        feature: String,
        /// What its owner can do.
        remedy: &'static str,
    },
    /// The repository belongs to another user, and its settings could run programs.
    #[error("{} belongs to another user, and its settings could run programs", .0.display())]
    OtherOwner(PathBuf),
    /// A file of the git folder is a link to some other file.
    #[error("{} is a link to a file with another name: replace it with the right file", .0.display())]
    LinkedFile(PathBuf),
    /// The working directory is in a bare repository, which the user's settings forbid to find there.
    #[error("cannot use the bare repository {}: safe.bareRepository is 'explicit'", .0.display())]
    BareRepository(PathBuf),
    /// An object is missing.
    #[error("object {0} is not in this repository: push or fetch the commit that it belongs to")]
    Missing(Oid),
    /// The answer lies beyond the boundary of a shallow clone.
    #[error("this clone is shallow and lacks the history that this needs: git fetch --unshallow")]
    Shallow,
    /// No variable names a folder for this user's checkouts, logs and temporary folders.
    #[error("neither XDG_CACHE_HOME nor HOME is set to a folder for the files of git-deploy")]
    NoUserFolder,
    /// Ledgers that are needed are not verified.
    #[error("{0}")]
    Unverified(String),
    /// A lock file blocks the operation.
    #[error("the lock file {} exists: another git process holds it, or left it behind when it died", .0.display())]
    Locked(PathBuf),
    /// The remote is a mirror, so git pushes everything to it or nothing.
    #[error("{0} is configured as a mirror, so git cannot push a single ref to it")]
    Mirror(String),
    /// A remote's answer lists no refs, although it had some before.
    #[error(
        "the answer lists no refs, although the remote had some before: it may come from a proxy or a login page. If the repository is really empty now, push a branch to it first"
    )]
    NoRefs,
    /// An object has another kind than expected.
    #[error("object {id} is a {found}, not a {expected}")]
    WrongKind {
        /// The object.
        id: Oid,
        /// The expected kind.
        expected: &'static str,
        /// The actual kind.
        found: &'static str,
    },
    /// An object, ref or file is malformed.
    #[error("{what} is malformed: {why}")]
    Corrupt {
        /// The object, ref or file.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A limit was exceeded.
    #[error("{what} is over the limit of {limit}")]
    LimitExceeded {
        /// What was counted.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// A path is not allowed in a ledger's tree, or an edit contradicts the tree or another edit.
    #[error("{path:?} cannot be a path in a ledger's tree: {why}")]
    InvalidPath {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A ref has an invalid name, or must not be used for this purpose.
    #[error("the ref {name} cannot be used: {why}")]
    InvalidRef {
        /// Its full name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The ref exists, but it is unknown or unsafe where it points.
    #[error("the ref {name} is broken: {why}")]
    BrokenRef {
        /// Its full name.
        name: String,
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The object that a ref points to is missing, or cannot be read.
    #[error("the ref {name} is broken: {why}: {id}")]
    BrokenTarget {
        /// The ref's full name.
        name: String,
        /// The object.
        id: Oid,
        /// What is wrong with it.
        why: &'static str,
    },
    /// `packed-refs` is malformed, so that it is unknown which refs exist.
    #[error("cannot tell which refs exist: {}", fault.describe(path))]
    PackedRefs {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: PackedRefsFault,
    },
    /// Another writer moved the ref first.
    #[error("another process moved the ref {name} in the meantime")]
    LostRace {
        /// Its full name.
        name: String,
        /// Where the ref points now.
        found: Option<Oid>,
    },
    /// A write was attempted while a push is being checked.
    #[error(
        "{0} cannot be written while a push is being checked: git would keep it even if the push is refused"
    )]
    Quarantine(&'static str),
    /// A file system operation failed.
    #[error("{doing} {} failed", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Git's library failed for a reason that no other variant covers.
    #[error("{doing} failed")]
    Library {
        /// What was being done.
        doing: String,
        /// The library's error.
        source: BoxedError,
    },
    /// A `git` process failed.
    #[error("git {command} failed{}{}", code.map(|code| format!(" with exit code {code}")).unwrap_or_default(), format_stderr(stderr))]
    CommandFailed {
        /// The subcommand, without its arguments: they can contain secrets.
        command: String,
        /// Its exit code; `None` if a signal ended it.
        code: Option<i32>,
        /// The end of its messages, safe to print.
        stderr: String,
    },
    /// `git` could not be started.
    #[error("git could not be started: install git, and make sure that it is on the PATH")]
    GitNotStarted(#[source] std::io::Error),
}

/// Returns the command that removes the file or folder of a broken ref, or makes a folder readable,
/// since its content is unknown.
fn suggest_removal(path: &Path) -> String {
    let text = path.display().to_string();
    let word = quote_word(&text);
    let metadata = path.symlink_metadata();
    let is_typable = path.to_str().is_some_and(|text| sanitize(text) == text);
    match (metadata, path.parent()) {
        (Ok(metadata), _) if metadata.is_dir() && std::fs::read_dir(path).is_ok() => {
            format!("rm -r {word}")
        }
        (Ok(metadata), _) if metadata.is_dir() => {
            if metadata.uid() == rustix::process::geteuid().as_raw() {
                format!("chmod u+rwx {word}")
            } else {
                format!("sudo chown \"$(id -u)\" {word}")
            }
        }
        (Ok(metadata), Some(folder)) if !is_typable => {
            let folder = quote_word(&folder.display().to_string());
            format!("find {folder} -inum {} -delete", metadata.ino())
        }
        _ => format!("rm {word}"),
    }
}

/// Formats git's messages to follow a summary.
fn format_stderr(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!(":\n{stderr}")
    }
}

impl Error {
    /// Returns a converter for I/O errors, with what was being done to which path.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    /// Returns a converter for errors of git's library, with what was being done.
    pub(crate) fn library<E: Into<BoxedError>>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        // The text is built only on error: most calls succeed.
        move |source| Self::Library {
            doing: doing.into(),
            source: source.into(),
        }
    }

    /// Creates an [`Error::Corrupt`].
    pub(crate) fn corrupt(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Corrupt {
            what: what.into(),
            why: why.into(),
        }
    }

    /// Creates an [`Error::LimitExceeded`].
    pub(crate) fn limit_exceeded(what: impl Into<String>, limit: impl TryInto<u64>) -> Self {
        Self::LimitExceeded {
            what: what.into(),
            limit: limit.try_into().unwrap_or(u64::MAX),
        }
    }

    /// Creates the error for more than `limit` commits between two others.
    pub(super) fn too_many_commits(limit: usize) -> Self {
        Self::limit_exceeded("the number of commits in between", limit)
    }

    /// Checks whether an object was missing, so that the answer is "cannot tell" and not "no".
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Shallow)
    }

    /// Checks whether something is malformed, so that trying again cannot help.
    pub fn is_malformed(&self) -> bool {
        matches!(
            self,
            Self::Corrupt { .. }
                | Self::WrongKind { .. }
                | Self::InvalidPath { .. }
                | Self::InvalidRef { .. }
        )
    }

    /// Checks whether something is over a limit of this program.
    pub fn is_limit(&self) -> bool {
        matches!(self, Self::LimitExceeded { .. })
    }

    /// Returns the result of a rule whose facts could not be read: malformed data fails, anything
    /// else is unknown.
    pub fn to_check(&self, rule: Rule) -> Check {
        let make_check = if self.is_malformed() {
            Check::fail
        } else {
            Check::unknown
        };
        make_check(rule, self.to_string())
    }

    /// Returns the command that removes what is broken in the repository, if a user can remove it.
    /// `git deploy sync` then brings what is missing.
    ///
    /// Git's own commands refuse to delete a ref whose file is malformed, but not one whose object
    /// is missing.
    pub fn removal(&self) -> Option<String> {
        match self {
            Self::BrokenRef { path, .. } => Some(suggest_removal(path)),
            Self::BrokenTarget { name, .. } => {
                Some(format!("git update-ref --no-deref -d {}", quote_word(name)))
            }
            Self::PackedRefs { path, fault } => Some(fault.suggest_repair(path)),
            _ => None,
        }
    }

    /// Checks whether another writer moved the ref first: the caller must read it and decide again.
    pub fn is_lost_race(&self) -> bool {
        matches!(self, Self::LostRace { .. })
    }
}

/// Returns the last lines that a process wrote for people, safe to print, at most 2,000 characters.
pub(crate) fn printable_tail(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text
        .lines()
        .map(|line| sanitize(line.trim_end()))
        .filter(|line| !line.is_empty())
        .collect();
    let text = lines.join("\n");
    let skip = text.chars().count().saturating_sub(2_000);
    text.chars().skip(skip).collect()
}
