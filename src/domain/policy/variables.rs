//! `variables` and `secrets`, which components and environments both have.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::fields::TableField;
use super::forms::COMMAND;
use super::reader::TomlValue;
use super::shell_command::ShellCommand;
use super::table::{TextForm, ValueForm};
use super::table_macros::policy_table;

/// The name of an environment variable.
const VARIABLE: TextForm = TextForm::new(
    "variable",
    "^(?!DEPLOY_|GIT_DEPLOY_)[A-Za-z_][A-Za-z0-9_]{0,254}$",
);
/// Any string.
const ANY: TextForm = TextForm::new("text", "");
/// `variables`, of components and environments.
pub(super) const VARIABLES: ValueForm = ValueForm::Named(&VARIABLE, &ValueForm::Text(&ANY));
/// `secrets`, of components and environments.
pub(super) const SECRETS: ValueForm = ValueForm::Named(
    &VARIABLE,
    &ValueForm::Either(&[ValueForm::Text(&COMMAND), ValueForm::Table(&Secret::TABLE)]),
);

/// The largest number of variables, and also of secrets, of a component or an environment.
const MAX_VARIABLES: usize = 1_000;

policy_table! {
    /// A secret: the output of a command, without a newline at its end.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Secret, read with (key, _context: ());

    keys {
        /// The command that prints the secret. A newline at the end of the output is removed.
        pub command: ShellCommand {
            form: ValueForm::Text(&COMMAND),
            example: "\"pass show api/token\"",
            required: key.parse(),
        }
        /// Make the secret available to `plan` as well, which runs before all approvals are given.
        pub plan: bool {
            form: ValueForm::Flag,
            example: "true",
            default: "`false`",
            read: key.flag().unwrap_or(false),
        }
    }
}

/// Reads `variables`.
pub(super) fn read_variables(key: &TableField<'_, '_>) -> BTreeMap<VarName, String> {
    let mut variables = BTreeMap::new();
    for entry in key.named_values(MAX_VARIABLES) {
        let (name, text) = (entry.parse_name::<VarName>(), entry.value.text());
        let (Some(name), Some(text)) = (name, text) else {
            continue;
        };
        if text.contains('\0') {
            entry.report("a variable cannot contain the character U+0000", None);
        }
        variables.insert(name, text.to_owned());
    }
    variables
}

/// Reads `secrets`. Reports a secret that has the name of one of the `variables`.
pub(super) fn read_secrets(
    key: &TableField<'_, '_>,
    variables: &BTreeMap<VarName, String>,
) -> BTreeMap<VarName, Secret> {
    let mut secrets = BTreeMap::new();
    for entry in key.named_values(MAX_VARIABLES) {
        let Some(name) = entry.parse_name::<VarName>() else {
            continue;
        };
        if variables.contains_key(&name) {
            entry.report("a variable of this name already exists", None);
        }
        if let Some(secret) = read_secret(&entry.value) {
            secrets.insert(name, secret);
        }
    }
    secrets
}

fn read_secret(value: &TomlValue<'_>) -> Option<Secret> {
    if value.is_table() {
        return Secret::read(&value.fields(&Secret::TABLE), ());
    }
    Some(Secret {
        command: value.parse()?,
        plan: false,
    })
}

/// The name of an environment variable: letters, digits and `_`, not beginning with a digit.
/// `DEPLOY_…` and `GIT_DEPLOY_…` are reserved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VarName(Box<str>);

impl VarName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VarName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if text.is_empty()
            || text.len() > 255
            || !text.bytes().all(is_word)
            || text.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(format!(
                "{text:?} is not the name of an environment variable: letters, digits and _, not beginning with a digit"
            ));
        }
        if text.starts_with("DEPLOY_") || text.starts_with("GIT_DEPLOY_") {
            return Err(format!("{text:?} is set by git-deploy itself"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for VarName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
