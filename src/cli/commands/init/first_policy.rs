//! Begins a project: its genesis and its first policy.

use crate::cli::append_error::explain_append_error;
use crate::cli::policy_file::ProposedPolicy;
use crate::cli::repository::find_remote;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::clock;
use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::{EnvName, LedgerName, Person, ProjectName};
use crate::domain::policy::Policy;
use crate::git::Repository;
use crate::ledger::writer::{AppendOptions, LedgerWriter};
use crate::ledger::{Project, project_genesis_bytes};
use crate::signing::Signer;

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

/// Returns the first environment that promotes from no other one.
pub(super) fn find_first_environment(policy: &Policy) -> Option<&EnvName> {
    policy
        .environments
        .values()
        .find(|environment| environment.promote_from.is_empty())
        .map(|environment| &environment.name)
}
