//! Addresses (URLs) in entries: of a CI run, and of a repository.
//!
//! An entry is permanent and widely readable, so an address never contains a user name or a
//! password. A query may contain a token, which [`credentials`] recognizes by the parameter's name.

pub mod credentials;

use std::fmt;
use std::str::FromStr;

use super::serde_str::impl_serde_str;
use super::text::{Line, TextError};

/// The schemes of addresses.
const SCHEMES: [&str; 4] = ["https", "http", "ssh", "git"];

/// Why a text is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not one line of plain text.
    #[error(transparent)]
    Text(#[from] TextError),
    /// White space.
    #[error("it contains white space")]
    WhiteSpace,
    /// Another form.
    #[error("it is not an address such as https://ci.example.com/17")]
    Form,
    /// A user name or a password, or something that may be one.
    #[error("it contains an '@', so it may contain a user name or a password")]
    Credentials,
}

/// An address such as `https://ci.example.com/runs/17`, without a user name or a password.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Line);

impl_serde_str!(Address);

impl Address {
    /// Returns the address as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Reads an address after its user name, its password and the parameters that may be secret are
    /// removed. Converts the form `git@example.com:acme/shop.git` to
    /// `ssh://example.com/acme/shop.git`.
    pub fn without_credentials(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme, rest.to_owned()),
            None => match text.split_once(':') {
                Some((host, path)) if !host.contains('/') => {
                    ("ssh", format!("{host}/{}", path.trim_start_matches('/')))
                }
                _ => return Err(AddressError::Form),
            },
        };
        let (authority, path) = rest.split_at(authority_length(&rest));
        let host = authority.rsplit('@').next().unwrap_or(authority);
        format!(
            "{scheme}://{host}{}",
            credentials::remove_secret_parameters(path)
        )
        .parse()
    }

    /// Returns the address without a query and a fragment, which may contain a token.
    #[must_use]
    pub fn without_query(self) -> Self {
        let text = self.as_str();
        let end = text.find(['?', '#']).unwrap_or(text.len());
        text[..end].parse().unwrap_or(self)
    }
}

/// Returns the length of the part of an address that names the host.
fn authority_length(text: &str) -> usize {
    text.find(['/', '?', '#']).unwrap_or(text.len())
}

/// Returns whether a text is a host name or an IP address. An IPv6 address is in brackets.
fn is_host(text: &str) -> bool {
    let inner = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    match inner {
        Some(inner) => {
            !inner.is_empty()
                && inner
                    .chars()
                    .all(|c| c.is_ascii_hexdigit() || ":.".contains(c))
        }
        None => {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let line: Line = text.parse()?;
        if text.contains(char::is_whitespace) {
            return Err(AddressError::WhiteSpace);
        }
        // Programs disagree about where a user name ends, so no `@` is accepted anywhere.
        if text.contains('@') {
            return Err(AddressError::Credentials);
        }
        let (scheme, rest) = text.split_once("://").ok_or(AddressError::Form)?;
        let authority = &rest[..authority_length(rest)];
        // The text after the host and a colon is a port, never a password.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let is_port = |port: &str| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
        if SCHEMES.contains(&scheme) && is_host(host) && port.is_none_or(is_port) {
            Ok(Self(line))
        } else {
            Err(AddressError::Form)
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address without credentials is read, and every other form is refused.
    #[test]
    fn grammar() {
        for good in [
            "https://ci.example.com",
            "https://ci.example.com:8443/runs/17?attempt=2#log",
            "http://[::1]:8080/job/1/",
            "ssh://example.com/acme/shop.git",
            "https://dev.azure.com/acme/My%20Shop/_build/results?buildId=7",
        ] {
            assert!(good.parse::<Address>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "ci.example.com",
            "https://",
            "https:///x",
            "file:///etc/passwd",
            "javascript://x",
            "https://user@example.com/x",
            "https://user:secret@example.com/x",
            "https://user:secret/x",
            "https://example.com/x@y",
            "https://example.com/a b",
            "https://example.com/\n",
            "https://example.com\\@evil/",
            &format!("https://example.com/{}", "x".repeat(1_000)),
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
    }

    /// No part of a user name or a password is left, whatever the form of the address.
    #[test]
    fn credentials_are_removed() {
        for (text, wanted) in [
            ("https://example.com/x", Some("https://example.com/x")),
            ("https://bob@example.com/x", Some("https://example.com/x")),
            (
                "https://oauth2:s3cret@example.com:8443/x.git",
                Some("https://example.com:8443/x.git"),
            ),
            (
                "https://bob:s3@cret@example.com/x",
                Some("https://example.com/x"),
            ),
            (
                "git@example.com:acme/shop.git",
                Some("ssh://example.com/acme/shop.git"),
            ),
            (
                "ssh://git@example.com/acme/shop.git",
                Some("ssh://example.com/acme/shop.git"),
            ),
            // A slash in a password is not escaped: where it ends is unclear.
            ("https://bob:s3/cret@example.com/x", None),
            ("https://bob:s3?cret@example.com/x", None),
            ("https://bob:s3#cret@example.com/x", None),
            (
                "https://bob:s3\\cret@example.com/x",
                Some("https://example.com/x"),
            ),
            (
                "https://ci.example.com/1?buildId=7&private_token=s3cret#log",
                Some("https://ci.example.com/1?buildId=7#log"),
            ),
            ("bob:s3cret@example.com/x", None),
            ("/srv/git/shop.git", None),
            ("../shop.git", None),
        ] {
            let address = Address::without_credentials(text).ok();
            assert_eq!(address.as_ref().map(Address::as_str), wanted, "{text}");
        }
        let address: Address = "https://example.com/x?token=1#y".parse().unwrap();
        assert_eq!(address.without_query().as_str(), "https://example.com/x");
    }
}
