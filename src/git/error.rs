//! What can go wrong below the ledger.
//!
//! The variants tell apart what a caller must treat differently: a lost race is tried again, a missing object is "cannot tell", an
//! unsupported repository is a matter for its owner.

use std::path::{Path, PathBuf};

use crate::domain::id::Oid;
use crate::domain::text::harmless;
use crate::domain::verdict::{Check, Rule};

/// The result of an access to git.
pub type Result<T> = std::result::Result<T, Error>;

/// The words of a cause, for the person who reads the error.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why an access to git failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No repository at the path, or none that may be opened.
    #[error("no git repository could be opened at {}", path.display())]
    Open {
        /// Where it was looked for.
        path: PathBuf,
        /// What git's library said.
        source: Cause,
    },
    /// A repository of a kind that cannot be read safely here.
    #[error("the repository at {} uses {feature}, which cannot be read safely; try {remedy}", path.display())]
    Unsupported {
        /// The repository.
        path: PathBuf,
        /// What it uses.
        feature: String,
        /// What its owner can do.
        remedy: &'static str,
    },
    /// A repository of another user, whose settings could run programs.
    #[error("{} belongs to another user, and its settings could run programs", .0.display())]
    Foreign(PathBuf),
    /// An object is not there.
    #[error("object {0} is not in this repository: push or fetch the commit that it belongs to")]
    Missing(Oid),
    /// The answer lies beyond the boundary of a shallow clone.
    #[error(
        "this clone is shallow and the answer lies in the history that it lacks: git fetch --unshallow"
    )]
    Shallow,
    /// A lock file that nobody gives up.
    #[error("{} is in the way: another git process holds it, or one that died left it behind", .0.display())]
    Locked(PathBuf),
    /// A remote to which git pushes everything or nothing.
    #[error("{0} is set up as a mirror, to which git pushes no single ref")]
    Mirror(String),
    /// An object is there, and of another kind.
    #[error("object {id} is a {found}, not a {expected}")]
    Kind {
        /// The object.
        id: Oid,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// An object that does not have the form of its kind.
    #[error("{what} is malformed: {why}")]
    Corrupt {
        /// Which object, ref or file.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// More than this tool is ready to look at.
    #[error("{what} is over the limit of {limit}")]
    Bounds {
        /// What was counted.
        what: String,
        /// The most that is looked at.
        limit: u64,
    },
    /// A path that no ledger's tree may hold, or an edit that contradicts the tree or another edit.
    #[error("{path:?} cannot be a path in a ledger's tree: {why}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A ref whose name cannot be one, or that may not be used as one of ours.
    #[error("the ref {name} cannot be used: {why}")]
    Ref {
        /// Its full name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Somebody else moved the ref first.
    #[error("the ref {name} was moved by somebody else meanwhile")]
    LostRace {
        /// Its full name.
        name: String,
        /// Where it points now.
        found: Option<Oid>,
    },
    /// Something would be written while a push is only being judged.
    #[error(
        "{0} cannot be written while a push is being judged: git would keep it although the push may be refused"
    )]
    Quarantine(&'static str),
    /// The file system said no.
    #[error("{doing} {} failed", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// git's library failed in a way that no other variant names.
    #[error("{doing} failed")]
    Library {
        /// What was being done.
        doing: String,
        /// What it said.
        source: Cause,
    },
    /// A `git` process ended with an error.
    #[error("git {command} failed{}{}", code.map(|code| format!(" with exit code {code}")).unwrap_or_default(), tail(stderr))]
    Git {
        /// The subcommand, without its arguments: they can hold secrets.
        command: String,
        /// Its exit code; none if a signal ended it.
        code: Option<i32>,
        /// The end of what it wrote for people, harmless to show.
        stderr: String,
    },
    /// `git` could not be started.
    #[error("git could not be started: install git, and make sure that it is on the PATH")]
    Start(#[source] std::io::Error),
}

fn tail(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!(":\n{stderr}")
    }
}

impl Error {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    pub(crate) fn library<E: Into<Cause>>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        // Made a string for an error alone: most of these are never one.
        move |source| Self::Library {
            doing: doing.into(),
            source: source.into(),
        }
    }

    pub(crate) fn corrupt(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Corrupt {
            what: what.into(),
            why: why.into(),
        }
    }

    /// Whether an object could not be found, so that the answer is "cannot tell" and not "no".
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_) | Self::Shallow)
    }

    /// Whether something is malformed, which no later look can mend.
    pub fn is_malformed(&self) -> bool {
        matches!(
            self,
            Self::Corrupt { .. } | Self::Kind { .. } | Self::Path { .. } | Self::Ref { .. }
        )
    }

    /// The answer of a rule that could not look: what is malformed is refused, what cannot be read cannot be told.
    pub fn answer(&self, rule: Rule) -> Check {
        let answer = if self.is_malformed() {
            Check::fail
        } else {
            Check::unknown
        };
        answer(rule, self.to_string())
    }

    /// Whether another writer was faster: read again, decide again.
    pub fn is_lost_race(&self) -> bool {
        matches!(self, Self::LostRace { .. })
    }
}

/// The last lines of what a process wrote for people, harmless to show: at most 2,000 characters.
pub(crate) fn for_people(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text
        .lines()
        .map(|line| harmless(line.trim_end()))
        .filter(|line| !line.is_empty())
        .collect();
    let text = lines.join("\n");
    let skip = text.chars().count().saturating_sub(2_000);
    text.chars().skip(skip).collect()
}
