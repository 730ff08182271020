//! Sets up a clone: git's configuration and the pre-push hook.

use super::args::Args;
use super::document::InitDocument;
use crate::cli::repository::REMOTE_SETTING;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::id::EntryId;
use crate::git::Repository;
use crate::ledger::sync::{LEDGER_REFSPEC, PIN_SETTING};
use crate::server::install::install_clone_hook;

/// Changes the clone, once the project is known: git's configuration, and the hook that was asked for.
pub(super) fn set_up_clone(
    args: &Args,
    ui: &Ui,
    repository: &Repository,
    project: EntryId,
    document: &mut InitDocument,
) -> Result<(), CliError> {
    configure_git(repository, document.remote.as_deref())?;
    let pinned = repository
        .pinned_project()
        .context(ErrorKind::CannotTell, "cannot read the pinned project")?;
    if pinned.is_none() {
        pin_project(repository, project)?;
    }
    if args.pre_push {
        install_pre_push(repository, ui)?;
        document.created.push("pre-push");
    }
    Ok(())
}

/// Configures which remote holds the ledgers, and makes `git fetch` fetch them.
///
/// Without a remote, records that there is none: a remote that is added later is then not reported
/// as one that has lost its ledgers.
fn configure_git(repository: &Repository, remote: Option<&str>) -> Result<(), CliError> {
    let cannot = "cannot change git's configuration";
    repository
        .set_config(REMOTE_SETTING, remote.unwrap_or_default())
        .context(ErrorKind::CannotTell, cannot)?;
    let Some(remote) = remote else { return Ok(()) };
    let key = format!("remote.{remote}.fetch");
    let refspecs = repository
        .config_strings(&key)
        .context(ErrorKind::CannotTell, cannot)?;
    if !refspecs.iter().any(|refspec| refspec == LEDGER_REFSPEC) {
        repository
            .add_config(&key, LEDGER_REFSPEC)
            .context(ErrorKind::CannotTell, cannot)?;
    }
    Ok(())
}

/// Records in git's configuration that this clone trusts the project.
fn pin_project(repository: &Repository, project: EntryId) -> Result<(), CliError> {
    repository
        .set_config(PIN_SETTING, &project.to_string())
        .context(ErrorKind::CannotTell, "cannot pin the project")
}

/// Installs the pre-push hook.
fn install_pre_push(repository: &Repository, ui: &Ui) -> Result<(), CliError> {
    let cannot = "cannot install the pre-push hook";
    let program = std::env::current_exe().context(ErrorKind::CannotTell, cannot)?;
    for step in install_clone_hook(repository, &program).context(ErrorKind::CannotTell, cannot)? {
        ui.print(format_args!("{}", step.message));
    }
    Ok(())
}
