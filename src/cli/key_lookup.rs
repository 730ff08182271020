//! Finds the key that signs here and creates new keys: shared by `init`, `key` and the commands
//! that write entries.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::id::PublicKey;
use crate::git::Repository;
use crate::git::private_files::create_folder;
use crate::signing::key::{
    KeyError, generate_key, parse_public_key, public_key_path, read_public_key,
};
use crate::signing::sign::KEY_VARIABLE;
use crate::signing::{Signer, SigningEnv};

/// The git setting with the file of the secret key.
pub const KEY_SETTING: &str = "deploy.key";
/// The git setting with the program that signs instead of a key file.
pub const SIGNER_SETTING: &str = "deploy.signer";
/// The git setting with that program's public key, or with the file that contains it.
pub const SIGNER_KEY_SETTING: &str = "deploy.signerKey";

/// The password that was typed for each key file, so that a command asks for it only once. The
/// memory of this process is protected from others, as it must be for the key itself.
static TYPED_PASSWORDS: Mutex<BTreeMap<PathBuf, String>> = Mutex::new(BTreeMap::new());

/// Where the signing key comes from, in the order of precedence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The variable `GIT_DEPLOY_KEY`.
    Variable,
    /// The program in `deploy.signer`.
    Program(PathBuf),
    /// The file in `deploy.key`, or the default file.
    File(PathBuf),
    /// There is no key yet.
    Missing,
}

impl std::fmt::Display for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable => f.write_str("GIT_DEPLOY_KEY"),
            Self::Program(path) | Self::File(path) => path.display().fmt(f),
            Self::Missing => f.write_str("no key"),
        }
    }
}

/// Finds where the signing key comes from, without opening it.
pub fn find_source(repository: Option<&Repository>) -> Result<KeySource, CliError> {
    let environment =
        SigningEnv::read().context(ErrorKind::CannotTell, "cannot use the signing key")?;
    if environment.has_key() {
        return Ok(KeySource::Variable);
    }
    if let Some(program) = read_setting(repository, SIGNER_SETTING)? {
        return Ok(KeySource::Program(program.into()));
    }
    if let Some(file) = read_setting(repository, KEY_SETTING)? {
        return Ok(KeySource::File(resolve_key_file(repository, &file)));
    }
    Ok(default_key_path()
        .filter(|file| file.exists())
        .map_or(KeySource::Missing, KeySource::File))
}

/// Returns the public key of a source.
///
/// Reads the `.pub` file beside a key file if there is one, so that no password is needed.
pub fn find_public_key(
    repository: Option<&Repository>,
    source: &KeySource,
) -> Result<PublicKey, CliError> {
    let message = || format!("cannot read the public key of {source}");
    match source {
        KeySource::Variable => {
            let environment = SigningEnv::read().context(ErrorKind::CannotTell, message())?;
            open_variable(&environment)?
                .map(|signer| signer.public_key())
                .ok_or_else(explain_no_key)
        }
        KeySource::Program(_) => {
            let text = read_setting(repository, SIGNER_KEY_SETTING)?.ok_or_else(|| {
                CliError::new(ErrorKind::Usage, message()).hint("git config deploy.signerKey RW…")
            })?;
            read_signer_key(&text).context(ErrorKind::Usage, message())
        }
        KeySource::File(file) => match (read_public_key(&public_key_path(file)), repository) {
            (Ok(key), _) => Ok(key),
            (Err(_), Some(repository)) => open_signer(repository).map(|signer| signer.public_key()),
            (Err(error), None) => {
                Err(CliError::new(ErrorKind::CannotTell, message()).because(error))
            }
        },
        KeySource::Missing => Err(explain_no_key()),
    }
}

/// Reads the value of `deploy.signerKey`: a public key, or the file that contains it.
pub fn read_signer_key(value: &str) -> Result<PublicKey, KeyError> {
    parse_public_key(value).or_else(|error| {
        let file = Path::new(value);
        if file.exists() {
            read_public_key(file)
        } else {
            Err(error)
        }
    })
}

/// Reads a git setting. Returns `None` outside of a repository.
pub fn read_setting(
    repository: Option<&Repository>,
    key: &str,
) -> Result<Option<String>, CliError> {
    let read = |repository: &Repository| repository.config_string(key);
    let value = repository
        .map(read)
        .transpose()
        .context(ErrorKind::CannotTell, "cannot read git's configuration")?;
    Ok(value.flatten().filter(|value| !value.is_empty()))
}

fn explain_no_key() -> CliError {
    CliError::new(ErrorKind::CannotTell, "there is no key yet")
        .hint("git deploy key new")
        .hint(format!(
            "in CI: set {KEY_VARIABLE} to the content of a secret key file, or to its second line"
        ))
}

/// Creates a key in a new file, and its folder if needed. Never overwrites a file.
pub fn create_key_file(file: &Path, no_password: bool) -> Result<PublicKey, CliError> {
    let password = if no_password {
        None
    } else {
        Some(read_new_password()?)
    };
    if let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        create_folder(folder).context(
            ErrorKind::CannotTell,
            format!("cannot create the folder {}", folder.display()),
        )?;
    }
    generate_key(file, password.as_deref())
        .map_err(|error| {
            let exists = matches!(error, KeyError::Exists(_));
            let kind = if exists {
                ErrorKind::Usage
            } else {
                ErrorKind::CannotTell
            };
            let failure = CliError::new(kind, format!("cannot create the key {}", file.display()))
                .because(error);
            if exists {
                failure.hint("git deploy key show")
            } else {
                failure
            }
        })
        .inspect(|_| {
            if let Some(password) = password {
                lock_typed_passwords().insert(file.to_owned(), password);
            }
        })
}

fn lock_typed_passwords() -> MutexGuard<'static, BTreeMap<PathBuf, String>> {
    // Each change is a single insertion, so the map is usable even after a panic.
    TYPED_PASSWORDS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// Returns the password of a key file, which is typed at most once.
fn ask_password(file: &Path) -> io::Result<String> {
    let typed = lock_typed_passwords().get(file).cloned();
    if let Some(password) = typed {
        return Ok(password);
    }
    let password = rpassword::prompt_password(format!("Password of {}: ", file.display()))
        .map_err(|_| io::Error::other("there is no terminal to type it at"))?;
    lock_typed_passwords().insert(file.to_owned(), password.clone());
    Ok(password)
}

/// Returns the password for a new key: from the environment, else typed twice. Rejects an empty
/// password at the prompt: a key without a password must be requested with `--no-password`.
fn read_new_password() -> Result<String, CliError> {
    let environment =
        SigningEnv::read().context(ErrorKind::CannotTell, "cannot read the password")?;
    if let Some(password) = environment.password() {
        return Ok(password.to_owned());
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(CliError::new(
            ErrorKind::Usage,
            "cannot ask for the key's password without a terminal",
        )
        .hint("GIT_DEPLOY_PASSWORD=…, in the environment")
        .hint("--no-password"));
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .context(ErrorKind::CannotTell, "cannot read the password")
    };
    let password = ask("Password for the new key: ")?;
    if password.is_empty() {
        return Err(CliError::new(ErrorKind::Usage, "the password is empty").hint("--no-password"));
    }
    if ask("Repeat the password: ")? != password {
        return Err(CliError::new(
            ErrorKind::Usage,
            "the passwords differ: no key was created",
        ));
    }
    Ok(password)
}

/// Opens the signing key: the one in the environment, the configured program, the configured file,
/// or the default file.
pub fn open_signer(repository: &Repository) -> Result<Signer, CliError> {
    let read = |key: &str| {
        repository
            .config_string(key)
            .context(ErrorKind::CannotTell, "cannot read git's configuration")
    };
    let message = "cannot use the signing key";
    let environment = SigningEnv::read().context(ErrorKind::CannotTell, message)?;
    if let Some(signer) = open_variable(&environment)? {
        return Ok(signer);
    }
    if let Some(program) = read(SIGNER_SETTING)? {
        let hint = "git config deploy.signerKey RW…";
        let missing = || {
            CliError::new(
                ErrorKind::Usage,
                format!("{SIGNER_SETTING} is set, but {SIGNER_KEY_SETTING} is not: the signing key is unknown"),
            )
            .hint(hint)
        };
        let text = read(SIGNER_KEY_SETTING)?.ok_or_else(missing)?;
        let key = read_signer_key(&text).context(
            ErrorKind::Usage,
            format!("{SIGNER_KEY_SETTING} is not a public key"),
        )?;
        return Ok(Signer::from_program(PathBuf::from(program), key));
    }
    let file = match read(KEY_SETTING)? {
        Some(file) => resolve_key_file(Some(repository), &file),
        None => default_key_path()
            .filter(|file| file.exists())
            .ok_or_else(|| {
                CliError::new(ErrorKind::CannotTell, "there is no key to sign with")
                    .hint("git deploy key new")
                    .hint("git config deploy.key FILE")
                    .hint(format!(
                        "in CI: set {KEY_VARIABLE} to the content of a secret key file, or to its second line"
                    ))
            })?,
    };
    Signer::from_file(&file, &environment, || ask_password(&file))
        .map_err(|error| super::diagnostics::explain_key_error(&file, error))
}

/// Opens the key in the variable `GIT_DEPLOY_KEY`. Returns `None` if it is not set.
fn open_variable(environment: &SigningEnv) -> Result<Option<Signer>, CliError> {
    Signer::from_environment(environment).map_err(|error| {
        let has_text = !matches!(error, KeyError::NoPassword(_) | KeyError::WrongPassword);
        let failure = CliError::new(
            ErrorKind::CannotTell,
            format!("cannot use the key in the variable {KEY_VARIABLE}"),
        )
        .because(error);
        if has_text {
            failure.hint(format!(
                "set {KEY_VARIABLE} to the content of a secret key file, or to its second line"
            ))
        } else {
            failure
        }
    })
}

/// Returns the file that `deploy.key` names. As in git's own settings, a leading `~/` is the home folder,
/// and a relative path starts at the top of the work tree, wherever the command runs.
pub fn resolve_key_file(repository: Option<&Repository>, text: &str) -> PathBuf {
    if let Some(rest) = text.strip_prefix("~/")
        && let Some(home) = std::env::var_os("HOME").filter(|home| !home.is_empty())
    {
        return PathBuf::from(home).join(rest);
    }
    match repository.map(|it| it.work_dir().unwrap_or(it.common_dir())) {
        Some(folder) => folder.join(text),
        None => PathBuf::from(text),
    }
}

/// Returns whether there is a key in the folder of the default key.
pub fn has_default_keys() -> bool {
    let folder = default_key_path().and_then(|file| file.parent().map(Path::to_path_buf));
    let files = folder.and_then(|folder| std::fs::read_dir(folder).ok());
    let mut names = files.into_iter().flatten().flatten();
    names.any(|file| file.path().extension().is_some_and(|it| it == "key"))
}

/// Returns the path of the default key file. Returns `None` without a home folder.
pub fn default_key_path() -> Option<PathBuf> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let folder = variable("XDG_CONFIG_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("git-deploy").join("deploy.key"))
}

/// Returns the path of the default key file.
///
/// # Errors
///
/// Fails if there is no home folder.
pub fn require_default_key_path() -> Result<PathBuf, CliError> {
    default_key_path().ok_or_else(|| {
        CliError::new(ErrorKind::Usage, "there is no home folder for a key")
            .hint("git deploy key new FILE")
    })
}
