//! Turns an unverified entry into a verified one. Outside tests, there is no other way.

use super::verify::{Signature, SignatureError, find_signer};
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
    /// None of the keys made the signature.
    #[error("the entry is not signed by any key that could have signed it")]
    Key,
}

/// Verifies an entry's signature: it must match the entry's exact bytes and its trusted comment,
/// and be made by one of `candidates`.
///
/// The key that made it becomes the entry's key. The policy decides whose key that is and what the
/// person may do.
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
    let key = find_signer(&signature, entry.bytes(), candidates).ok_or(EntrySignatureError::Key)?;
    Ok(entry.assume_verified(key))
}
