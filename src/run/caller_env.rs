//! The environment of a command that `git deploy record` runs: that of the caller, without the
//! signing key, its password, and copies of them in other variables, as they are or encoded.

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
    /// The names of other variables that were left out, because they contain the key or its password.
    pub left_out: Vec<String>,
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
        let copies = KeyCopies::new(&key_lines)?;
        let mut left_out = Vec::new();
        variables.retain(|name, value| {
            let holds_key = copies.are_in(value.as_bytes());
            left_out.extend(holds_key.then(|| name.clone()));
            !holds_key
        });
        let is_secret = |(name, value): &(&String, &OsString)| {
            let is_declared = secrets
                .iter()
                .any(|secret| secret.as_str() == name.as_str());
            is_declared || is_secret_variable(name) && may_be_secret(value)
        };
        let values = variables.iter().filter(is_secret);
        let mask = Mask::new(values.map(|(_, value)| value.as_bytes()))?;
        Ok(Self {
            variables,
            mask,
            left_out,
        })
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

/// Finds copies of the key and of its password in values, in each form that the output of commands is
/// masked in.
struct KeyCopies {
    long: Mask,
    /// A short password could be a part of any value.
    short: Mask,
}

impl KeyCopies {
    fn new(key_lines: &[Vec<u8>]) -> Result<Self, MaskError> {
        let lines = key_lines.iter().map(Vec::as_slice);
        let (long, short): (Vec<_>, Vec<_>) =
            lines.partition(|line| line.len() >= MIN_SECRET_BYTES);
        Ok(Self {
            long: Mask::new(long)?,
            short: Mask::new(short)?,
        })
    }

    fn are_in(&self, value: &[u8]) -> bool {
        self.long.finds(value) || self.short.is_secret(value.trim_ascii())
    }
}

/// Returns whether a value is long enough for a secret, and not the path of a file that has one.
fn may_be_secret(value: &OsStr) -> bool {
    value.len() >= MIN_SECRET_BYTES && !Path::new(value).exists()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

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
        assert_eq!(env.left_out, ["ALL", "CI_KEY", "CI_LINE", "CI_PASSWORD"]);
        let env = read(&[
            ("GIT_DEPLOY_PASSWORD", "a"),
            ("PIN", "a"),
            ("CODED", "YQ==\n"),
            ("PATH", "/a/b"),
            ("BOTH", "aa"),
        ]);
        let names: Vec<&str> = env.variables.keys().map(String::as_str).collect();
        assert_eq!(names, ["BOTH", "PATH"]);
    }

    /// An encoded copy is a copy. The public key, which an unencrypted key contains, is none.
    #[test]
    fn encoded_copies_of_the_key_are_removed() {
        let minisign::KeyPair { pk, sk } =
            minisign::KeyPair::generate_unencrypted_keypair().unwrap();
        let key = sk.to_box(None).unwrap().to_string();
        let line = key.lines().nth(1).unwrap();
        let password = "correct-horse%battery";
        let hex = |text: &str| {
            let digits = text.bytes().map(|byte| format!("{byte:02x}"));
            digits.collect::<String>()
        };
        let base64 = |text: &str| STANDARD.encode(text);
        let copies = [
            ("BASE64_FILE", base64(&key)),
            ("BASE64_LINE", base64(line)),
            ("BASE64_JSON", base64(&format!("{{\"key\": \"{line}\"}}"))),
            ("HEX_LINE", hex(line)),
            ("JSON", format!("{{\"key\": {}}}", serde_json::json!(key))),
            ("ONE_LINE", key.replace('\n', "\\n")),
            ("FOLDED", line.replace("AAAA", "AA\n  AA")),
            ("BASE64_PASSWORD", base64(password)),
            ("HEX_PASSWORD", hex(password)),
            ("URL", "https://x/?p=correct-horse%25battery".to_owned()),
        ];
        let others = [
            ("PUBLIC_KEY", pk.to_base64()),
            ("PUBLIC_FILE", pk.to_box().unwrap().to_string()),
            ("HASH", hex(&"\0\u{1}x".repeat(10))),
        ];
        let fixed = [
            ("GIT_DEPLOY_KEY", key.as_str()),
            ("GIT_DEPLOY_PASSWORD", password),
        ];
        let variables = copies
            .iter()
            .chain(&others)
            .map(|(name, value)| (*name, value.as_str()));
        let env = read(&variables.chain(fixed).collect::<Vec<_>>());
        let mut names = copies.map(|(name, _)| name);
        names.sort_unstable();
        assert_eq!(env.left_out, names);
        assert_eq!(env.variables.len(), others.len());
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
