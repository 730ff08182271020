//! `git deploy init`: sets up a repository step by step. Skips steps that are already done.

mod args;
mod baselines;
mod clone_setup;
mod document;
mod first_policy;
mod new_key;
mod policy_in_force;
mod proposed_policy;

use std::collections::BTreeMap;

pub use args::Args;
use baselines::record_baselines;
use clone_setup::set_up_clone;
pub(in crate::cli) use document::InitDocument;
use first_policy::{publish_first_policy, suggest_first_deployment, write_genesis};
use new_key::NewKey;
use policy_in_force::{require_environments, restore_policy_file};
use proposed_policy::{determine_person, open_or_build_policy, requested_name};

use crate::cli::append_error::{explain_sync_error, sync_ledgers};
use crate::cli::baseline::{self, BaselineCommits};
use crate::cli::diagnostics::explain_notes_error;
use crate::cli::key_lookup::{self, open_signer};
use crate::cli::policy_file::{POLICY_FILE, write_new_file};
use crate::cli::repository::{find_remote, open_repository};
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui, default_names, sync_report};
use crate::domain::command_line::quote_word;
use crate::domain::id::{CommitId, PublicKey};
use crate::domain::name::{EnvName, LedgerName, Person};
use crate::domain::policy::{KeyStatus, Policy};
use crate::git::Repository;
use crate::ledger::facts::FactGatherer;
use crate::view::{grouping, wrap};

/// Sets up the repository: creates a key if there is none, configures git, and joins the project or
/// begins a new one.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let repository = open_repository()?;
    let remote = find_remote(&repository, ui)?;
    let mut document = InitDocument {
        remote,
        ..InitDocument::default()
    };
    let new_key = NewKey::create_if_missing(args, ui, &repository)?;
    document
        .created
        .extend(new_key.is_created().then_some("key"));
    let result = set_up(args, ui, &repository, &new_key, document);
    if result.is_err() {
        new_key.remove_if_unused(ui);
    }
    result
}

/// Joins the project or begins a new one.
///
/// If this fails, git's configuration and the work tree are as before: they are changed only after the
/// policy is in force.
fn set_up(
    args: &Args,
    ui: &Ui,
    repository: &Repository,
    new_key: &NewKey,
    document: InitDocument,
) -> Result<(), CliError> {
    if let Some(remote) = &document.remote {
        let synced = sync_ledgers(repository, remote, ui)?;
        if !synced.moved.is_empty() && !ui.json() {
            sync_report::print_sync_table(repository, remote, &synced, ui)?;
        }
    } else {
        // An earlier process may have been killed before it wrote the notes of an entry.
        let ledgers = repository
            .local_ledgers()
            .map_err(|error| explain_sync_error(ui, error))?;
        repository
            .update_notes(&ledgers.tips)
            .map_err(explain_notes_error)?;
    }
    let tips = repository
        .tips()
        .context(ErrorKind::CannotTell, "cannot read the ledgers")?;
    if tips.contains_key(&LedgerName::policy()) {
        return join_project(args, ui, document);
    }
    begin_project(args, ui, repository, new_key, document)
}

/// Joins the existing project: pins it, and prints its admins and the next steps.
fn join_project(args: &Args, ui: &Ui, mut document: InitDocument) -> Result<(), CliError> {
    // Opened here, because the configuration and the ledgers have just changed.
    let workspace = Workspace::open(ui)?;
    let (policy, project) = (&workspace.policy, &workspace.project);
    if let Some(name) = requested_name(args, ui).filter(|name| **name != project.name) {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("this is the project {}, not {name}", project.name),
        ));
    }
    require_environments(&args.environments, policy, "the policy in force")?;
    let baselines = baseline::resolve_baselines(&args.running, policy, &|revision| {
        workspace.resolve_commit(revision)
    })?;
    require_components(&baselines, &workspace.gatherer(), policy)?;
    set_up_clone(args, ui, &workspace.repository, project.id, &mut document)?;
    let source = key_lookup::find_source(Some(&workspace.repository))?;
    let key = key_lookup::find_public_key(Some(&workspace.repository), &source)?;
    document.admins = policy.admins(&project.root_keys).into_iter().collect();
    document.public_key = Some(key);
    document.project = Some(project.name.clone());
    document.root = Some(project.id);
    let admins: Vec<&str> = document.admins.iter().map(Person::as_str).collect();
    let admins = admins.join(", ");
    ui.print_sentence(format_args!(
        "This is the project {}. Its policy is administered by {admins}.",
        project.name
    ));
    match policy.person_of_key(&key) {
        Some((person, KeyStatus::Current)) => {
            ui.print(format_args!("You are {person}."));
            if let Some(file) = restore_policy_file(&workspace, person)? {
                document.created.push(POLICY_FILE);
                ui.print_sentence(format_args!(
                    "{file} was missing and has been restored: git add {file} && git commit"
                ));
            }
        }
        Some((person, KeyStatus::Retired)) => {
            ui.print(format_args!("Your key is a retired key of {person}."));
        }
        // Without a listed key no baseline can be signed. The error explains how to be listed.
        None if !baselines.is_empty() => drop(workspace.find_current_signer()?),
        None => explain_unlisted_key(args, ui, &workspace.repository, key, &document.admins),
    }
    record_baselines(&workspace, ui, &baselines, &mut document.baselines)?;
    ui.print("Next: git deploy status");
    print_document(ui, &document)
}

/// Prints how a member whose key the policy does not list can be added to it.
fn explain_unlisted_key(
    args: &Args,
    ui: &Ui,
    repository: &Repository,
    key: PublicKey,
    admins: &[Person],
) {
    let person = determine_person(args, repository)
        .map_or_else(|_| "NAME".to_owned(), |person| person.to_string());
    let email = default_names::find_commit_address(repository).map_or_else(String::new, |it| {
        format!(" --email {}", quote_word(it.as_str()))
    });
    ui.print_sentence(format_args!(
        "The policy does not list your key. Ask {}, who can publish it, to type:",
        grouping::list_alternatives(admins)
    ));
    let command = format!("git deploy person add {person} --key {key}{email}");
    ui.print(wrap::render_command(2, &command, ui.width()));
}

/// Checks that every baseline names components that exist at its commit, before anything is
/// written.
fn require_components(
    baselines: &BTreeMap<EnvName, BaselineCommits>,
    gatherer: &FactGatherer<'_>,
    policy: &Policy,
) -> Result<(), CliError> {
    baselines.iter().try_for_each(|(name, commits)| {
        commits.resolve_components(gatherer, policy, name).map(drop)
    })
}

/// Begins a new project: writes its genesis, publishes its first policy, and records the baselines.
fn begin_project(
    args: &Args,
    ui: &Ui,
    repository: &Repository,
    new_key: &NewKey,
    mut document: InitDocument,
) -> Result<(), CliError> {
    let signer = open_signer(repository)?;
    let key = signer.public_key();
    let (proposal, new_file) = open_or_build_policy(args, ui, repository, key)?;
    let person = find_publisher(&proposal.policy, key)?;
    let baselines = baseline::resolve_baselines(&args.running, &proposal.policy, &|revision| {
        resolve_commit(repository, revision)
    })?;
    let project = write_genesis(repository, &proposal.policy.project, key)?;
    let gatherer = FactGatherer::new(repository, &project);
    require_components(&baselines, &gatherer, &proposal.policy)?;
    new_key.keep();
    publish_first_policy(ui, repository, &project, &proposal, &person, &signer)?;
    set_up_clone(args, ui, repository, project.id, &mut document)?;
    if let Some(file) = &new_file {
        // Written last, so that a failure leaves no file behind. An existing file is never
        // overwritten.
        write_new_file(file, proposal.text.as_bytes()).context(
            ErrorKind::CannotTell,
            format!("cannot write {}", file.display()),
        )?;
        document.created.push(POLICY_FILE);
    }
    document.created.push("policy");
    document.project = Some(project.name.clone());
    document.root = Some(project.id);
    document.public_key = Some(key);
    document.admins = vec![person.clone()];
    ui.print_sentence(format_args!(
        "The first policy of {} is in force. You ({person}) are its admin.",
        project.name
    ));
    if new_file.is_some() {
        ui.print_sentence(describe_addresses(&proposal.policy, &person));
        ui.print(format_args!(
            "{POLICY_FILE} is new and not committed yet: git add {POLICY_FILE} && git commit"
        ));
    }
    if !baselines.is_empty() {
        // Opened here, because the pin and the policy exist only now.
        record_baselines(
            &Workspace::open(ui)?,
            ui,
            &baselines,
            &mut document.baselines,
        )?;
        ui.print("Next: git deploy status");
    } else if let Some(next) = suggest_first_deployment(&proposal.policy, &person) {
        ui.print(next);
    }
    print_document(ui, &document)
}

/// Describes by which addresses a new policy recognizes the commits of its admin.
fn describe_addresses(policy: &Policy, person: &Person) -> String {
    let listed = policy.people.get(person);
    let addresses: Vec<&str> = listed
        .into_iter()
        .flat_map(|it| it.emails.iter().map(String::as_str))
        .collect();
    if addresses.is_empty() {
        format!(
            "Git has no user.email, so no commit is recognized as yours: add emails = [\"ADDRESS\"] to {person} in {POLICY_FILE} and publish it."
        )
    } else {
        format!(
            "Commits by {} count as yours ({POLICY_FILE}, [people]).",
            addresses.join(", ")
        )
    }
}

/// Finds the person who publishes the first policy: the one whom it lists with the key that signs
/// here.
fn find_publisher(policy: &Policy, key: PublicKey) -> Result<Person, CliError> {
    match policy.person_of_key(&key) {
        Some((person, KeyStatus::Current)) => Ok(person.clone()),
        _ => Err(CliError::new(
            ErrorKind::Usage,
            format!("{POLICY_FILE} does not list your key, so you cannot publish it"),
        )
        .hint(format!("add a line under [people]: you = \"{key}\""))),
    }
}

/// Resolves a revision, without a workspace: there is no policy yet.
fn resolve_commit(repository: &Repository, revision: &str) -> Result<CommitId, CliError> {
    let resolved = repository.resolve_revision(revision).context(
        ErrorKind::CannotTell,
        format!("cannot resolve {revision:?}"),
    )?;
    resolved.map(CommitId).ok_or_else(|| {
        CliError::new(
            ErrorKind::Usage,
            format!("there is no commit {revision:?} in this repository"),
        )
        .hint("git fetch --tags")
    })
}

/// Prints the JSON document, if it was asked for.
fn print_document(ui: &Ui, document: &InitDocument) -> Result<(), CliError> {
    if ui.json() {
        ui.print_document("init", document)
    } else {
        Ok(())
    }
}
