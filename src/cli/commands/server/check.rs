//! `git-deploy server check`: whether a repository is really protected.

use std::path::PathBuf;

use crate::cli::repository::explain_unreadable_repository;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::git::Error;
use crate::server::check;
use crate::view::server as view;

/// Look whether a repository is really protected, and push a probe that must be refused
///
/// As the user under whom git receives pushes. Each finding comes with what to type about it. It ends with 1 where the repository is not
/// protected. Nothing is changed.
#[derive(clap::Args)]
pub(in crate::cli) struct CheckArgs {
    /// The repository; without it the one of this directory
    #[arg(
        value_name = "REPOSITORY",
        default_value = ".",
        hide_default_value = true
    )]
    repository: PathBuf,
}

/// Checks the repository, prints the findings, and fails if it is not protected.
pub(super) fn run(args: &CheckArgs, ui: &Ui) -> Result<(), CliError> {
    let program = std::env::current_exe().context(
        ErrorKind::CannotTell,
        "cannot tell where git-deploy is installed",
    )?;
    let checked = check::check_server(&args.repository, &program)
        .map_err(|error| explain_check_error(error, args))?;
    let protected = checked.is_protected();
    let told = view::ServerCheck {
        repository: checked.git_dir.display().to_string(),
        protected,
        findings: checked.findings,
    };
    if ui.json() {
        ui.print_document("server-check", &told)?;
    } else {
        ui.print(view::render_text(&told, ui.width()));
    }
    if protected {
        Ok(())
    } else {
        Err(CliError::reported(ErrorKind::Denied))
    }
}

fn explain_check_error(error: Error, args: &CheckArgs) -> CliError {
    let words = format!("cannot check {}", args.repository.display());
    match error {
        error @ (Error::OtherOwner(_) | Error::Unsupported { .. }) => {
            explain_unreadable_repository(error)
        }
        error @ Error::Open { .. } => CliError::new(ErrorKind::Usage, words)
            .because(error)
            .hint("git-deploy server check REPOSITORY"),
        error => CliError::new(ErrorKind::CannotTell, words).because(error),
    }
}
