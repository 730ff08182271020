//! Turns an unverified entry into a verified one. Outside tests, there is no other way.

use super::verify::{Signature, SignatureError, VerifyError};
use crate::domain::entry::{Entry, Unverified, Verified};
use crate::domain::id::PublicKey;

/// Why an entry's signature is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum EntrySignatureError {
    /// The signature file does not have the form that git-deploy and minisign write.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The trusted comment names another position or action than the entry.
    #[error("the signature is for {found:?}, the entry is {expected:?}")]
    Comment {
        /// The comment that was signed.
        found: String,
        /// The comment that belongs to the entry.
        expected: String,
    },
    /// The key that the entry names could not have signed it.
    #[error("the entry names the key {0}, which is none of those that could have signed it")]
    Key(PublicKey),
    /// The key that the entry names did not make the signature.
    #[error(transparent)]
    Invalid(#[from] VerifyError),
}

/// Verifies an entry's signature. It must match the entry's exact bytes and its trusted comment,
/// and must be made by the key that the entry names. That key must be one of `candidates`, with the
/// same key id.
///
/// The policy decides who owns the key and what that person may do.
pub fn verify_entry<'a>(
    entry: Entry<Unverified>,
    candidates: impl IntoIterator<Item = &'a PublicKey>,
) -> Result<Entry<Verified>, EntrySignatureError> {
    let signature = Signature::parse(entry.signature())?;
    let expected = entry.statement().trusted_comment();
    if signature.trusted_comment() != expected {
        return Err(EntrySignatureError::Comment {
            found: signature.trusted_comment().to_owned(),
            expected,
        });
    }
    let key = entry.statement().key;
    // Comparing keys ignores the key id, which is part of the spelling.
    let mut candidates = candidates.into_iter();
    if !candidates.any(|it| *it == key && it.key_id() == key.key_id()) {
        return Err(EntrySignatureError::Key(key));
    }
    signature.verify(&key, entry.bytes())?;
    Ok(entry.assume_verified())
}
