//! `git-deploy server check`: checks that a repository is really protected.

use std::path::PathBuf;

use crate::cli::repository::explain_unreadable_repository;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::git::Error;
use crate::server::check;
use crate::view::server as view;

/// Check whether a repository is really protected
///
/// Checks the settings and hooks, and pushes a probe that must be refused. Run it as the user who
/// receives pushes. Each finding is shown with a fix. Exits with 1 if the repository is not
/// protected. Changes nothing.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git-deploy server check /srv/shop.git
  sudo -u git git-deploy server check /srv/shop.git")]
pub(in crate::cli) struct CheckArgs {
    /// The repository. Defaults to the current directory
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
    let report = view::ServerCheck {
        repository: checked.git_dir.display().to_string(),
        protected,
        findings: checked.findings,
    };
    if ui.json() {
        ui.print_document("server-check", &report)?;
    } else {
        ui.print(view::render_text(&report, ui.width()));
    }
    if protected {
        Ok(())
    } else {
        Err(CliError::reported(ErrorKind::Denied))
    }
}

fn explain_check_error(error: Error, args: &CheckArgs) -> CliError {
    let message = format!("cannot check {}", args.repository.display());
    match error {
        error @ (Error::OtherOwner(_) | Error::Unsupported { .. }) => {
            explain_unreadable_repository(error)
        }
        error @ Error::Open { .. } => CliError::new(ErrorKind::Usage, message)
            .because(error)
            .hint("git-deploy server check REPOSITORY"),
        error => CliError::new(ErrorKind::CannotTell, message).because(error),
    }
}
