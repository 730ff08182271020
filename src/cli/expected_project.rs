//! Checks that the project is the one of `--project`.

use super::repository::open_repository;
use super::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::name::{LedgerName, ProjectName};
use crate::git::Repository;
use crate::ledger::Project;
use crate::ledger::sync::PIN_SETTING;

/// Checks that the repository belongs to the project of `--project`. Succeeds without `--project`, or
/// if there is no repository or no project here yet.
pub fn check_expected_project(ui: &Ui) -> Result<(), CliError> {
    let (Some(expected), Ok(repository)) = (ui.project(), open_repository()) else {
        return Ok(());
    };
    let message = "cannot read the project";
    let tip = repository
        .tip(&LedgerName::policy())
        .context(ErrorKind::CannotTell, message)?;
    let Some(tip) = tip else { return Ok(()) };
    let project =
        Project::from_policy_tip(&repository, tip).context(ErrorKind::CannotTell, message)?;
    require_project(expected, &project)
}

/// Prints how to pin the project, if this clone trusts whatever its ledgers say. The id here proves
/// nothing, so it has to be compared with one from elsewhere.
pub fn report_missing_pin(repository: &Repository, ui: &Ui) -> Result<(), CliError> {
    let message = "cannot read the project";
    let pinned = repository
        .pinned_project()
        .context(ErrorKind::CannotTell, message)?;
    let ledgers = repository
        .local_ledgers()
        .context(ErrorKind::CannotTell, message)?;
    let (None, Some(tip)) = (pinned, ledgers.tips.get(&LedgerName::policy())) else {
        return Ok(());
    };
    let project =
        Project::from_policy_tip(repository, *tip).context(ErrorKind::CannotTell, message)?;
    ui.eprint_warning(format_args!(
        "{} is not pinned in this clone. If git config {PIN_SETTING} prints the same id in a colleague's clone:\n  → git config {PIN_SETTING} {}",
        project.name, project.id
    ));
    Ok(())
}

/// Checks that a project is the one of `--project`.
pub fn require_project(expected: &ProjectName, project: &Project) -> Result<(), CliError> {
    if project.name == *expected {
        return Ok(());
    }
    Err(CliError::new(
        ErrorKind::Usage,
        format!("this is the project {}, not {expected}", project.name),
    )
    .hint(format!("in a clone of {expected}, repeat the command")))
}
