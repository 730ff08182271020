//! Builds the errors about what a command depends on: revisions, the repository, locks and keys.

use std::path::Path;

use super::key_lookup::has_default_keys;
use super::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::id::Oid;
use crate::domain::policy::suggest_nearest;
use crate::git::revision::UnresolvedRevision;
use crate::git::{Error, Repository};
use crate::signing::key::KeyError;

/// Returns the error for a revision that is not a commit in this repository, with the reason.
pub fn explain_no_commit(
    repository: &Repository,
    remote: Option<&str>,
    revision: &str,
) -> CliError {
    let usage = |message: String| CliError::new(ErrorKind::Usage, message);
    let message = || format!("cannot look up {revision:?}");
    let reason = match repository
        .explain_unresolved(revision)
        .context(ErrorKind::CannotTell, message())
    {
        Ok(reason) => reason,
        Err(failure) => return failure,
    };
    let fetch = || {
        remote.map_or_else(
            || "git fetch".to_owned(),
            |remote| format!("git fetch {remote} {revision}"),
        )
    };
    match reason {
        UnresolvedRevision::Ambiguous(names) => {
            let first = names.first().cloned().unwrap_or_default();
            usage(format!("{revision:?} could be any of {}", names.join(", "))).hint(format!(
                "repeat the command with one of them, such as {first}"
            ))
        }
        UnresolvedRevision::NotACommit(kind) => {
            usage(format!("{revision:?} is a {}, not a commit", kind.name()))
                .hint("git log --oneline")
        }
        UnresolvedRevision::MultipleCommits => usage(format!(
            "{revision:?} names several commits, but one is needed"
        ))
        .hint(format!("git log --oneline {revision}")),
        UnresolvedRevision::MissingObject => usage(format!(
            "the commit {} is not in this clone",
            abbreviate_id(revision)
        ))
        .hint(fetch()),
        UnresolvedRevision::NotFound
            if repository.is_shallow().unwrap_or(false) && revision.contains(['~', '^', '@']) =>
        {
            usage(format!(
                "there is no commit {revision:?} in this shallow clone"
            ))
            .hint("git fetch --unshallow")
        }
        UnresolvedRevision::NotFound => explain_unknown_revision(repository, revision),
    }
}

fn explain_unknown_revision(repository: &Repository, revision: &str) -> CliError {
    let names = repository.list_ref_names().unwrap_or_default();
    let suggestion = suggest_nearest(revision, names.iter().map(String::as_str))
        .map_or_else(String::new, |near| format!("; {near}"));
    CliError::new(
        ErrorKind::Usage,
        format!("there is no commit {revision:?} in this repository{suggestion}"),
    )
    .hint("git fetch")
}

fn abbreviate_id(id: &str) -> String {
    id.parse::<Oid>()
        .map_or_else(|_| id.to_owned(), |id| id.prefix(12))
}

/// Returns the error for ledgers that need history which a shallow clone does not have.
pub fn explain_shallow_clone() -> CliError {
    let message = "this clone is shallow: the ledgers cannot be verified without the full history";
    CliError::new(ErrorKind::CannotTell, message)
        .hint("git fetch --unshallow")
        .hint("in CI, check out the full history, for example with fetch-depth: 0")
}

/// Returns the error for a lock file that another process holds.
pub fn explain_lock(lock: &Path) -> CliError {
    CliError::new(ErrorKind::CannotTell, "a ref cannot be moved")
        .because(Error::Locked(lock.to_owned()))
}

/// Returns the error for notes that could not be written.
pub fn explain_notes_error(error: Error) -> CliError {
    match error {
        Error::Locked(lock) => explain_lock(&lock),
        error => CliError::new(ErrorKind::CannotTell, "cannot write the notes").because(error),
    }
}

/// Returns the error for a key file that cannot be used, with a hint for each cause.
pub fn explain_key_error(file: &Path, error: KeyError) -> CliError {
    let hints: &[String] = match &error {
        KeyError::NoPassword(_) => &["GIT_DEPLOY_PASSWORD=…, in the environment".to_owned()],
        KeyError::WrongPassword => {
            &["repeat the command (GIT_DEPLOY_PASSWORD is used if set)".to_owned()]
        }
        KeyError::Exposed { .. } => &[format!("chmod 600 {}", file.display())],
        // With another key, a new one would have to be listed in the policy first.
        KeyError::Missing if has_default_keys() => &[
            "git deploy key list".to_owned(),
            "git config deploy.key FILE".to_owned(),
        ],
        KeyError::Missing => &[
            format!("git deploy key new {}", file.display()),
            "git config deploy.key FILE".to_owned(),
        ],
        _ => &[
            "git deploy key list".to_owned(),
            "git config deploy.key FILE".to_owned(),
        ],
    };
    let failure = CliError::new(
        ErrorKind::CannotTell,
        format!("cannot use the key {}", file.display()),
    )
    .because(error);
    hints
        .iter()
        .fold(failure, |failure, hint| failure.hint(hint.as_str()))
}
