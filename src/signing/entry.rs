//! The one way from an unverified entry to a verified one.

use super::verify::{Signature, SignatureError, signer};
use crate::domain::entry::{Entry, Unverified, Verified};
use crate::domain::id::PublicKey;

/// Why an entry is not believed.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The signature file is not as git-deploy and minisign write it.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The trusted comment is of another place or action.
    #[error("the signature is for {found:?}, the entry is {expected:?}")]
    Comment {
        /// The comment that was signed.
        found: String,
        /// The comment that belongs to the entry.
        expected: String,
    },
    /// None of the keys made it.
    #[error("the entry is not signed by any key that could have signed it")]
    Key,
}

/// Checks an entry's signature: it fits the entry's exact bytes and its place, and one of `candidates` made it.
///
/// The key that made it is the entry's key from then on; whose key that is, and what they may do, is the policy's business.
pub fn verify_entry<'a>(
    entry: Entry<Unverified>,
    candidates: impl IntoIterator<Item = &'a PublicKey>,
) -> Result<Entry<Verified>, EntryError> {
    let signature = Signature::parse(entry.signature())?;
    let expected = entry.statement().trusted_comment();
    if signature.trusted_comment() != expected {
        return Err(EntryError::Comment {
            found: signature.trusted_comment().to_owned(),
            expected,
        });
    }
    let key = signer(&signature, entry.bytes(), candidates).ok_or(EntryError::Key)?;
    Ok(entry.assume_verified(key))
}
