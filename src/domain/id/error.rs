//! Why a string is not an identifier.

/// Why a string is not a valid identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not of the expected form, such as lower-case hexadecimal of a certain length.
    #[error("{found:?} is not {expected}")]
    Hex {
        /// The string, shortened.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// Not a minisign public key.
    #[error(
        "{0:?} is not a minisign public key, which is 56 characters of base64 that begin with RW"
    )]
    Key(String),
    /// A public key that proves nothing, because anyone can sign for it.
    #[error(
        "the key {0} is of small order, so anyone could sign for it: its owner needs a new key"
    )]
    WeakKey(String),
}

/// Returns the error for a string that should have been `expected`.
pub(super) fn hex_error(found: &str, expected: &'static str) -> IdError {
    IdError::Hex {
        found: found.chars().take(80).collect(),
        expected,
    }
}
