//! Why a statement is invalid, the limits of its size, and the checks that several of its parts
//! share.

use crate::domain::id::{Algorithm, Digest};
use crate::domain::text::Line;

/// The largest entry, in bytes.
pub const MAX_BYTES: usize = 512 * 1024;
/// The most subjects of one statement.
pub const MAX_SUBJECTS: usize = 2_000;
/// The largest predicate of an attestation, in bytes of JSON.
pub const MAX_PREDICATE: usize = 256 * 1024;

/// Why a statement is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidError {
    /// Over [`MAX_BYTES`].
    #[error("the entry has {0} bytes, at most {MAX_BYTES} are allowed")]
    TooLarge(usize),
    /// Over [`MAX_SUBJECTS`].
    #[error("the entry has {0} subjects, at most {MAX_SUBJECTS} are allowed")]
    TooManySubjects(usize),
    /// Over [`MAX_PREDICATE`].
    #[error("the predicate has {0} bytes, at most {MAX_PREDICATE} are allowed")]
    PredicateTooLarge(usize),
    /// A list that has duplicates, is not in ascending order, or is empty although it must not be.
    #[error("{0} must be present, in ascending order and without duplicates")]
    Order(&'static str),
    /// Fields that contradict each other.
    #[error("{0}")]
    Contradiction(&'static str),
}

/// Checks whether a list is strictly ascending.
pub(super) fn is_ascending<T: Ord>(items: impl IntoIterator<Item = T>) -> bool {
    let mut items = items.into_iter();
    let Some(mut last) = items.next() else {
        return true;
    };
    items.all(|item| {
        let ascends = last < item;
        last = item;
        ascends
    })
}

/// Returns the error unless the condition is true.
pub(super) fn require(condition: bool, error: InvalidError) -> Result<(), InvalidError> {
    if condition { Ok(()) } else { Err(error) }
}

/// Checks that digests of published files and of command lines are SHA-256. The format has no place
/// for others.
pub(super) fn require_sha256<'d>(
    digests: impl IntoIterator<Item = &'d Digest>,
) -> Result<(), InvalidError> {
    let mut digests = digests.into_iter();
    require(
        digests.all(|digest| digest.algorithm() == Algorithm::Sha256),
        InvalidError::Contradiction(
            "the digest of a policy, of its key list or of a command is a SHA-256",
        ),
    )
}

/// Checks whether a text contains no white space.
pub(super) fn has_no_white_space(line: &Line) -> bool {
    !line.as_str().contains(char::is_whitespace)
}
