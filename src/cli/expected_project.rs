//! Checks that the project is the one of `--project`.

use super::repository::open_repository;
use super::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::name::{LedgerName, ProjectName};
use crate::ledger::Project;

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
