//! Finds a signing key in the environment of another process that commands can read.
//!
//! `docs/ci.md` hands the key over in a variable, so the shell of the CI job has it, too, and so has
//! every process between that shell and this program. Commands run as the same user. Unless they are
//! isolated, they can read these environments under `/proc`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use super::sign::{KEY_VARIABLE, PASSWORD_VARIABLE};
#[cfg(target_os = "linux")]
use crate::domain::text::sanitize;

/// The maximum number of ancestors that are looked at.
#[cfg(target_os = "linux")]
const MAX_ANCESTORS: usize = 1_000;

/// A process whose environment holds the key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
pub enum ExposedKey {
    /// An ancestor of this process, or this process itself.
    Process {
        /// Its id.
        id: i32,
        /// Its name.
        name: String,
    },
    /// This process has the key in its environment, and the environment of a process that started it
    /// cannot be determined.
    Unknown,
}

impl std::fmt::Display for ExposedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Process { id, name } => write!(
                f,
                "the environment of process {id} ({name}) holds a signing key or its password"
            ),
            Self::Unknown => write!(
                f,
                "{KEY_VARIABLE} or {PASSWORD_VARIABLE} is set, and the environments of the processes that started git-deploy cannot be checked"
            ),
        }
    }
}

/// Finds the signing key in the environment of an ancestor that processes of this user can read. Looks
/// for [`KEY_VARIABLE`], for its value under any other name, and for [`PASSWORD_VARIABLE`].
pub fn find_exposed_key() -> Option<ExposedKey> {
    let own_key = std::env::var_os(KEY_VARIABLE).filter(|key| !key.is_empty());
    if let Ok(found) = find_in_ancestors(own_key.as_ref()) {
        return found;
    }
    let password = std::env::var_os(PASSWORD_VARIABLE).filter(|it| !it.is_empty());
    own_key.or(password).map(|_| ExposedKey::Unknown)
}

/// Searches the ancestors under `/proc`.
///
/// # Errors
/// The parent of a process cannot be determined.
#[cfg(target_os = "linux")]
fn find_in_ancestors(own_key: Option<&OsString>) -> std::io::Result<Option<ExposedKey>> {
    // Others cannot read this process, which is hardened, unless they are root.
    let starts_here = rustix::process::geteuid().is_root();
    let mut id = rustix::process::getpid().as_raw_pid();
    for distance in 0..MAX_ANCESTORS {
        if distance > 0 || starts_here {
            // An environment that this process must not read cannot be read by commands, either.
            let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            if holds_key(&environment, own_key) {
                let name = std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
                let name = sanitize(name.trim_end());
                return Ok(Some(ExposedKey::Process { id, name }));
            }
        }
        match read_parent(id)? {
            0 => return Ok(None),
            parent => id = parent,
        }
    }
    Err(std::io::ErrorKind::QuotaExceeded.into())
}

#[cfg(not(target_os = "linux"))]
fn find_in_ancestors(_: Option<&OsString>) -> std::io::Result<Option<ExposedKey>> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Returns the id of a process's parent, 0 if it has none here.
#[cfg(target_os = "linux")]
fn read_parent(id: i32) -> std::io::Result<i32> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
        .ok_or_else(|| std::io::ErrorKind::InvalidData.into())
}

/// Checks whether an environment, as `/proc` has it, holds a signing key, or the password of one: a
/// command can read the key file, too.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn holds_key(environment: &[u8], own_key: Option<&OsString>) -> bool {
    environment.split(|byte| *byte == 0).any(|variable| {
        let mut parts = variable.splitn(2, |byte| *byte == b'=');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            return false;
        };
        let is_ours = [KEY_VARIABLE, PASSWORD_VARIABLE]
            .map(str::as_bytes)
            .contains(&name);
        (is_ours && !value.is_empty()) || own_key.is_some_and(|key| key.as_bytes() == value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_by_its_name_and_by_its_value() {
        let own = OsString::from("the key");
        for (environment, is_found) in [
            ("GIT_DEPLOY_KEY=other\0", true),
            ("A=1\0GIT_DEPLOY_KEY=other", true),
            ("A=1\0CI_SECRET=the key\0B=2\0", true),
            ("A=1\0GIT_DEPLOY_PASSWORD=other\0", true),
            ("GIT_DEPLOY_PASSWORD=\0", false),
            ("GIT_DEPLOY_KEY=\0", false),
            ("MY_GIT_DEPLOY_KEY=other\0", false),
            ("CI_SECRET=the key and more\0", false),
            ("GIT_DEPLOY_KEY\0=the key", true),
            ("the key\0", false),
            ("", false),
        ] {
            assert_eq!(
                holds_key(environment.as_bytes(), Some(&own)),
                is_found,
                "{environment:?}"
            );
        }
        assert!(!holds_key(b"CI_SECRET=\0CI_OTHER=the key\0", None));
    }
}
