//! `git deploy key`: creates and shows signing keys.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::key_lookup::{
    KeySource, create_key_file, default_key_path, find_public_key, find_source,
    require_default_key_path,
};
use crate::cli::repository::open_repository;
use crate::cli::workspace::Workspace;
use crate::cli::{CliError, ErrorContext as _, ErrorKind, Ui};
use crate::domain::id::PublicKey;
use crate::domain::name::Person;
use crate::domain::policy::KeyStatus;
use crate::git::Repository;
use crate::signing::key::{public_key_path, read_public_key};
use crate::view::symbols::Mark;
use crate::view::table::{Cell, Table};

/// Create a signing key, or show the keys on this machine
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy key new
  git deploy key list")]
pub struct Args {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(clap::Subcommand)]
enum KeyCommand {
    New(NewArgs),
    Show(ShowKeyArgs),
    List(ListArgs),
}

/// Create a minisign key pair
///
/// FILE contains the secret key and is readable by its owner only. The public key goes to FILE.pub,
/// or to NAME.pub if FILE is NAME.key.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  Create your key:
    git deploy key new

  Create a key for CI, and use it in this repository:
    git deploy key new ci.key --no-password
    git config deploy.key ci.key")]
struct NewArgs {
    /// The file of the secret key, which must not exist. Defaults to the default key file
    file: Option<PathBuf>,
    /// Protect the key by file permissions only
    ///
    /// Otherwise the password is read from `GIT_DEPLOY_PASSWORD`, or asked for on the terminal.
    #[arg(long)]
    no_password: bool,
}

/// Print the public key that signs here
///
/// This is the value to add under [people] in deploy.toml.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy key show
  git deploy key show --json")]
struct ShowKeyArgs {}

/// List the public keys on this machine and their owners
///
/// Lists the key that signs here and those in the default folder. The owner comes from the policy
/// in force.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  git deploy key list
  git deploy key list --json")]
struct ListArgs {}

/// Runs the chosen subcommand.
pub fn run(args: &Args, ui: &Ui) -> Result<(), CliError> {
    match &args.command {
        KeyCommand::New(args) => create_key(args, ui),
        KeyCommand::Show(ShowKeyArgs {}) => print_key(ui),
        KeyCommand::List(ListArgs {}) => list_keys(ui),
    }
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct KeyDocument {
    /// The file of the secret key, the program that signs, or `GIT_DEPLOY_KEY`.
    file: String,
    /// The public key.
    public_key: PublicKey,
}

fn create_key(args: &NewArgs, ui: &Ui) -> Result<(), CliError> {
    let file = match &args.file {
        Some(file) => file.clone(),
        None => require_default_key_path()?,
    };
    let public_key = create_key_file(&file, args.no_password)?;
    if ui.json() {
        return ui.print_document(
            "key",
            &KeyDocument {
                file: file.display().to_string(),
                public_key,
            },
        );
    }
    ui.print(public_key);
    ui.eprint(format_args!(
        "The secret key is in {}. Keep a backup in a safe place.",
        file.display()
    ));
    warn_if_tracked(ui, &file);
    if default_key_path().as_ref() != Some(&file) {
        let file = std::path::absolute(&file).unwrap_or(file);
        ui.eprint(format_args!(
            "To sign with it in a repository: git config deploy.key {}",
            file.display()
        ));
    }
    Ok(())
}

/// Warns if a new secret key is in a work tree, where `git add` would take it.
fn warn_if_tracked(ui: &Ui, file: &Path) {
    let Ok(repository) = open_repository() else {
        return;
    };
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let (Some(folder), Ok(file)) = (repository.work_dir(), file.canonicalize()) else {
        return;
    };
    let Some(path) = folder
        .canonicalize()
        .ok()
        .and_then(|folder| Some(file.strip_prefix(folder).ok()?.to_owned()))
    else {
        return;
    };
    let arguments = ["--quiet", "--", &path.to_string_lossy()];
    let checked = repository.git("check-ignore").args(arguments).run();
    if checked.is_ok_and(|output| output.code == Some(1)) {
        ui.eprint_sentence(format_args!(
            "warning: {} is in the work tree and not ignored: git add would publish the secret key. Move it, or add it to .gitignore.",
            path.display()
        ));
    }
}

fn print_key(ui: &Ui) -> Result<(), CliError> {
    let repository = open_repository().ok();
    let source = find_source(repository.as_ref())?;
    let public_key = find_public_key(repository.as_ref(), &source)?;
    if ui.json() {
        return ui.print_document(
            "key",
            &KeyDocument {
                file: source.to_string(),
                public_key,
            },
        );
    }
    ui.print(public_key);
    Ok(())
}

#[derive(JsonSchema, Serialize)]
pub(in crate::cli) struct KeysDocument {
    /// The keys; the one that signs here comes first.
    keys: Vec<ListedKey>,
}

/// One key.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedKey {
    /// The file of the secret or public key, the program that signs, or `GIT_DEPLOY_KEY`.
    file: String,
    /// The public key.
    public_key: PublicKey,
    /// The person who has this key in the policy in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<Person>,
    /// Whether the policy lists the key as retired: it can sign no new entries.
    retired: bool,
    /// Whether this key signs here.
    signs: bool,
}

fn list_keys(ui: &Ui) -> Result<(), CliError> {
    let repository = open_repository().ok();
    let keys = find_keys(repository.as_ref())?;
    if ui.json() {
        return ui.print_document("keys", &KeysDocument { keys });
    }
    if keys.is_empty() {
        ui.eprint("There is no key yet: git deploy key new");
        return Ok(());
    }
    let mut table = Table::new(&["", "Public key", "Person", "File"]).shorten_columns(&[2, 3]);
    for key in keys {
        let mark = if key.signs { Mark::Live } else { Mark::None };
        let person = match (key.person, key.retired) {
            (Some(person), true) => format!("{person}, retired"),
            (Some(person), false) => person.to_string(),
            (None, _) => "–".to_owned(),
        };
        table.add_row([
            Cell::styled(mark.symbol().to_string(), mark.style()),
            Cell::from(key.public_key.to_string()),
            Cell::from(person),
            Cell::from(key.file),
        ]);
    }
    ui.print(table.render(ui.width()));
    Ok(())
}

/// Returns the key that signs here, if there is one, and the other public keys in the default
/// folder.
fn find_keys(repository: Option<&Repository>) -> Result<Vec<ListedKey>, CliError> {
    let workspace =
        repository.and_then(|_| Workspace::open_offline(open_repository().ok()?, None).ok());
    let describe = |file: String, public_key: PublicKey, signs: bool| {
        let owner = workspace
            .as_ref()
            .and_then(|it| it.policy.person_of_key(&public_key));
        let retired = owner.is_some_and(|(_, status)| status == KeyStatus::Retired);
        ListedKey {
            file,
            public_key,
            person: owner.map(|(person, _)| person.clone()),
            retired,
            signs,
        }
    };
    let source = find_source(repository)?;
    let mut keys = Vec::new();
    if source != KeySource::Missing {
        keys.push(describe(
            source.to_string(),
            find_public_key(repository, &source)?,
            true,
        ));
    }
    let signing_file = match &source {
        KeySource::File(file) => Some(public_key_path(file)),
        _ => None,
    };
    for file in default_key_path()
        .as_deref()
        .and_then(Path::parent)
        .map_or_else(|| Ok(Vec::new()), list_public_files)?
    {
        if signing_file.as_ref() != Some(&file)
            && let Ok(key) = read_public_key(&file)
        {
            keys.push(describe(file.display().to_string(), key, false));
        }
    }
    Ok(keys)
}

/// Lists the `.pub` files in a folder, sorted by name. Returns an empty list if the folder does not
/// exist.
fn list_public_files(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let cannot_read = || format!("cannot read the folder {}", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(CliError::new(ErrorKind::CannotTell, cannot_read()).because(error));
        }
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.context(ErrorKind::CannotTell, cannot_read())?.path();
        if path.extension().is_some_and(|extension| extension == "pub") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
