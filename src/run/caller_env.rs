//! The environment of a command that `git deploy record` runs: that of the caller, without the
//! signing key.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::process::{Mask, MaskError};
use crate::domain::address::credentials::is_secret_variable;
use crate::domain::policy::VarName;
use crate::signing::SECRET_VARIABLES;

/// The shortest value, in bytes, that is taken for a secret because of the variable's name.
const MIN_SECRET_BYTES: usize = 8;

/// The variables of the caller, and the mask of the secrets among them.
pub struct CallerEnv {
    /// The variables.
    pub variables: BTreeMap<String, OsString>,
    /// Replaces the secrets in output: the values of the variables that the policy calls secrets, or
    /// whose names say so.
    pub mask: Mask,
}

impl CallerEnv {
    /// Reads the variables of this process. `secrets` are the names of the policy's secrets.
    pub fn read(secrets: &BTreeSet<VarName>) -> Result<Self, MaskError> {
        Self::new(std::env::vars_os(), secrets)
    }

    fn new(
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        secrets: &BTreeSet<VarName>,
    ) -> Result<Self, MaskError> {
        let mut variables: BTreeMap<String, OsString> = variables
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect();
        let keys = SECRET_VARIABLES
            .iter()
            .filter_map(|name| variables.remove(*name));
        let key_lines: Vec<Vec<u8>> = keys.flat_map(|key| list_key_lines(&key)).collect();
        // A CI system may have the key in a variable of another name, too.
        variables.retain(|_, value| {
            let bytes = value.as_bytes();
            !key_lines.iter().any(|line| holds_line(bytes, line))
        });
        let is_secret = |(name, value): &(&String, &OsString)| {
            let is_declared = secrets
                .iter()
                .any(|secret| secret.as_str() == name.as_str());
            is_declared || is_secret_variable(name) && may_be_secret(value)
        };
        let values = variables.iter().filter(is_secret);
        let mask = Mask::new(values.map(|(_, value)| value.as_bytes()))?;
        Ok(Self { variables, mask })
    }
}

/// Returns the lines of a key, or a password.
fn list_key_lines(key: &OsStr) -> Vec<Vec<u8>> {
    let lines = key.as_bytes().split(|byte| *byte == b'\n');
    lines
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty() && !line.starts_with(b"untrusted comment:"))
        .map(<[u8]>::to_vec)
        .collect()
}

/// Returns whether a value has this line of the key. A short password could be a part of any value.
fn holds_line(value: &[u8], line: &[u8]) -> bool {
    value == line
        || line.len() >= MIN_SECRET_BYTES && value.windows(line.len()).any(|part| part == line)
}

/// Returns whether a value is long enough for a secret, and not the path of a file that has one.
fn may_be_secret(value: &OsStr) -> bool {
    value.len() >= MIN_SECRET_BYTES && !Path::new(value).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> CallerEnv {
        let variables = variables.iter();
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        let secrets = ["PIN"].map(|name| name.parse().unwrap());
        CallerEnv::new(variables, &secrets.into()).unwrap()
    }

    #[test]
    fn the_key_is_removed_under_any_name_and_all_else_stays() {
        let key = "untrusted comment: key of ci\nRWRTY0IyAAAAsecretsecret\n";
        let env = read(&[
            ("GIT_DEPLOY_KEY", key),
            ("GIT_DEPLOY_PASSWORD", "correct-horse"),
            ("CI_KEY", key),
            ("CI_LINE", "RWRTY0IyAAAAsecretsecret"),
            ("ALL", "key=RWRTY0IyAAAAsecretsecret;"),
            ("CI_PASSWORD", "correct-horse"),
            ("COMMENT", "untrusted comment: key of ci"),
            ("EMPTY", ""),
            ("PATH", "/bin"),
        ]);
        let names: Vec<&str> = env.variables.keys().map(String::as_str).collect();
        assert_eq!(names, ["COMMENT", "EMPTY", "PATH"]);
        let env = read(&[("GIT_DEPLOY_PASSWORD", "a"), ("PIN", "a"), ("PATH", "/a/b")]);
        assert_eq!(env.variables.len(), 1);
    }

    #[test]
    fn secrets_are_masked_by_name() {
        let env = read(&[
            ("API_TOKEN", "s3cret-token"),
            ("PIN", "4711"),
            ("XDG_SESSION_TYPE", "tty"),
            ("DEPLOY_KEY", "/"),
            ("GPG_KEY", "/bin/../bin/sh"),
            ("REGION", "eu-west-1"),
        ]);
        for (text, shown) in [
            ("token s3cret-token", "token ***"),
            ("pin 4711", "pin ***"),
            (
                "tty eu-west-1 / /bin/../bin/sh",
                "tty eu-west-1 / /bin/../bin/sh",
            ),
        ] {
            assert_eq!(env.mask.mask_text(text), shown);
        }
    }
}
