//! [`ShellCommand`]: a command of the policy.
//!
//! People review it as part of the policy, so it must not contain hidden characters.

use std::str::FromStr;

use crate::domain::text::is_plain;

/// A command for `sh -c`: plain characters, tabs and newlines, at most 65,536 bytes, not blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellCommand(Box<str>);

impl ShellCommand {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ShellCommand {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() || text.len() > 65_536 {
            return Err(
                "a command must have at most 65,536 bytes and must not be blank".to_owned(),
            );
        }
        match text
            .chars()
            .find(|character| !is_plain(*character) && !matches!(character, '\n' | '\t'))
        {
            Some(bad) => Err(format!(
                "the command contains the character U+{:04X}, which is not plain text",
                u32::from(bad)
            )),
            None => Ok(Self(text.into())),
        }
    }
}
