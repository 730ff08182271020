//! Compares a clone that joins a project with the policy in force.

use crate::cli::policy_file::{POLICY_FILE, write_new_file};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::name::{EnvName, LedgerName, Person};
use crate::domain::policy::{MAX_BYTES, Policy};
use crate::ledger::LedgerCommit;

/// Restores a missing `deploy.toml` from the first policy, if `person` published it. Returns the
/// name of the file, or `None` if nothing was restored.
///
/// The file is missing if an earlier `init` was interrupted after it published the policy and
/// before it wrote the file.
pub(super) fn restore_policy_file(
    workspace: &Workspace,
    person: &Person,
) -> Result<Option<&'static str>, CliError> {
    let (repository, cannot_read) = (&workspace.repository, "cannot read the policy in force");
    let (Some(folder), Some(tip)) = (
        repository.work_dir(),
        workspace.tips().get(&LedgerName::policy()),
    ) else {
        return Ok(None);
    };
    let tip = repository
        .read_ledger_commit(&LedgerName::policy(), *tip)
        .context(ErrorKind::CannotTell, cannot_read)?;
    let LedgerCommit::Entry { commit, entry, .. } = tip else {
        return Ok(None);
    };
    let statement = entry.statement();
    let is_own_first_policy = statement.sequence == 1 && statement.by == *person;
    let is_tracked = || -> crate::git::Result<bool> {
        let Some(head) = repository.resolve_revision("HEAD")? else {
            return Ok(false);
        };
        Ok(repository
            .read_file_at(repository.read_commit(head)?.tree, POLICY_FILE, MAX_BYTES)?
            .is_some())
    };
    let file = folder.join(POLICY_FILE);
    if !is_own_first_policy
        || file.symlink_metadata().is_ok()
        || is_tracked().context(ErrorKind::CannotTell, cannot_read)?
    {
        return Ok(None);
    }
    let text = repository
        .read_file_at(commit.tree, POLICY_FILE, MAX_BYTES)
        .context(ErrorKind::CannotTell, cannot_read)?;
    let Some(text) = text else { return Ok(None) };
    write_new_file(&file, &text).context(
        ErrorKind::CannotTell,
        format!("cannot write {}", file.display()),
    )?;
    Ok(Some(POLICY_FILE))
}

/// Checks that an existing policy, which `init` does not change, has the environments named with
/// `--env`. `policy_name` names the policy in the error.
pub(super) fn require_environments(
    environments: &[EnvName],
    policy: &Policy,
    policy_name: &str,
) -> Result<(), CliError> {
    let Some(missing) = environments
        .iter()
        .find(|name| policy.environment(name).is_none())
    else {
        return Ok(());
    };
    Err(CliError::new(
        ErrorKind::Usage,
        format!("there is no environment {missing} in {policy_name}"),
    )
    .hint(format!(
        "add it under [environments] in {POLICY_FILE}: {missing} = {{}}"
    ))
    .hint("git deploy policy publish"))
}
