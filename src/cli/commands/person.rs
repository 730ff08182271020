//! `git deploy person`: adds, changes and removes people and machines in `deploy.toml`.

mod locks;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use locks::list_locks;

use crate::cli::key_lookup::{KeySource, find_public_key, find_source, read_signer_key};
use crate::cli::policy_edit::{
    EditArgs, EditSummary, PolicyEdit, explain_edit_error, explain_unknown,
};
use crate::cli::policy_file::POLICY_FILE;
use crate::cli::read_context::identify_user;
use crate::cli::{CliError, ErrorKind, Ui};
use crate::domain::id::PublicKey;
use crate::domain::name::{GroupName, Person};
use crate::domain::policy::NewValue;
use crate::signing::key::public_key_path;

/// Add, change and remove people and machines in deploy.toml
///
/// These commands edit the file and keep its comments. An edit takes effect when an admin publishes
/// the file. See docs/people.md.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy person add carol --key carol.pub --email carol@example.com
  git deploy person rotate carol --key carol-new.pub
  git deploy person remove carol")]
pub struct Args {
    #[command(subcommand)]
    command: PersonCommand,
}

#[derive(clap::Subcommand)]
enum PersonCommand {
    Add(AddArgs),
    Rotate(RotateArgs),
    Remove(RemoveArgs),
}

/// Add a person or a machine
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Add a person, by the file that she sent you:
    git deploy person add carol --key carol.pub --email carol@example.com

  Add an approver of the group release:
    git deploy person add carol --key carol.pub --group release

  Add a CI job:
    git deploy person add ci --key ci.pub --machine")]
struct AddArgs {
    /// The name
    name: Person,
    #[command(flatten)]
    key: KeyArg,
    /// An address that the person commits with (repeatable)
    #[arg(long = "email", value_name = "ADDRESS")]
    emails: Vec<String>,
    /// Add the name to this group (repeatable)
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<GroupName>,
    /// Let the person publish policies
    #[arg(long)]
    admin: bool,
    /// Add a machine, such as a CI job, which cannot approve
    #[arg(long)]
    machine: bool,
    #[command(flatten)]
    edit: EditArgs,
}

/// The option that names a public key.
#[derive(clap::Args)]
struct KeyArg {
    /// The public key, or the file that contains it
    #[arg(long, value_name = "KEY|FILE")]
    key: String,
}

/// Replace a person's key
///
/// The old key is retired: it signs nothing new, and its earlier signatures still count. To replace
/// your own key, publish with the old one, and sign with the new one after that.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy person rotate carol --key carol-new.pub

  The old key was stolen, so its earlier approvals must not count any more:
    git deploy person rotate carol --key carol-new.pub --stolen")]
struct RotateArgs {
    /// The name
    name: Person,
    #[command(flatten)]
    key: KeyArg,
    /// Remove the old key instead of retiring it, so that none of its signatures count
    #[arg(long)]
    stolen: bool,
    #[command(flatten)]
    edit: EditArgs,
}

/// Remove a person or a machine
///
/// Also removes the name from the groups and lists that name someone else. The person's approvals
/// and attestations no longer count; what was deployed with them stays in the ledger.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy person remove carol
  git deploy person remove carol --dry-run")]
struct RemoveArgs {
    /// The name
    name: Person,
    #[command(flatten)]
    edit: EditArgs,
}

/// Runs the chosen subcommand.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    let edit = PolicyEdit::open(ui)?;
    match &args.command {
        PersonCommand::Add(args) => add_person(args, edit, ui),
        PersonCommand::Rotate(args) => rotate_key(args, edit, ui),
        PersonCommand::Remove(args) => remove_person(args, edit, ui),
    }
}

impl KeyArg {
    /// Reads the public key.
    fn read(&self) -> Result<PublicKey, CliError> {
        let public_file = self.public_file();
        let value = public_file.to_str().unwrap_or(&self.key);
        read_signer_key(value).map_err(|error| {
            CliError::new(
                ErrorKind::Usage,
                format!(
                    "{:?} is neither a public key (RW…) nor the file of one",
                    self.key
                ),
            )
            .because(error)
            .hint("git deploy key show")
        })
    }

    /// Returns the file of the public key, also if the option names that of the secret key.
    fn public_file(&self) -> PathBuf {
        let file = Path::new(&self.key);
        let beside = public_key_path(file);
        if file.is_file() && beside.is_file() {
            beside
        } else {
            file.to_owned()
        }
    }

    /// Finds the file of the secret key, beside that of the public key.
    fn secret_file(&self) -> Option<PathBuf> {
        let public = self.public_file();
        let secret = [public.with_extension("key"), public.with_extension("")];
        let is_pair = |file: &PathBuf| file.is_file() && public_key_path(file) == public;
        let file = secret.into_iter().find(is_pair)?;
        std::path::absolute(file).ok()
    }
}

/// Fails if someone has the key already.
fn require_unused(edit: &PolicyEdit, key: &PublicKey) -> Result<(), CliError> {
    match edit.current.policy.describe_key_owner(key) {
        None => Ok(()),
        Some(owner) => Err(CliError::new(
            ErrorKind::Usage,
            format!("this key is {owner}; a key belongs to one person and is never used again"),
        )
        .hint("git deploy key new FILE")),
    }
}

fn add_person(args: &AddArgs, mut edit: PolicyEdit, ui: &Ui) -> Result<(), CliError> {
    let (name, key) = (&args.name, args.key.read()?);
    let policy = &edit.current.policy;
    if let Some(present) = policy.people.get(name) {
        if present.key == key {
            return Err(CliError::new(
                ErrorKind::Usage,
                format!("{name} is already listed with this key"),
            ));
        }
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("{name} is already listed, with another key"),
        )
        .hint(format!(
            "git deploy person rotate {name} --key {}",
            args.key.key
        )));
    }
    require_unused(&edit, &key)?;
    let unknown = args
        .groups
        .iter()
        .find(|it| !policy.groups.contains_key(*it));
    if let Some(group) = unknown {
        let groups = policy.groups.keys().map(GroupName::as_str);
        return Err(explain_unknown("group", group.as_str(), groups));
    }
    let mut keys = vec![("key", NewValue::Text(key.to_string()))];
    if !args.emails.is_empty() {
        keys.push(("emails", NewValue::Array(args.emails.clone())));
    }
    if args.machine {
        keys.push(("machine", NewValue::True));
    }
    let admins: Vec<String> = edit
        .admins(policy)
        .iter()
        .map(ToString::to_string)
        .collect();
    let editor = &mut edit.editor;
    let mut apply = || {
        editor.add_entry("people", name.as_str(), keys.clone(), None)?;
        for group in &args.groups {
            editor.add_to_list("groups", group.as_str(), name.as_str(), &[])?;
        }
        if args.admin {
            editor.add_to_list("policy", "admins", name.as_str(), &admins)?;
        }
        Ok(())
    };
    apply().map_err(explain_edit_error)?;
    let summary = EditSummary {
        title: format!("Add {name}"),
        notes: Vec::new(),
        afterwards: Vec::new(),
    };
    edit.finish(&args.edit, &summary, ui)
}

fn rotate_key(args: &RotateArgs, mut edit: PolicyEdit, ui: &Ui) -> Result<(), CliError> {
    let (name, key) = (&args.name, args.key.read()?);
    edit.find_person(name)?;
    let Some(person) = edit.current.policy.people.get(name).cloned() else {
        return Err(CliError::reported(ErrorKind::Usage));
    };
    if person.key == key {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("this is the key that {name} has now: rotate needs a new one"),
        )
        .hint("git deploy key new FILE"));
    }
    require_unused(&edit, &key)?;
    let admins = edit.admins(&edit.current.policy);
    let old = Some(&person.key).filter(|_| !args.stolen);
    edit.editor
        .replace_key(name, &key, old)
        .map_err(explain_edit_error)?;
    let mut notes = Vec::new();
    // Without `admins`, whoever has a root key is an admin, so the name must take its place.
    let keeps_role = edit.admins(&edit.parse_edited(ui)?.policy).contains(name);
    if admins.contains(name) && !keeps_role {
        let names: Vec<String> = admins.iter().map(ToString::to_string).collect();
        edit.editor
            .add_to_list("policy", "admins", name.as_str(), &names)
            .map_err(explain_edit_error)?;
        notes.push(format!(
            "{name} was an admin because of the old key, so the file now lists the admins."
        ));
    }
    let (more, afterwards) = describe_new_key(args, &edit, &key, person.machine, &admins);
    notes.extend(more);
    let summary = EditSummary {
        title: format!("Replace the key of {name}"),
        notes,
        afterwards,
    };
    edit.finish(&args.edit, &summary, ui)
}

/// Returns what the owner of a new key should know, and the commands to type once it is in force.
fn describe_new_key(
    args: &RotateArgs,
    edit: &PolicyEdit,
    key: &PublicKey,
    is_machine: bool,
    admins: &BTreeSet<Person>,
) -> (Vec<String>, Vec<String>) {
    let name = &args.name;
    if is_machine {
        let note = format!(
            "After the policy is published, store the new secret key as GIT_DEPLOY_KEY where {name} runs."
        );
        return (vec![note], Vec::new());
    }
    if identify_user(&edit.workspace).as_ref() != Some(name) {
        return (Vec::new(), Vec::new());
    }
    let mut notes = Vec::new();
    let others = admins.iter().filter(|admin| *admin != name);
    let others: Vec<&str> = others.map(Person::as_str).collect();
    if args.stolen && !others.is_empty() {
        notes.push(format!(
            "Let another admin ({}) publish this, so that no signature of the stolen key is needed.",
            others.join(", ")
        ));
    }
    if signs_with(edit, key) {
        notes.push("This clone signs with the new key already. Until the policy is published, only the old one is accepted.".to_owned());
        return (notes, Vec::new());
    }
    notes.push("Sign with the new key once the policy is published, not before.".to_owned());
    let file = args.key.secret_file();
    let command = file.map(|file| format!("git config deploy.key {}", file.display()));
    (notes, command.into_iter().collect())
}

/// Checks whether this clone signs with the key.
fn signs_with(edit: &PolicyEdit, key: &PublicKey) -> bool {
    let repository = Some(&edit.workspace.repository);
    let source = find_source(repository).ok();
    let source = source.filter(|source| match source {
        // Without the file of the public key, a password would be asked for.
        KeySource::File(file) => public_key_path(file).is_file(),
        _ => true,
    });
    source.and_then(|it| find_public_key(repository, &it).ok()) == Some(*key)
}

fn remove_person(args: &RemoveArgs, mut edit: PolicyEdit, ui: &Ui) -> Result<(), CliError> {
    let name = &args.name;
    edit.find_person(name)?;
    let admins = edit.admins(&edit.current.policy);
    if admins.iter().all(|admin| admin == name) && admins.contains(name) {
        return Err(CliError::new(
            ErrorKind::Denied,
            format!("{name} is the last admin: without {name}, no one could change the policy"),
        )
        .hint(format!(
            "name another admin in {POLICY_FILE}, under [policy]: admins = [\"NAME\"]"
        )));
    }
    let removed = edit
        .editor
        .remove_person(name)
        .map_err(explain_edit_error)?;
    if !removed.sole_member.is_empty() {
        let (noun, them) = match removed.sole_member.len() {
            1 => ("this list", "it"),
            _ => ("these lists", "each of them"),
        };
        return Err(CliError::new(
            ErrorKind::Denied,
            format!(
                "{name} is the only one in {noun}: {}. Name someone else in {them} first, or remove the key",
                removed.sole_member.join(", ")
            ),
        ));
    }
    let mut notes = Vec::new();
    if identify_user(&edit.workspace).as_ref() == Some(name) {
        notes.push(format!(
            "You are {name}: you remove yourself. Once the policy is published, nothing that you sign is accepted, and only another admin can add you again."
        ));
    }
    if !removed.shortened.is_empty() {
        notes.push(format!(
            "Also removed from {}.",
            removed.shortened.join(", ")
        ));
    }
    let locks = list_locks(&edit.workspace, name);
    if !locks.is_empty() {
        notes.push(format!(
            "{name} still locks {}. The locks stay; others may lift them.",
            locks.join(", ")
        ));
    }
    let summary = EditSummary {
        title: format!("Remove {name}"),
        notes,
        afterwards: Vec::new(),
    };
    edit.finish(&args.edit, &summary, ui)
}
