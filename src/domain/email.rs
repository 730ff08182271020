//! E-mail addresses, in policies and in entries.

use std::fmt;
use std::str::FromStr;

use super::serde_str::impl_serde_str;
use super::text::is_plain;

/// The longest address, in bytes.
pub const MAX_BYTES: usize = 254;

/// A text that is not an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not an e-mail address such as alice@example.com")]
pub struct EmailError;

/// An e-mail address, such as `alice@example.com`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(Box<str>);

impl_serde_str!(Email);

impl Email {
    /// Returns the address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        let is_allowed = |character: char| {
            is_plain(character) && !character.is_whitespace() && !"<>".contains(character)
        };
        let has_parts = text
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
        if has_parts && text.len() <= MAX_BYTES && text.chars().all(is_allowed) {
            Ok(Self(text.into()))
        } else {
            Err(EmailError)
        }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
