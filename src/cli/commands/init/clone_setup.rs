//! Sets a clone up: git's configuration and the pre-push hook.

use crate::cli::repository::REMOTE_SETTING;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::git::Repository;
use crate::ledger::sync::LEDGER_REFSPEC;
use crate::server::install::init_clone;

/// Configures where the ledgers are, and that `git fetch` fetches them.
///
/// Also records that there is no remote: a remote that is added later then does not look as if it
/// had lost its ledgers.
pub(super) fn configure_git(repository: &Repository, remote: Option<&str>) -> Result<(), CliError> {
    let cannot = "cannot change git's configuration";
    repository
        .set_config(REMOTE_SETTING, remote.unwrap_or_default())
        .context(ErrorKind::CannotTell, cannot)?;
    let Some(remote) = remote else { return Ok(()) };
    let key = format!("remote.{remote}.fetch");
    let there = repository
        .config_strings(&key)
        .context(ErrorKind::CannotTell, cannot)?;
    if !there.iter().any(|refspec| refspec == LEDGER_REFSPEC) {
        repository
            .add_config(&key, LEDGER_REFSPEC)
            .context(ErrorKind::CannotTell, cannot)?;
    }
    Ok(())
}

/// Installs the pre-push hook.
pub(super) fn install_pre_push(repository: &Repository, ui: &Ui) -> Result<(), CliError> {
    let cannot = "cannot install the pre-push hook";
    let program = std::env::current_exe().context(ErrorKind::CannotTell, cannot)?;
    for step in init_clone(repository, &program).context(ErrorKind::CannotTell, cannot)? {
        ui.print(format_args!("{}", step.message));
    }
    Ok(())
}
