//! Names: environments, components, people, groups, the project and ledgers.
//!
//! All follow one grammar: `[a-z0-9][a-z0-9._-]{0,62}`, without `..`, not ending in `.` or `.lock`,
//! compared exactly. So a valid name is safe in a ref, a path, a commit header or a line on a
//! terminal.

use std::fmt;
use std::str::FromStr;

use super::serde_str::impl_serde_str;

/// The longest name, in characters. Each character of a valid name is one byte.
pub const MAX_LEN: usize = 63;

/// Why a string is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The empty string.
    #[error("a name must not be empty")]
    Empty,
    /// More than [`MAX_LEN`] characters.
    #[error("a name has at most {MAX_LEN} characters, this one has {0}")]
    TooLong(usize),
    /// A character outside the grammar.
    #[error(
        "{name:?} {problem}: a name has only a-z, 0-9, '.', '_' and '-', and begins with a letter or a digit"
    )]
    Character {
        /// The string.
        name: String,
        /// What is wrong: the character, or where it stands.
        problem: String,
    },
    /// `..`, or an ending that git refuses in refs.
    #[error("{0:?} must not contain '..' nor end in '.' or '.lock'")]
    Ref(String),
    /// A reserved word.
    #[error("{0:?} is a reserved name")]
    Reserved(String),
}

/// Checks the grammar that every name follows.
fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    let length = text.chars().count();
    if length > MAX_LEN {
        return Err(NameError::TooLong(length));
    }
    let is_allowed = |c: &char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
    let bad = text.chars().find(|c| !is_allowed(c));
    let problem = match (bad, text.chars().next()) {
        (Some(bad), _) => Some(format!("contains {bad:?}")),
        (None, Some(first)) if !first.is_ascii_alphanumeric() => {
            Some(format!("begins with {first:?}"))
        }
        _ => None,
    };
    if let Some(problem) = problem {
        return Err(NameError::Character {
            name: text.to_owned(),
            problem,
        });
    }
    if text.contains("..") || text.ends_with('.') || text.strip_suffix(".lock").is_some() {
        return Err(NameError::Ref(text.to_owned()));
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, reserved: [$($reserved:literal),*]) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Box<str>);

        impl_serde_str!($type);

        impl $type {
            /// Returns the name as text.
            #[allow(dead_code, reason = "not every kind of name needs it")]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                check(text)?;
                let reserved: &[&str] = &[$($reserved),*];
                if reserved.contains(&text) {
                    return Err(NameError::Reserved(text.to_owned()));
                }
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// An environment: `dev`, `prod`, `pr-17`.
    EnvName,
    reserved: ["policy", "evidence"]
);
name!(
    /// A component, which is deployed separately: `api`.
    ComponentName,
    reserved: []
);
name!(
    /// A person or a machine with a key in the policy.
    Person,
    reserved: []
);
name!(
    /// A group of people in the policy.
    GroupName,
    reserved: []
);
name!(
    /// The project. The genesis of the policy's ledger fixes its name permanently.
    ProjectName,
    reserved: []
);
name!(
    /// A ledger, `refs/deploy/<name>`: `policy`, `evidence`, an environment, or a pattern's prefix.
    LedgerName,
    reserved: []
);
name!(
    /// A test suite or a release: a label of one word.
    Label,
    reserved: []
);

/// The implicit component of all paths that no component owns. A policy must not declare it.
pub const REST: &str = "rest";

impl ComponentName {
    /// Returns the implicit component [`REST`].
    pub fn rest() -> Self {
        Self(REST.into())
    }
}

impl LedgerName {
    /// Returns the ledger of the policy.
    pub fn policy() -> Self {
        Self("policy".into())
    }

    /// Returns the ledger of facts that belong to no environment.
    pub fn evidence() -> Self {
        Self("evidence".into())
    }

    /// Returns whether this is [`LedgerName::policy`].
    pub fn is_policy(&self) -> bool {
        &*self.0 == "policy"
    }

    /// Returns whether this is [`LedgerName::evidence`].
    pub fn is_evidence(&self) -> bool {
        &*self.0 == "evidence"
    }

    /// Returns whether this is the ledger of an environment or of a pattern of environments.
    pub fn is_environment(&self) -> bool {
        !self.is_policy() && !self.is_evidence()
    }

    /// Returns the full name of the ref: `refs/deploy/prod`.
    pub fn ref_name(&self) -> String {
        format!("refs/deploy/{}", self.0)
    }

    /// Returns the environment with the name of this ledger, or `None` for `policy` and `evidence`.
    pub fn environment(&self) -> Option<EnvName> {
        self.is_environment().then(|| EnvName(self.0.clone()))
    }
}

impl From<&EnvName> for LedgerName {
    fn from(name: &EnvName) -> Self {
        Self(name.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the grammar, which decides what can appear in a ref, a path or a terminal.
    #[test]
    fn grammar() {
        for good in ["a", "0", "prod", "pr-17", "a.b_c-d", &"x".repeat(63)] {
            assert!(good.parse::<EnvName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-x",
            ".x",
            "_x",
            "a..b",
            "a.",
            "a.lock",
            "A",
            "ä",
            "a/b",
            "a b",
            "a\n",
            "a\0",
            "--upload-pack=x",
            "../x",
            &"x".repeat(64),
        ] {
            assert!(bad.parse::<EnvName>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "x".repeat(64).parse::<EnvName>(),
            Err(NameError::TooLong(64))
        );
        // Few enough characters, but more bytes.
        let umlauts = "ä".repeat(40);
        assert_eq!(
            umlauts.parse::<EnvName>(),
            Err(NameError::Character {
                problem: "contains 'ä'".to_owned(),
                name: umlauts,
            })
        );
        assert_eq!(
            "policy".parse::<EnvName>(),
            Err(NameError::Reserved("policy".into()))
        );
        assert_eq!(
            "evidence".parse::<EnvName>(),
            Err(NameError::Reserved("evidence".into()))
        );
        assert!("policy".parse::<LedgerName>().is_ok());
    }
}
