//! Opens the git repository of the working directory, and finds the remote that holds its ledgers.

use super::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::command_line::quote_word;
use crate::git::{Error, Repository};

/// The git setting with the remote that holds the ledgers. Empty for none.
pub const REMOTE_SETTING: &str = "deploy.remote";

/// Opens the repository of the working directory.
pub fn open_repository() -> Result<Repository, CliError> {
    let directory = std::env::current_dir().context(
        ErrorKind::CannotTell,
        "cannot determine the working directory",
    )?;
    Repository::discover(&directory).map_err(|error| {
        let is_set = |name| std::env::var_os(name).is_some();
        let has_git_folder = directory.ancestors().any(|it| it.join(".git").exists());
        // With a ceiling, git may stop its search before it reaches an existing repository.
        let is_outside =
            is_set("GIT_CEILING_DIRECTORIES") || (!is_set("GIT_DIR") && !has_git_folder);
        match error {
            Error::Open { .. } if is_outside => {
                CliError::new(ErrorKind::CannotTell, "there is no git repository here")
                    .because(format!(
                        "neither {} nor a folder above it is a repository",
                        directory.display()
                    ))
                    .hint("cd into a clone, or git deploy -C DIR …")
            }
            error => explain_unreadable_repository(error),
        }
    })
}

/// Returns the error for a repository that cannot be opened.
pub fn explain_unreadable_repository(error: Error) -> CliError {
    let message = "cannot read the git repository here";
    match error {
        Error::Unsupported {
            path,
            feature,
            remedy,
        } => CliError::new(ErrorKind::CannotTell, message)
            .because(format!(
                "{} has {feature}, which cannot be read safely",
                path.display()
            ))
            .hint(remedy),
        Error::OtherOwner(path) => {
            let trust_command = format!(
                "git config --global --add safe.directory {}",
                path.display()
            );
            CliError::new(ErrorKind::CannotTell, message)
                .because(Error::OtherOwner(path))
                .hint(trust_command)
        }
        Error::BareRepository(path) => {
            let hint = format!("git --git-dir={} deploy …", path.display());
            CliError::new(ErrorKind::CannotTell, message)
                .because(Error::BareRepository(path))
                .hint(hint)
        }
        error => CliError::new(ErrorKind::CannotTell, message).because(error),
    }
}

/// Checks whether a remote holds the ledgers, without `--remote`.
pub fn has_ledger_remote(repository: &Repository) -> bool {
    match repository.config_string(REMOTE_SETTING) {
        Ok(Some(name)) => !name.is_empty(),
        _ => repository.has_config("remote.origin.url"),
    }
}

/// Adds what to type in a clone without ledgers that uses no remote: fetch them from one of its remotes,
/// or begin a project if it has none.
pub fn hint_unused_remotes(repository: &Repository, error: CliError) -> CliError {
    // An empty setting says that the ledgers are in this repository alone.
    let is_local =
        matches!(repository.config_string(REMOTE_SETTING), Ok(Some(name)) if name.is_empty());
    let list = || repository.git("remote").run()?.into_stdout();
    let listed = list().unwrap_or_default();
    let listed = String::from_utf8_lossy(&listed);
    let names: Vec<&str> = listed.lines().filter(|_| !is_local).collect();
    if names.is_empty() {
        return error.hint("git deploy init");
    }
    let error = error.because(format!("git config {REMOTE_SETTING} names no remote"));
    names.into_iter().fold(error, |error, name| {
        error.hint(format!(
            "git config {REMOTE_SETTING} {} && git deploy sync",
            quote_word(name)
        ))
    })
}

/// Returns the remote that holds the ledgers: that of `--remote`, the configured one, or `origin`
/// if it exists.
///
/// # Errors
///
/// Fails if the named or configured remote does not exist.
pub fn find_remote(repository: &Repository, ui: &Ui) -> Result<Option<String>, CliError> {
    let read = |key: &str| {
        repository
            .config_string(key)
            .context(ErrorKind::CannotTell, "cannot read git's configuration")
    };
    if let Some(name) = ui.remote() {
        if repository.has_config(&format!("remote.{name}.url")) {
            return Ok(Some(name.to_owned()));
        }
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("there is no remote called {name}"),
        )
        .hint("git remote -v"));
    }
    match read(REMOTE_SETTING)? {
        Some(name) if name.is_empty() => Ok(None),
        Some(name) if name.starts_with('-') => Err(CliError::new(
            ErrorKind::Usage,
            format!("the value of {REMOTE_SETTING}, {name}, is not a valid remote name"),
        )),
        Some(name) if repository.has_config(&format!("remote.{name}.url")) => Ok(Some(name)),
        Some(name) => Err(CliError::new(
            ErrorKind::Usage,
            format!("{REMOTE_SETTING} names the remote {name}, which does not exist"),
        )
        .hint("git remote -v")
        .hint(format!("git config {REMOTE_SETTING} NAME"))),
        None => Ok(repository
            .has_config("remote.origin.url")
            .then(|| "origin".to_owned())),
    }
}
