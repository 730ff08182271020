//! What the policy says of a component: `[components.<name>]`.
//!
//! A command is one text for `sh -c`. It is read by those who review the policy, so nothing that hides on a screen is let in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::paths::{Coverage, Paths};
use crate::domain::name::ComponentName;
use crate::domain::text::is_plain;
use crate::domain::time::Span;

/// A part of the repository that is deployed by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name.
    pub name: ComponentName,
    /// `paths`: the files that are its content. `None` without the key: the whole tree.
    pub paths: Option<Paths>,
    /// `depends_on`: the components that are applied before it.
    pub depends_on: BTreeSet<ComponentName>,
    /// `plan`: prints, or leaves at `$DEPLOY_PLAN`, what `apply` would do. Needs `apply`.
    pub plan: Option<ShellCommand>,
    /// `apply`: brings the commit into the environment.
    pub apply: Option<ShellCommand>,
    /// `verify`: succeeds if what runs is well.
    pub verify: Option<ShellCommand>,
    /// `destroy`: takes the component out of the environment.
    pub destroy: Option<ShellCommand>,
    /// `build`: makes what is deployed.
    pub build: Option<ShellCommand>,
    /// `variables`: passed to its commands; an environment's of the same name win.
    pub variables: BTreeMap<VarName, String>,
    /// `secrets`: likewise, each read from its command at the moment of use.
    pub secrets: BTreeMap<VarName, Secret>,
    /// `retries` (default 0): how often `apply` (planned anew) and `verify` are tried again after a failure; at most 10.
    pub retries: u32,
    /// `timeout`: how long one command may take. Without it, as long as it likes.
    pub timeout: Option<Span>,
}

impl Component {
    /// Whether a file, symbolic link or submodule at this path belongs to it.
    pub fn owns(&self, path: &[u8]) -> bool {
        self.paths.as_ref().is_none_or(|paths| paths.matches(path))
    }

    /// How much of a folder (the root is the empty path) belongs to it.
    pub fn coverage(&self, folder: &[u8]) -> Coverage {
        self.paths
            .as_ref()
            .map_or(Coverage::Whole, |paths| paths.coverage(folder))
    }
}

/// A text for `sh -c`: plain characters, tabs and newlines, 1 to 65,536 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellCommand(Box<str>);

impl ShellCommand {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ShellCommand {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() || text.len() > 65_536 {
            return Err("a command is 1 to 65,536 bytes of text for sh -c".to_owned());
        }
        match text
            .chars()
            .find(|character| !is_plain(*character) && !matches!(character, '\n' | '\t'))
        {
            Some(bad) => Err(format!(
                "the command holds the character U+{:04X}, which is not plain text",
                u32::from(bad)
            )),
            None => Ok(Self(text.into())),
        }
    }
}

/// The name of an environment variable: letters, digits and `_`, not beginning with a digit; `DEPLOY_…` and `GIT_DEPLOY_…` are ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VarName(Box<str>);

impl VarName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VarName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if text.is_empty()
            || text.len() > 255
            || !text.bytes().all(word)
            || text.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(format!(
                "{text:?} is not the name of an environment variable: letters, digits and _"
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

/// A secret: what a command prints, without the newline at its end. A command alone may stand for the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// `command`: prints it.
    pub command: ShellCommand,
    /// `plan` (default false): planning needs it, before all approvals are there.
    pub plan: bool,
}
