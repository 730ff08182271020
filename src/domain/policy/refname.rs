//! Short names of branches and tags, as git allows them in `refs/heads/<name>`.
//!
//! The rules are those of `git check-ref-format`. In addition, a name must not contain hidden
//! characters, and must not look like an option, a ledger or a full ref.

use std::fmt;
use std::str::FromStr;

use crate::domain::text::is_plain;

/// Returns what is wrong with a text as the short name of a branch or tag; `None` if it is fine.
pub fn refname_problem(text: &str) -> Option<&'static str> {
    let is_bad_part = |part: &str| {
        part.is_empty() || part.starts_with('.') || part.strip_suffix(".lock").is_some()
    };
    if text.is_empty() || text.len() > 255 {
        Some("it must have 1 to 255 bytes")
    } else if text.chars().any(is_bad_character) {
        Some("it must not contain white space, control characters, nor any of ~ ^ : ? * [ \\")
    } else if text.contains("..") || text.contains("@{") || text == "@" {
        Some("it must not contain '..' or '@{', nor be '@'")
    } else if text.starts_with('-') || text.ends_with('.') {
        Some("it must not begin with '-' or end with '.'")
    } else if text.split('/').any(is_bad_part) {
        Some("none of its parts between slashes may be empty, begin with '.' or end with '.lock'")
    } else if text == "deploy"
        || text.starts_with("deploy/")
        || text == "HEAD"
        || text.starts_with("refs/")
    {
        Some("it looks like a ledger, HEAD or a full ref; write the short name, such as main")
    } else {
        None
    }
}

/// Replaces each character that git does not allow in the name of a branch or tag with a dash.
pub fn replace_bad_characters(text: &str) -> String {
    text.chars()
        .map(|c| if is_bad_character(c) { '-' } else { c })
        .collect()
}

/// Returns whether git, or a reader, could not cope with a character in a name.
fn is_bad_character(c: char) -> bool {
    !is_plain(c) || c.is_whitespace() || "~^:?*[\\".contains(c)
}

/// The short name of a branch: `refs/heads/<name>` is a valid ref.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BranchName(Box<str>);

impl BranchName {
    /// Returns the short name: `main`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the full ref: `refs/heads/main`.
    pub fn reference(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl FromStr for BranchName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match refname_problem(text) {
            Some(problem) => Err(format!("{text:?} is not the name of a branch: {problem}")),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name that Git refuses or would misread must not get into a ref.
    #[test]
    fn branches() {
        for good in ["main", "release/1.x", "füx", "a@b", "deployment", "x-y_z"] {
            assert!(good.parse::<BranchName>().is_ok(), "{good}");
        }
        let bad = [
            "",
            "-x",
            "a..b",
            "a b",
            "a\tb",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[b",
            "a\\b",
            "@",
            "a@{1}",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a.",
            "deploy/prod",
            "deploy",
            "HEAD",
            "refs/heads/main",
            "a\u{202e}b",
        ];
        for bad in bad {
            assert!(bad.parse::<BranchName>().is_err(), "{bad}");
        }
    }
}
