//! Signing: with a key file, with a key from the environment, or with a program that holds the key.
//!
//! Every signature is parsed and verified against the expected public key before it is returned.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::key::{KeyError, SecretKey};
use super::process_hardening;
use super::verify::{Signature, UNTRUSTED_COMMENT, VerifyError, verify};
use crate::domain::id::PublicKey;
use crate::domain::text::{Line, TextError};
use crate::program::{ExternalProgram, ProgramEnd};

/// The variable that holds the contents of a secret key file.
pub const KEY_VARIABLE: &str = "GIT_DEPLOY_KEY";
/// The variable that holds the password of the secret key.
pub const PASSWORD_VARIABLE: &str = "GIT_DEPLOY_PASSWORD";
/// The variables that hold secrets: other programs must not see them.
pub const SECRET_VARIABLES: [&str; 2] = [KEY_VARIABLE, PASSWORD_VARIABLE];
/// The variable that passes the trusted comment to a signer program.
pub const COMMENT_VARIABLE: &str = "GIT_DEPLOY_TRUSTED_COMMENT";

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The trusted comment is not one line of plain text.
    #[error("the trusted comment cannot be signed: {0}")]
    Comment(#[from] TextError),
    /// The library failed: there are no random bytes.
    #[error("the signing library failed: {0}")]
    Library(String),
    /// The signer program cannot be started, or its output cannot be read.
    #[error("cannot run the signer {program} (git config deploy.signer): {source}")]
    NotRun {
        /// The program.
        program: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The signer program failed.
    #[error(
        "the signer {program} (git config deploy.signer) failed: {status}; its messages are above"
    )]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
    },
    /// The result is not the expected signature.
    #[error("the new signature is invalid and was discarded: {0}")]
    InvalidSignature(#[from] VerifyError),
}

/// The signing variables of the environment. Empty ones count as unset, because CI systems set them
/// to empty values for forks.
#[derive(Default)]
pub struct SigningEnv {
    key: Option<String>,
    password: Option<String>,
}

impl SigningEnv {
    /// Reads [`KEY_VARIABLE`] and [`PASSWORD_VARIABLE`]. Nothing else in signing reads the
    /// environment.
    ///
    /// From here on this process may hold a key, so other processes are denied access to it.
    pub fn read() -> Result<Self, KeyError> {
        process_hardening::harden();
        let variable = |name| match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(KeyError::NotUtf8(name)),
        };
        Ok(Self::new(
            variable(KEY_VARIABLE)?,
            variable(PASSWORD_VARIABLE)?,
        ))
    }

    /// Creates an environment from the values of the variables.
    pub fn new(key: Option<String>, password: Option<String>) -> Self {
        let non_empty = |value: Option<String>| value.filter(|value| !value.is_empty());
        Self {
            key: non_empty(key),
            password: non_empty(password),
        }
    }

    /// Returns the password, which is also used for a new key file.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Returns whether there is a key.
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }
}

impl fmt::Debug for SigningEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SigningEnv(key: {}, password: {})",
            self.key.is_some(),
            self.password.is_some()
        )
    }
}

/// Signs with a key or through a program.
#[derive(Debug)]
pub struct Signer {
    public: PublicKey,
    method: SigningMethod,
}

/// How signatures are made.
#[derive(Debug)]
enum SigningMethod {
    /// With a secret key in memory.
    Key(Box<SecretKey>),
    /// By a program that holds the key.
    Program(PathBuf),
}

impl Signer {
    /// Creates a signer with an opened key.
    pub fn from_key(key: SecretKey) -> Self {
        Self {
            public: key.public_key(),
            method: SigningMethod::Key(Box::new(key)),
        }
    }

    /// Creates a signer with a secret key file. If the key has a password, it is taken from the
    /// environment or else from `prompt`.
    pub fn from_file(
        path: &Path,
        environment: &SigningEnv,
        prompt: impl FnOnce() -> io::Result<String>,
    ) -> Result<Self, KeyError> {
        let password = || environment.password.clone().map_or_else(prompt, Ok);
        SecretKey::read(path, password).map(Self::from_key)
    }

    /// Creates a signer with the environment's key. Returns `None` if there is none. Never prompts.
    pub fn from_environment(environment: &SigningEnv) -> Result<Option<Self>, KeyError> {
        let password = || {
            environment.password.clone().ok_or_else(|| {
                io::Error::other(format!("set {PASSWORD_VARIABLE} as well as {KEY_VARIABLE}"))
            })
        };
        let key = environment
            .key
            .as_deref()
            .map(|contents| SecretKey::parse_one_line(contents, password))
            .transpose()?;
        Ok(key.map(Self::from_key))
    }

    /// Creates a signer for `public` with a program. The program is run without a shell and without
    /// arguments.
    ///
    /// It reads the message from standard input up to its end, and the trusted comment from
    /// [`COMMENT_VARIABLE`]. It writes a signature file as `minisign -S` does, with
    /// [`UNTRUSTED_COMMENT`], to standard output, and exits with 0.
    /// Its standard error is shown to the user, who may have to touch a token, so there is no time
    /// limit.
    pub fn from_program(program: PathBuf, public: PublicKey) -> Self {
        Self {
            public,
            method: SigningMethod::Program(program),
        }
    }

    /// Returns the key that signs.
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Signs `message` and the trusted comment. Returns the bytes of the `.minisig` file, verified.
    pub fn sign(&self, message: &[u8], trusted_comment: &str) -> Result<Vec<u8>, SignError> {
        let trusted_comment: Line = trusted_comment.parse()?;
        let trusted_comment = trusted_comment.as_str();
        let file = match &self.method {
            SigningMethod::Key(key) => minisign::sign(
                None,
                key.library_key(),
                message,
                Some(trusted_comment),
                Some(UNTRUSTED_COMMENT),
            )
            .map_err(|error| SignError::Library(error.to_string()))?
            .to_bytes(),
            SigningMethod::Program(program) => run_signer(program, message, trusted_comment)?,
        };
        // A key of our own is checked too: if the public half of its file was tampered with, the
        // signature would reveal the secret.
        verify(&self.public, message, &file, trusted_comment)?;
        Ok(file)
    }
}

/// Runs a signer program and returns its output. Stops reading if the output gets too long for a
/// signature.
fn run_signer(program: &Path, message: &[u8], trusted_comment: &str) -> Result<Vec<u8>, SignError> {
    let failed = |source| SignError::NotRun {
        program: program.to_owned(),
        source,
    };
    // What the signer writes to standard error is for the user.
    let result = ExternalProgram::new(program)
        .env(COMMENT_VARIABLE, trusted_comment)
        .without_variables(&SECRET_VARIABLES)
        .input(message)
        .keep_output(Signature::LIMIT)
        .show_errors()
        .run()
        .map_err(failed)?;
    match result.end {
        ProgramEnd::Ended(status) if !status.success() => Err(SignError::Failed {
            program: program.to_owned(),
            status,
        }),
        // If the signer did not read the whole message or printed too much, the verification fails.
        _ => Ok(result.output),
    }
}
