//! Errors about a command's surroundings: a revision that is no commit, the repository, the
//! remote's ledgers, keys.

use std::path::Path;

use super::workspace::entry_name;
use super::{Failure, Kind, OrFail as _};
use crate::domain::id::Oid;
use crate::domain::policy::nearest;
use crate::domain::verdict::Outcome;
use crate::git::revision::NoCommit;
use crate::git::{Error, Repository};
use crate::ledger::recovery::RECOVERED;
use crate::ledger::sync::{Fault, Problem};
use crate::signing::key::KeyError;

/// Returns the error for a revision that is not a commit in this repository, with the reason.
pub fn no_commit(repository: &Repository, remote: Option<&str>, revision: &str) -> Failure {
    let usage = |words: String| Failure::new(Kind::Usage, words);
    let cannot = || format!("cannot look {revision:?} up");
    let why = match repository
        .no_commit(revision)
        .or_fail(Kind::CannotTell, cannot())
    {
        Ok(why) => why,
        Err(failure) => return failure,
    };
    let fetch = || {
        remote.map_or_else(
            || "git fetch".to_owned(),
            |remote| format!("git fetch {remote} {revision}"),
        )
    };
    match why {
        NoCommit::Ambiguous(names) => {
            let first = names.first().cloned().unwrap_or_default();
            usage(format!("{revision:?} could be any of {}", names.join(", "))).hint(format!(
                "the same command with one of them, such as {first}"
            ))
        }
        NoCommit::Other(kind) => usage(format!(
            "{revision:?} is a {}, and a commit is needed",
            kind.name()
        ))
        .hint("git log --oneline, which lists commits"),
        NoCommit::Several => usage(format!(
            "{revision:?} means several commits, and one is needed"
        ))
        .hint(format!("git log --oneline {revision}, which lists them")),
        NoCommit::Elsewhere => usage(format!(
            "the commit {} is not in this clone",
            short(revision)
        ))
        .hint(fetch()),
        NoCommit::Unknown
            if repository.is_shallow().unwrap_or(false) && revision.contains(['~', '^', '@']) =>
        {
            usage(format!(
                "{revision:?} is no commit in this clone, which is shallow"
            ))
            .hint("git fetch --unshallow")
        }
        NoCommit::Unknown => unknown(repository, revision),
    }
}

fn unknown(repository: &Repository, revision: &str) -> Failure {
    let names = repository.names().unwrap_or_default();
    let near = nearest(revision, names.iter().map(String::as_str))
        .map_or_else(String::new, |near| format!("; {near}"));
    Failure::new(
        Kind::Usage,
        format!("there is no commit {revision:?} in this repository{near}"),
    )
    .hint("git fetch, if somebody else has it")
}

fn short(id: &str) -> String {
    id.parse::<Oid>()
        .map_or_else(|_| id.to_owned(), |id| id.prefix(12))
}

/// Returns the error for a repository that cannot be opened.
pub fn unreadable(error: Error) -> Failure {
    let words = "cannot read the git repository here";
    match error {
        Error::Unsupported {
            path,
            feature,
            remedy,
        } => Failure::new(Kind::CannotTell, words)
            .because(format!(
                "{} has {feature}, which cannot be read safely",
                path.display()
            ))
            .hint(remedy),
        Error::Foreign(path) => {
            let trust = format!(
                "git config --global --add safe.directory {}",
                path.display()
            );
            Failure::new(Kind::CannotTell, words)
                .because(Error::Foreign(path))
                .hint(trust)
        }
        error => Failure::new(Kind::CannotTell, words).because(error),
    }
}

/// Returns the error for ledgers that need history which a shallow clone does not have.
pub fn shallow() -> Failure {
    let words = "this clone is shallow: what the ledgers say cannot be verified without the history that it lacks";
    Failure::new(Kind::CannotTell, words)
        .hint("git fetch --unshallow")
        .hint("in a CI, a checkout of the whole history, such as fetch-depth: 0")
}

/// Returns the error for entries of the remote that cannot be verified here. They are not known to
/// be wrong.
pub fn unverifiable(problems: &[Problem]) -> Failure {
    let verdicts = problems.iter().filter_map(|problem| match &problem.fault {
        Fault::Unverified { verdict, .. } => Some(verdict),
        _ => None,
    });
    let unknown = verdicts
        .flat_map(|verdict| &verdict.checks)
        .filter(|check| check.outcome == Outcome::Unknown);
    let mut reasons: Vec<&str> = unknown.map(|check| check.detail.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    Failure::new(
        Kind::CannotTell,
        "not all of the remote's ledgers can be verified here: nothing was written",
    )
    .because(reasons.join("\n"))
    .hint("git fetch")
}

/// Describes one problem of a remote's ledger in one line.
pub fn problem_line(problem: &Problem) -> String {
    let ledger = &problem.ledger;
    let kept = problem
        .kept
        .map_or_else(|| "nothing".to_owned(), |id| entry_name(ledger, id));
    match &problem.fault {
        Fault::Deleted => format!("the remote has lost the ledger {ledger}; {kept} is kept"),
        Fault::Rewound => {
            let shown = problem
                .shown
                .map_or_else(|| "nothing".to_owned(), |id| entry_name(ledger, id));
            format!(
                "the remote has rewritten the ledger {ledger}: it shows {shown}; {kept} is kept"
            )
        }
        Fault::Unverified { id, .. } if problem.is_open() => {
            let name = entry_name(ledger, *id);
            format!("{name} of the remote cannot be verified here")
        }
        Fault::Unverified { id, .. } => {
            format!(
                "the remote's ledger {ledger} holds an entry that does not verify, {}; {kept} is kept",
                entry_name(ledger, *id)
            )
        }
    }
}

/// Returns the hint for a remote whose policy claims to be recovered, if it does. Only the server's
/// owner can confirm this.
pub fn recovered(problems: &[Problem]) -> Option<String> {
    let repository = super::workspace::open_repository().ok()?;
    let key = problems.iter().find_map(|problem| match &problem.fault {
        Fault::Unverified { id, .. } => repository
            .recovered_with(&problem.ledger, *id)
            .ok()
            .flatten(),
        _ => None,
    })?;
    Some(format!(
        "git config --add {RECOVERED} {key}, once the server's owner has told you that this key recovered the policy"
    ))
}

/// Returns the error for a lock file that another process holds.
pub fn locked(lock: &Path) -> Failure {
    Failure::new(Kind::CannotTell, "a ref cannot be moved").because(Error::Locked(lock.to_owned()))
}

/// Returns the error for notes that could not be written.
pub fn unwritten_notes(error: Error) -> Failure {
    match error {
        Error::Locked(lock) => locked(&lock),
        error => Failure::new(Kind::CannotTell, "cannot write the notes").because(error),
    }
}

/// Returns the error for a key file that cannot be used, with a hint for each cause.
pub fn unusable_key(file: &Path, error: KeyError) -> Failure {
    let hints: &[String] = match &error {
        KeyError::NoPassword(_) => &["GIT_DEPLOY_PASSWORD=…, in the environment".to_owned()],
        KeyError::WrongPassword => {
            &["the same command again; GIT_DEPLOY_PASSWORD counts where it is set".to_owned()]
        }
        KeyError::Exposed { .. } => &[format!("chmod 600 {}", file.display())],
        KeyError::Missing => &[
            format!("git deploy key new {}", file.display()),
            "git config deploy.key FILE".to_owned(),
        ],
        _ => &[
            "git deploy key list".to_owned(),
            "git config deploy.key FILE".to_owned(),
        ],
    };
    let failure = Failure::new(
        Kind::CannotTell,
        format!("cannot use the key {}", file.display()),
    )
    .because(error);
    hints
        .iter()
        .fold(failure, |failure, hint| failure.hint(hint.as_str()))
}
