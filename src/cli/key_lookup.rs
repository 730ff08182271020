//! Finds the key that signs here and creates new keys: shared by `init`, `key` and the commands
//! that write entries.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use super::workspace::Workspace;
use super::{Failure, Kind, OrFail as _};
use crate::domain::id::PublicKey;
use crate::domain::name::Person;
use crate::git::Repository;
use crate::signing::key::{KeyError, generate, parse_public, public_file, read_public};
use crate::signing::{Environment, Signer};

/// The git setting with the file of the secret key.
pub const KEY: &str = "deploy.key";
/// The git setting with the program that signs instead of a key file.
pub const SIGNER: &str = "deploy.signer";
/// The git setting with that program's public key, or with the file that contains it.
pub const SIGNER_KEY: &str = "deploy.signerKey";

/// Where the signing key comes from, in the order of precedence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The variable `GIT_DEPLOY_KEY`.
    Variable,
    /// The program in `deploy.signer`.
    Program(PathBuf),
    /// The file in `deploy.key`, or the default file.
    File(PathBuf),
    /// There is no key yet.
    Nothing,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable => f.write_str("GIT_DEPLOY_KEY"),
            Self::Program(path) | Self::File(path) => path.display().fmt(f),
            Self::Nothing => f.write_str("no key"),
        }
    }
}

/// Finds where the signing key comes from, without opening it.
pub fn source(repository: Option<&Repository>) -> Result<Source, Failure> {
    let environment =
        Environment::read().or_fail(Kind::CannotTell, "cannot use the signing key")?;
    if environment.has_key() {
        return Ok(Source::Variable);
    }
    if let Some(program) = setting(repository, SIGNER)? {
        return Ok(Source::Program(program.into()));
    }
    if let Some(file) = setting(repository, KEY)? {
        return Ok(Source::File(file.into()));
    }
    Ok(default_key()
        .filter(|file| file.exists())
        .map_or(Source::Nothing, Source::File))
}

/// Returns the public key of a source.
///
/// Reads the `.pub` file beside a key file if there is one, so that no password is needed.
pub fn public_key(repository: Option<&Repository>, source: &Source) -> Result<PublicKey, Failure> {
    let cannot = || format!("cannot read the public key of {source}");
    match source {
        Source::Variable => {
            let environment = Environment::read().or_fail(Kind::CannotTell, cannot())?;
            let signer =
                Signer::from_environment(&environment).or_fail(Kind::CannotTell, cannot())?;
            signer.map(|signer| signer.public_key()).ok_or_else(none)
        }
        Source::Program(_) => {
            let text = setting(repository, SIGNER_KEY)?.ok_or_else(|| {
                Failure::new(Kind::Usage, cannot()).hint("git config deploy.signerKey RW…")
            })?;
            let text = std::fs::read_to_string(&text).unwrap_or(text);
            parse_public(&text).or_fail(Kind::Usage, cannot())
        }
        Source::File(file) => match (read_public(&public_file(file)), repository) {
            (Ok(key), _) => Ok(key),
            (Err(_), Some(repository)) => find_signer(repository).map(|signer| signer.public_key()),
            (Err(error), None) => Err(Failure::new(Kind::CannotTell, cannot()).because(error)),
        },
        Source::Nothing => Err(none()),
    }
}

/// Returns the person who signs here, according to the public key.
pub fn person(workspace: &Workspace) -> Result<Person, Failure> {
    let repository = Some(&workspace.repository);
    let key = public_key(repository, &source(repository)?)?;
    workspace
        .policy
        .person_of_key(&key)
        .map(|(person, _)| person.clone())
        .ok_or_else(|| {
            Failure::new(
                Kind::Denied,
                format!("the policy lists nobody with the key {key}"),
            )
            .hint("add it under [people] in deploy.toml, then git deploy policy publish")
        })
}

/// Reads a git setting. Returns `None` outside of a repository.
pub fn setting(repository: Option<&Repository>, key: &str) -> Result<Option<String>, Failure> {
    let read = |repository: &Repository| repository.config_string(key);
    let value = repository
        .map(read)
        .transpose()
        .or_fail(Kind::CannotTell, "cannot read git's configuration")?;
    Ok(value.flatten().filter(|value| !value.is_empty()))
}

fn none() -> Failure {
    Failure::new(Kind::CannotTell, "there is no key yet").hint("git deploy key new")
}

/// Creates a key in a new file, and its folder if needed. Never overwrites a file.
pub fn make(file: &Path, no_password: bool) -> Result<PublicKey, Failure> {
    let password = if no_password {
        None
    } else {
        Some(new_password()?)
    };
    if let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        make_folder(folder).or_fail(
            Kind::CannotTell,
            format!("cannot make the folder {}", folder.display()),
        )?;
    }
    generate(file, password.as_deref()).map_err(|error| {
        let there = matches!(error, KeyError::Exists(_));
        let kind = if there { Kind::Usage } else { Kind::CannotTell };
        let failure =
            Failure::new(kind, format!("cannot make the key {}", file.display())).because(error);
        if there {
            failure.hint("git deploy key show")
        } else {
            failure
        }
    })
}

/// Returns the password for a new key: from the environment, else typed twice. Never returns an
/// empty one: a key without a password must be requested with `--no-password`.
fn new_password() -> Result<String, Failure> {
    let environment = Environment::read().or_fail(Kind::CannotTell, "cannot read the password")?;
    if let Some(password) = environment.password() {
        return Ok(password.to_owned());
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::new(
            Kind::Usage,
            "cannot ask for the key's password without a terminal",
        )
        .hint("GIT_DEPLOY_PASSWORD=…, in the environment")
        .hint("--no-password, for a key that file permissions alone protect"));
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).or_fail(Kind::CannotTell, "cannot read the password")
    };
    let password = ask("Password for the new key: ")?;
    if password.is_empty() {
        return Err(Failure::new(Kind::Usage, "the password is empty")
            .hint("--no-password, for a key without one"));
    }
    if ask("The same again: ")? != password {
        return Err(Failure::new(
            Kind::Usage,
            "the two passwords differ: no key was made",
        ));
    }
    Ok(password)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    // Other users need not see whose keys are here.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Returns the path of the default key file. Returns `None` without a home folder.
pub fn default_key() -> Option<PathBuf> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let folder = variable("XDG_CONFIG_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("git-deploy").join("deploy.key"))
}

/// Opens the signing key: the one in the environment, the configured program, the configured file,
/// or the default file.
pub fn find_signer(repository: &Repository) -> Result<Signer, Failure> {
    let read = |key: &str| {
        repository
            .config_string(key)
            .or_fail(Kind::CannotTell, "cannot read git's configuration")
    };
    let cannot = "cannot use the signing key";
    let environment = Environment::read().or_fail(Kind::CannotTell, cannot)?;
    if let Some(signer) =
        Signer::from_environment(&environment).or_fail(Kind::CannotTell, cannot)?
    {
        return Ok(signer);
    }
    if let Some(program) = read(SIGNER)? {
        let hint = "git config deploy.signerKey RW…";
        let missing = || {
            Failure::new(
                Kind::Usage,
                format!("{SIGNER} is set, and {SIGNER_KEY} is not: whose signature will it be?"),
            )
            .hint(hint)
        };
        let text = read(SIGNER_KEY)?.ok_or_else(missing)?;
        let text = std::fs::read_to_string(&text).unwrap_or(text);
        let key = parse_public(&text)
            .or_fail(Kind::Usage, format!("{SIGNER_KEY} is not a public key"))?;
        return Ok(Signer::from_program(PathBuf::from(program), key));
    }
    let file = match read(KEY)? {
        Some(file) => PathBuf::from(file),
        None => default_key().filter(|file| file.exists()).ok_or_else(|| {
            Failure::new(Kind::CannotTell, "there is no key to sign with")
                .hint("git deploy key new")
                .hint("git config deploy.key FILE")
        })?,
    };
    let prompt = || {
        rpassword::prompt_password(format!("Password of {}: ", file.display()))
            .map_err(|_| std::io::Error::other("there is no terminal to type it at"))
    };
    Signer::from_file(&file, &environment, prompt)
        .map_err(|error| super::diagnostics::unusable_key(&file, error))
}
