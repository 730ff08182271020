//! Begins a project: its genesis and its first policy.

use crate::cli::append_error::explain_append_error;
use crate::cli::policy_file::ProposedPolicy;
use crate::cli::repository::find_remote;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::clock;
use crate::domain::deploy_command::DeployCommand;
use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::{LedgerName, Person, ProjectName};
use crate::domain::policy::{Environment, Policy};
use crate::git::Repository;
use crate::ledger::writer::{AppendOptions, LedgerWriter};
use crate::ledger::{Project, project_genesis_bytes};
use crate::signing::Signer;
use crate::view::grouping;

/// Writes the genesis of a new project.
pub(super) fn write_genesis(
    repository: &Repository,
    name: &ProjectName,
    key: PublicKey,
) -> Result<Project, CliError> {
    let nonce = clock::random().context(ErrorKind::CannotTell, "cannot begin a project")?;
    let write = || -> crate::git::Result<Project> {
        repository.write_tree(b"")?;
        let id =
            repository.write_commit(&project_genesis_bytes(repository, name, nonce, &[key])?)?;
        Project::read(repository, EntryId(id))
    };
    write().context(ErrorKind::CannotTell, "cannot begin a project")
}

/// Publishes the first policy of a new project.
///
/// # Errors
///
/// Fails if the project already has a policy. If a server refuses the policy, the error shows the
/// command with which its owner allows this key to publish it.
pub(super) fn publish_first_policy(
    ui: &Ui,
    repository: &Repository,
    project: &Project,
    proposal: &ProposedPolicy,
    person: &Person,
    signer: &Signer,
) -> Result<(), CliError> {
    let remote = find_remote(repository, ui)?;
    let writer = LedgerWriter {
        repository,
        project,
        remote: remote.as_deref(),
        person,
        signer: Some(signer),
        options: AppendOptions::default(),
        is_synced: true,
    };
    let result = writer.append(&LedgerName::policy(), &|snapshot| {
        if snapshot.policy.is_some() || snapshot.tip.chain.sequence > 0 {
            return Err(CliError::new(
                ErrorKind::Denied,
                "another person has set up this project in the meantime",
            )
            .hint("git deploy init"));
        }
        Ok(proposal.draft_publish(&snapshot.tip.chain.root_keys, None, false))
    });
    result.map(drop).map_err(|error| {
        let error = explain_append_error(ui, error);
        if error.kind() == ErrorKind::Denied && remote.is_some() {
            let key = signer.public_key();
            return error.hint(format!(
                "on the server, once: git-deploy server init REPOSITORY --admin {key}"
            ));
        }
        error
    })
}

/// Suggests the first deployment: `Next: COMMAND` if this person may make it, otherwise who may.
/// Returns `None` if the policy has no environment that takes it.
pub(super) fn suggest_first_deployment(policy: &Policy, person: &Person) -> Option<String> {
    let is_first = |environment: &&Environment| {
        environment.promote_from.is_empty() && !environment.is_pattern()
    };
    let first = policy.environments.values().find(is_first)?;
    let deployers = first.deployers.persons();
    let command = DeployCommand::new(policy, &first.name);
    match deployers.is_empty() {
        _ if deployers.contains(person) => Some(format!("Next: {command}")),
        true => None,
        false => {
            let names = grouping::list_alternatives(deployers);
            Some(format!("Next, ask {names}: {command}"))
        }
    }
}
