//! Key files: generating, reading and opening them.
//!
//! They have stock minisign's format, so both tools can use each other's keys. A secret key never
//! appears in `Debug`, in an error or in an argument list, and never overwrites another file.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::NamedTempFile;

use crate::domain::id::{IdError, PublicKey};
use crate::input_file::open_regular_file;

/// The most bytes in a key file. Stock minisign writes fewer than 1,400.
const MAX_FILE_BYTES: u64 = 8 * 1024;
/// The longest password that stock minisign accepts, in bytes.
const PASSWORD_LIMIT: usize = 1024;
/// The size of a decoded secret key.
const SECRET_KEY_BYTES: usize = 158;
/// The position of the checksum, its last field, in a decoded secret key.
const CHECKSUM_START: usize = SECRET_KEY_BYTES - 32;
/// The beginning of the first line of a key file.
const COMMENT_PREFIX: &str = "untrusted comment:";

/// Why a key cannot be generated, read or opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the key file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// There is no such key file.
    #[error("there is no such file")]
    Missing,
    /// The key is a public one, but signing needs a secret one.
    #[error("this is a public key; signing needs the secret key, usually in the same folder")]
    IsPublic,
    /// The file cannot be written.
    #[error("cannot write the key file {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// There is already a file of that name.
    #[error("{0} already exists, and a key is never overwritten: choose another name")]
    Exists(PathBuf),
    /// Other users could read the secret key.
    #[error("other users can access {path} (mode {mode:03o})")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The text is not a public key.
    #[error(transparent)]
    InvalidPublicKey(#[from] IdError),
    /// The file is not a public key file.
    #[error(
        "not a minisign public key file: it should be a comment and one line of base64 that begins with RW"
    )]
    InvalidPublicFile,
    /// The text is not a secret key.
    #[error("not a minisign secret key: it should be an untrusted comment and one line of base64")]
    InvalidSecretKey,
    /// The checksum inside is wrong.
    #[error("the secret key is damaged: its checksum does not match; restore it from a copy")]
    Damaged,
    /// The password does not open the key.
    #[error("the password is wrong")]
    WrongPassword,
    /// The key needs a password and none was given.
    #[error("the key has a password, and none was given: {0}")]
    NoPassword(io::Error),
    /// The password for a new key is empty or too long.
    #[error("a password has 1 to {PASSWORD_LIMIT} bytes; leave it out for a key without one")]
    InvalidPassword,
    /// A variable of the environment is not text.
    #[error("the environment variable {0} is not valid UTF-8")]
    NotUtf8(&'static str),
    /// The library failed: there are no random bytes, or the parameters of the password are out of
    /// range.
    #[error("the key library failed: {0}")]
    Library(String),
}

/// An opened secret key, with the public key that belongs to it.
pub struct SecretKey {
    secret: minisign::SecretKey,
    public: PublicKey,
}

impl SecretKey {
    /// Opens a secret key file. On Unix, only its owner may have access to it.
    ///
    /// `password` is called only if the key is protected by one.
    pub fn read(
        path: &Path,
        password: impl FnOnce() -> io::Result<String>,
    ) -> Result<Self, KeyError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => KeyError::Missing,
            _ => KeyError::Read {
                path: path.to_owned(),
                source,
            },
        };
        let file = open_regular_file(path).map_err(failed)?;
        let contents = read_bounded(&file)
            .map_err(failed)?
            .ok_or(KeyError::InvalidSecretKey)?;
        // Checked first, so that the error about permissions appears only for secret keys.
        Self::decode_contents(&contents)?;
        refuse_exposed(path, &file).map_err(failed)??;
        Self::parse(&contents, password)
    }

    /// Opens a secret key from the contents of its file.
    ///
    /// `password` is called only if the key is protected by one.
    pub fn parse(
        contents: &str,
        password: impl FnOnce() -> io::Result<String>,
    ) -> Result<Self, KeyError> {
        let raw = Self::decode_contents(contents)?;
        // The algorithms of signature, key derivation and checksum: minisign uses only these.
        let (is_encrypted, on_mismatch) = match &raw[..6] {
            b"Ed\0\0B2" => (false, KeyError::Damaged),
            b"EdScB2" => (true, KeyError::WrongPassword),
            _ => return Err(KeyError::InvalidSecretKey),
        };
        let file = minisign::SecretKeyBox::from(contents.to_owned());
        let opened = if is_encrypted {
            file.into_secret_key(Some(password().map_err(KeyError::NoPassword)?))
        } else if raw[CHECKSUM_START..] == [0; 32] {
            // `minisign -GW` leaves the checksum out, and the library requires one. If the key is
            // damaged, the verification of the first signature fails.
            minisign::SecretKey::from_bytes(&raw)
        } else {
            file.into_unencrypted_secret_key()
        };
        let secret = opened.map_err(|error| match error.kind() {
            minisign::ErrorKind::Verify => on_mismatch,
            _ => library_error(&error),
        })?;
        let public = derive_public_key(&secret)?;
        Ok(Self { secret, public })
    }

    /// Opens a secret key from a variable. CI systems can often store only one line, so the base64 line
    /// alone is enough, and a space or `\n` in two characters may stand for the end of a line.
    pub fn parse_one_line(
        value: &str,
        password: impl FnOnce() -> io::Result<String>,
    ) -> Result<Self, KeyError> {
        let value = value.replace("\\r", "").replace("\\n", "\n");
        let value = value.trim().trim_matches(['"', '\'']);
        let text = value.split_whitespace().collect::<Vec<_>>().join(" ");
        let (comment, base64) = text.rsplit_once(' ').unwrap_or((COMMENT_PREFIX, &text));
        Self::parse(&format!("{comment}\n{base64}\n"), password)
    }

    /// Decodes the bytes of a secret key, which may be encrypted, from the contents of its file.
    fn decode_contents(contents: &str) -> Result<Vec<u8>, KeyError> {
        if parse_public_key(contents).is_ok() {
            return Err(KeyError::IsPublic);
        }
        let mut lines = contents.trim_end().lines();
        let (Some(comment), Some(base64), None) = (lines.next(), lines.next(), lines.next()) else {
            return Err(KeyError::InvalidSecretKey);
        };
        let raw = STANDARD
            .decode(base64)
            .map_err(|_| KeyError::InvalidSecretKey)?;
        if !comment.starts_with(COMMENT_PREFIX) || raw.len() != SECRET_KEY_BYTES {
            Err(KeyError::InvalidSecretKey)
        } else {
            Ok(raw)
        }
    }

    /// Returns the public key of this secret key.
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Returns the key in the library's type. Its `Debug` prints the secret, so it must not leave
    /// this module.
    pub(super) fn library_key(&self) -> &minisign::SecretKey {
        &self.secret
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public)
    }
}

/// Returns the path of the public key for a secret key file: `ci.pub` for `ci.key`; any other name
/// gets `.pub` appended.
pub fn public_key_path(secret_file: &Path) -> PathBuf {
    if secret_file
        .extension()
        .is_some_and(|extension| extension == "key")
    {
        return secret_file.with_extension("pub");
    }
    let mut name = secret_file.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// Generates a key pair and writes the secret key to `secret_file`, accessible only to its owner,
/// and the public key to its [`public_key_path`].
///
/// Neither file may exist, but their folder must. Keys are always truly random: no test variable
/// affects them, in any build.
pub fn generate_key(secret_file: &Path, password: Option<&str>) -> Result<PublicKey, KeyError> {
    if password.is_some_and(|password| password.is_empty() || password.len() > PASSWORD_LIMIT) {
        return Err(KeyError::InvalidPassword);
    }
    let public_file = public_key_path(secret_file);
    // Deriving a key from the password may take a while, so an existing file is reported before.
    // `persist_new` makes the final check.
    if let Some(existing) = [secret_file, &public_file]
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok())
    {
        return Err(KeyError::Exists(existing.to_owned()));
    }
    let (pair, comment) = match password {
        Some(password) => (
            minisign::KeyPair::generate_encrypted_keypair(Some(password.to_owned())),
            "minisign encrypted secret key",
        ),
        None => (
            minisign::KeyPair::generate_unencrypted_keypair(),
            "minisign secret key without a password",
        ),
    };
    let pair = pair.map_err(|error| library_error(&error))?;
    let public = pair.pk.to_base64().parse()?;
    let public_bytes = pair
        .pk
        .to_box()
        .map_err(|error| library_error(&error))?
        .to_bytes();
    let secret_bytes = pair
        .sk
        .to_box(Some(comment))
        .map_err(|error| library_error(&error))?
        .to_bytes();
    // Both files are complete before either gets its name. The secret key gets its name first: it
    // can sign without the public one, but a public key alone would only block the next attempt.
    let secret_temp = write_temp_file(secret_file, &secret_bytes, 0o600)?;
    let public_temp = write_temp_file(&public_file, &public_bytes, 0o644)?;
    persist_new(secret_temp, secret_file)?;
    persist_new(public_temp, &public_file).inspect_err(|_| {
        // Half a pair would block the next attempt. If it cannot be removed, that attempt reports
        // it.
        let _ = fs::remove_file(secret_file);
    })?;
    Ok(public)
}

/// Reads a public key file: minisign's two lines, or the base64 alone.
pub fn read_public_key(path: &Path) -> Result<PublicKey, KeyError> {
    let contents = open_regular_file(path)
        .and_then(|file| read_bounded(&file))
        .map_err(|source| KeyError::Read {
            path: path.to_owned(),
            source,
        })?;
    parse_public_key(&contents.ok_or(KeyError::InvalidPublicFile)?)
}

/// Parses the contents of a public key file: minisign's two lines, or the base64 alone.
pub fn parse_public_key(contents: &str) -> Result<PublicKey, KeyError> {
    let lines: Vec<&str> = contents.trim_end().lines().collect();
    match lines[..] {
        [key] => Ok(key.parse()?),
        [comment, key] if comment.starts_with(COMMENT_PREFIX) => Ok(key.parse()?),
        _ => Err(KeyError::InvalidPublicFile),
    }
}

/// Derives the public key.
fn derive_public_key(secret: &minisign::SecretKey) -> Result<PublicKey, KeyError> {
    let public =
        minisign::PublicKey::from_secret_key(secret).map_err(|error| library_error(&error))?;
    Ok(public.to_base64().parse()?)
}

/// Wraps an error of the library, which never contains key material.
fn library_error(error: &minisign::PError) -> KeyError {
    KeyError::Library(error.to_string())
}

/// Reads the text of a file. Returns `None` if it is too long or not UTF-8.
fn read_bounded(file: &File) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(String::from_utf8(bytes)
        .ok()
        .filter(|text| text.len() as u64 <= MAX_FILE_BYTES))
}

/// Refuses a secret key file that other users can access. Checks the open file, not its path, so
/// that it cannot be replaced in between.
#[cfg(unix)]
fn refuse_exposed(path: &Path, file: &File) -> io::Result<Result<(), KeyError>> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    Ok(match mode & 0o077 {
        0 => Ok(()),
        _ => Err(KeyError::Exposed {
            path: path.to_owned(),
            mode,
        }),
    })
}

#[cfg(not(unix))]
fn refuse_exposed(_: &Path, _: &File) -> io::Result<Result<(), KeyError>> {
    Ok(Ok(()))
}

/// Writes a temporary file in the folder of its later path.
fn write_temp_file(path: &Path, bytes: &[u8], mode: u32) -> Result<NamedTempFile, KeyError> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".git-deploy-key-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
    let write = || {
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    write().map_err(|source| KeyError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Gives a file its name, unless that is taken.
fn persist_new(file: NamedTempFile, path: &Path) -> Result<(), KeyError> {
    file.persist_noclobber(path)
        .map(drop)
        .map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
            _ => KeyError::Write {
                path: path.to_owned(),
                source: error.error,
            },
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::Signer;
    use crate::signing::sign::SignError;

    /// Signing with a false public key would reveal the secret key to anyone who sees the
    /// signature, so it must not be returned.
    #[test]
    fn a_false_public_half_signs_nothing() {
        let honest = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        let other = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        let mut bytes = honest.sk.to_bytes();
        let public_half = bytes.len() - 64..bytes.len() - 32;
        bytes[public_half].copy_from_slice(&other.pk.to_bytes()[10..]);
        let secret = minisign::SecretKey::from_bytes(&bytes).unwrap();
        let public = derive_public_key(&secret).unwrap();
        assert_eq!(public, other.pk.to_base64().parse().unwrap());
        let refused = Signer::from_key(SecretKey { secret, public })
            .sign(b"message", "git-deploy prod 1 start");
        assert!(matches!(refused, Err(SignError::InvalidSignature(_))));
    }
}
