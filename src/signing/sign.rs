//! Signing: with a key file, with a key from the environment, or with a program that keeps the key elsewhere.
//!
//! Whoever signs, the result is parsed and verified against the expected public key before anyone gets to see it.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::key::{KeyError, SecretKey};
use super::process_hardening;
use super::verify::{Signature, UNTRUSTED_COMMENT, VerifyError, verify};
use crate::domain::id::PublicKey;
use crate::domain::text::{Line, TextError};

/// Holds the contents of a secret key file. Whoever starts other programs takes it out of their environment.
pub const KEY_VARIABLE: &str = "GIT_DEPLOY_KEY";
/// Holds the password of the secret key. Whoever starts other programs takes it out of their environment.
pub const PASSWORD_VARIABLE: &str = "GIT_DEPLOY_PASSWORD";
/// Tells a signer program the trusted comment to sign.
pub const COMMENT_VARIABLE: &str = "GIT_DEPLOY_TRUSTED_COMMENT";

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The trusted comment is not one line of plain text.
    #[error("the trusted comment cannot be signed: {0}")]
    Comment(#[from] TextError),
    /// The library failed: no random bytes.
    #[error("the signing library failed: {0}")]
    Library(String),
    /// The signer program cannot be started, or its output not read.
    #[error("cannot run the signer {program} (git config deploy.signer): {source}")]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The signer program said no.
    #[error(
        "the signer {program} (git config deploy.signer) failed: {status}; its own words are above"
    )]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
    },
    /// The result is not the signature it should be.
    #[error("the signature that was made is useless and was thrown away: {0}")]
    Useless(#[from] VerifyError),
}

/// What the environment offers for signing; empty variables count as unset, as CI systems leave them for forks.
#[derive(Default)]
pub struct Environment {
    key: Option<String>,
    password: Option<String>,
}

impl Environment {
    /// Reads [`KEY_VARIABLE`] and [`PASSWORD_VARIABLE`]: the only place in signing that looks at the environment.
    ///
    /// From here on this process may hold a key, so others are kept out of it.
    pub fn read() -> Result<Self, KeyError> {
        process_hardening::shut();
        let variable = |name| match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(KeyError::Variable(name)),
        };
        Ok(Self::new(
            variable(KEY_VARIABLE)?,
            variable(PASSWORD_VARIABLE)?,
        ))
    }

    /// From the variables' values.
    pub fn new(key: Option<String>, password: Option<String>) -> Self {
        let set = |value: Option<String>| value.filter(|value| !value.is_empty());
        Self {
            key: set(key),
            password: set(password),
        }
    }

    /// The password, for the key file that is about to be made.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Whether it holds a key.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Environment(key: {}, password: {})",
            self.key.is_some(),
            self.password.is_some()
        )
    }
}

/// Someone who can sign.
#[derive(Debug)]
pub struct Signer {
    public: PublicKey,
    means: Means,
}

#[derive(Debug)]
enum Means {
    Key(Box<SecretKey>),
    Program(PathBuf),
}

impl Signer {
    /// With an opened key.
    pub fn from_key(key: SecretKey) -> Self {
        Self {
            public: key.public_key(),
            means: Means::Key(Box::new(key)),
        }
    }

    /// With a secret key file. If it has a password, the environment's is taken, else `prompt` is asked.
    pub fn from_file(
        path: &Path,
        environment: &Environment,
        prompt: impl FnOnce() -> io::Result<String>,
    ) -> Result<Self, KeyError> {
        let password = || environment.password.clone().map_or_else(prompt, Ok);
        SecretKey::read(path, password).map(Self::from_key)
    }

    /// With the environment's key; `None` if it holds none. Never asks a person.
    pub fn from_environment(environment: &Environment) -> Result<Option<Self>, KeyError> {
        let password = || {
            environment.password.clone().ok_or_else(|| {
                io::Error::other(format!("set {PASSWORD_VARIABLE} beside {KEY_VARIABLE}"))
            })
        };
        let key = environment
            .key
            .as_deref()
            .map(|contents| SecretKey::parse(contents, password))
            .transpose()?;
        Ok(key.map(Self::from_key))
    }

    /// With a program, run without a shell and without arguments, that signs for `public`.
    ///
    /// It reads the message from standard input up to its end, and [`COMMENT_VARIABLE`]; it writes what `minisign -S` writes,
    /// with [`UNTRUSTED_COMMENT`], to standard output, and exits with 0. Standard error goes to the person, who may be asked
    /// to touch a token; there is no time limit for that.
    pub fn from_program(program: PathBuf, public: PublicKey) -> Self {
        Self {
            public,
            means: Means::Program(program),
        }
    }

    /// The key that will have signed.
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Signs `message` and the trusted comment; gives the bytes of the `.minisig` file, verified.
    pub fn sign(&self, message: &[u8], trusted_comment: &str) -> Result<Vec<u8>, SignError> {
        let trusted_comment: Line = trusted_comment.parse()?;
        let trusted_comment = trusted_comment.as_str();
        let file = match &self.means {
            Means::Key(key) => minisign::sign(
                None,
                key.raw(),
                message,
                Some(trusted_comment),
                Some(UNTRUSTED_COMMENT),
            )
            .map_err(|error| SignError::Library(error.to_string()))?
            .to_bytes(),
            Means::Program(program) => run(program, message, trusted_comment)?,
        };
        // Also for our own key: a secret key file whose public half was tampered with would make us give the secret away.
        verify(&self.public, message, &file, trusted_comment)?;
        Ok(file)
    }
}

/// Runs a signer program. Its output is cut off where it gets too long to be a signature.
fn run(program: &Path, message: &[u8], trusted_comment: &str) -> Result<Vec<u8>, SignError> {
    let failed = |source| SignError::Run {
        program: program.to_owned(),
        source,
    };
    let mut child = Command::new(program)
        .env(COMMENT_VARIABLE, trusted_comment)
        .env_remove(KEY_VARIABLE)
        .env_remove(PASSWORD_VARIABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        let message = message.to_owned();
        // Beside the reading, so that neither side waits for the other for ever; and nobody waits for this thread, because a
        // process that the signer left behind may hold the pipe. A signer that does not read it all fails the verification.
        std::thread::spawn(move || input.write_all(&message));
    }
    let mut output = Vec::new();
    let limit = Signature::LIMIT as u64 + 1;
    let read = child
        .stdout
        .take()
        .map_or(Ok(0), |stdout| stdout.take(limit).read_to_end(&mut output));
    if read.is_err() || output.len() > Signature::LIMIT {
        // It may be gone already; what matters is that it is not waited for while it writes on.
        let _ = child.kill();
    }
    let status = child.wait().map_err(failed)?;
    read.map_err(failed)?;
    if output.len() <= Signature::LIMIT && !status.success() {
        return Err(SignError::Failed {
            program: program.to_owned(),
            status,
        });
    }
    Ok(output)
}
