//! The policy that `init` publishes: the `deploy.toml` of the work tree, or a new one.

use std::path::PathBuf;

use super::args::Args;
use super::policy_in_force::require_environments;
use crate::cli::policy_file::{POLICY_FILE, ProposedPolicy};
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, default_names};
use crate::domain::id::PublicKey;
use crate::domain::name::{Person, ProjectName};
use crate::domain::policy::{Policy, StarterPerson};
use crate::git::Repository;

/// Reads the `deploy.toml` of the work tree. If there is none, builds one, and also returns the path to
/// which it is to be written.
pub(super) fn open_or_build_policy(
    args: &Args,
    ui: &Ui,
    repository: &Repository,
    key: PublicKey,
) -> Result<(ProposedPolicy, Option<PathBuf>), CliError> {
    let folder = repository.work_dir().ok_or_else(|| {
        CliError::new(
            ErrorKind::Usage,
            "a bare repository has no work tree for deploy.toml: run this in a clone",
        )
    })?;
    let file = folder.join(POLICY_FILE);
    if file.symlink_metadata().is_ok() {
        let proposal = ProposedPolicy::open(repository, None, ui)?;
        if let Some(name) =
            requested_name(args, ui).filter(|name| **name != proposal.policy.project)
        {
            let project = &proposal.policy.project;
            return Err(CliError::new(
                ErrorKind::Usage,
                format!("the project in {POLICY_FILE} is {project}, not {name}"),
            ));
        }
        require_environments(&args.environments, &proposal.policy, POLICY_FILE)?;
        return Ok((proposal, None));
    }
    let name = match requested_name(args, ui) {
        Some(name) => name.clone(),
        None => ask_project_name(repository, ui)?,
    };
    let environments = match &args.environments[..] {
        [] => ["dev", "stage", "prod"]
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect(),
        named => named.to_vec(),
    };
    let admin = StarterPerson {
        name: determine_person(args, repository)?,
        key,
        email: default_names::find_commit_address(repository),
    };
    let text = Policy::starter(&name, &[admin], &environments);
    // Parsed before it is written, because the arguments can make an invalid policy: for example, if
    // an environment is named twice.
    let proposal = ProposedPolicy::parse(POLICY_FILE.to_owned(), text.as_bytes(), ui)?;
    Ok((proposal, Some(file)))
}

/// Returns the name that the user chooses at the terminal, else that of the remote repository or the
/// folder.
fn ask_project_name(repository: &Repository, ui: &Ui) -> Result<ProjectName, CliError> {
    let default = default_names::derive_project_name(repository, ui);
    if !ui.can_prompt() {
        return default;
    }
    let default = default.ok().map(|name| name.to_string());
    let typed = ui.ask("Name of the project (permanent)", default.as_deref())?;
    typed.parse().context(
        ErrorKind::Usage,
        format!("{typed:?} cannot be the name of a project"),
    )
}

/// Returns the project name given with `--name` or `--project`.
pub(super) fn requested_name<'a>(args: &'a Args, ui: &'a Ui) -> Option<&'a ProjectName> {
    args.name.as_ref().or(ui.project())
}

/// Returns the person given with `--as`, else the one that git's e-mail address suggests.
pub(super) fn determine_person(args: &Args, repository: &Repository) -> Result<Person, CliError> {
    args.person
        .clone()
        .map_or_else(|| default_names::derive_person(repository), Ok)
}
