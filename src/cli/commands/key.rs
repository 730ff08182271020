//! `git deploy key`: creates and shows signing keys.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::key_lookup::default_key;
use crate::cli::key_lookup::{Source, make, public_key, source};
use crate::cli::workspace::{Workspace, open_repository};
use crate::cli::{Context, Failure, Kind, OrFail as _};
use crate::domain::id::PublicKey;
use crate::domain::name::Person;
use crate::domain::policy::Standing;
use crate::git::Repository;
use crate::signing::key::{public_file, read_public};
use crate::view::symbols::Mark;
use crate::view::table::{Cell, Table};

/// Make a signing key, show its public half, list the keys that are here
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    New(New),
    Show(Show),
    List(List),
}

/// Make a minisign key pair: FILE for its owner only, and FILE's public half beside it with `.pub`
#[derive(clap::Args)]
struct New {
    /// The file of the secret key, which must not exist; without it the one that is used by default
    file: Option<PathBuf>,
    /// Protect it by file permissions alone
    ///
    /// Otherwise the password is taken from `GIT_DEPLOY_PASSWORD` or asked for on the terminal.
    #[arg(long)]
    no_password: bool,
}

/// Print the public key that signs here: the line that goes under [people] in deploy.toml
#[derive(clap::Args)]
struct Show {}

/// List the public keys beside the default one, and whose the policy in force says they are
#[derive(clap::Args)]
struct List {}

/// Runs the chosen subcommand.
pub fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match &args.verb {
        Verb::New(args) => new(args, context),
        Verb::Show(Show {}) => show(context),
        Verb::List(List {}) => list(context),
    }
}

#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Body {
    /// The file of the secret key, or another source of the key.
    file: String,
    /// The public key.
    public_key: PublicKey,
}

fn new(args: &New, context: &Context) -> Result<(), Failure> {
    let default = default_key();
    let file = args
        .file
        .clone()
        .or_else(|| default.clone())
        .ok_or_else(homeless)?;
    let public_key = make(&file, args.no_password)?;
    if context.json() {
        return context.report(
            "key",
            &Body {
                file: file.display().to_string(),
                public_key,
            },
        );
    }
    context.print(public_key);
    context.note(format_args!(
        "The secret key is in {}; keep a copy where it cannot be lost.",
        file.display()
    ));
    if default.as_ref() != Some(&file) {
        let file = std::path::absolute(&file).unwrap_or(file);
        context.note(format_args!(
            "To sign with it here: git config deploy.key {}",
            file.display()
        ));
    }
    Ok(())
}

fn homeless() -> Failure {
    Failure::new(Kind::Usage, "there is no home folder to put a key into")
        .hint("git deploy key new FILE")
}

fn show(context: &Context) -> Result<(), Failure> {
    let repository = open_repository().ok();
    let source = source(repository.as_ref())?;
    let public_key = public_key(repository.as_ref(), &source)?;
    if context.json() {
        return context.report(
            "key",
            &Body {
                file: source.to_string(),
                public_key,
            },
        );
    }
    context.print(public_key);
    Ok(())
}

#[derive(JsonSchema, Serialize)]
pub(in crate::cli) struct Keys {
    /// The keys; the one that signs here comes first.
    keys: Vec<Listed>,
}

/// One key.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    /// The file of the secret or public key, or another source of the key.
    file: String,
    /// The public key.
    public_key: PublicKey,
    /// The person who has this key in the policy in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    person: Option<Person>,
    /// Whether the key is retired: it signs nothing new.
    retired: bool,
    /// Whether this key signs here.
    signs: bool,
}

fn list(context: &Context) -> Result<(), Failure> {
    let repository = open_repository().ok();
    let keys = found(repository.as_ref())?;
    if context.json() {
        return context.report("keys", &Keys { keys });
    }
    if keys.is_empty() {
        context.note("There is no key here yet: git deploy key new");
        return Ok(());
    }
    let mut table = Table::new(&["", "Public key", "Person", "File"]).elastic(&[2, 3]);
    for key in keys {
        let mark = if key.signs { Mark::Live } else { Mark::None };
        let person = match (key.person, key.retired) {
            (Some(person), true) => format!("{person}, retired"),
            (Some(person), false) => person.to_string(),
            (None, _) => "–".to_owned(),
        };
        table.row([
            Cell::styled(mark.symbol().to_string(), mark.style()),
            Cell::from(key.public_key.to_string()),
            Cell::from(person),
            Cell::from(key.file),
        ]);
    }
    context.print(table.render(context.width()));
    Ok(())
}

/// Returns the key that signs here and the public keys in the default folder.
fn found(repository: Option<&Repository>) -> Result<Vec<Listed>, Failure> {
    let workspace =
        repository.and_then(|_| Workspace::open_known(open_repository().ok()?, None).ok());
    let listed = |file: String, public_key: PublicKey, signs: bool| {
        let owner = workspace
            .as_ref()
            .and_then(|it| it.policy.person_of_key(&public_key));
        let retired = owner.is_some_and(|(_, standing)| standing == Standing::Retired);
        Listed {
            file,
            public_key,
            person: owner.map(|(person, _)| person.clone()),
            retired,
            signs,
        }
    };
    let source = source(repository)?;
    let mut keys = Vec::new();
    if source != Source::Nothing {
        keys.push(listed(
            source.to_string(),
            public_key(repository, &source)?,
            true,
        ));
    }
    let used = match &source {
        Source::File(file) => Some(public_file(file)),
        _ => None,
    };
    for file in default_key()
        .as_deref()
        .and_then(Path::parent)
        .map_or_else(|| Ok(Vec::new()), public_files)?
    {
        if used.as_ref() != Some(&file)
            && let Ok(key) = read_public(&file)
        {
            keys.push(listed(file.display().to_string(), key, false));
        }
    }
    Ok(keys)
}

/// Lists the public key files in a folder, sorted by name. Returns an empty list if the folder does
/// not exist.
fn public_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let cannot = || format!("cannot read the folder {}", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::new(Kind::CannotTell, cannot()).because(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.or_fail(Kind::CannotTell, cannot())?.path();
        if path.extension().is_some_and(|extension| extension == "pub") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
