//! What a statement must be in itself, whatever the ledger holds: bounds, order, and fields that go together. What one action adds
//! is in its own file.
//!
//! Every reader, now and later, may rely on this; what depends on a policy or on history is for the rules.

use super::{LedgerKind, MAX_BYTES, MAX_PREDICATE, MAX_SUBJECTS, Statement, json};
use crate::domain::text::Line;

/// Why a statement is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidError {
    /// Over [`MAX_BYTES`].
    #[error("the entry has {0} bytes, at most {MAX_BYTES} are allowed")]
    TooLarge(usize),
    /// Over [`MAX_SUBJECTS`].
    #[error("the entry has {0} subjects, at most {MAX_SUBJECTS} are allowed")]
    Subjects(usize),
    /// Over [`MAX_PREDICATE`].
    #[error("the predicate has {0} bytes, at most {MAX_PREDICATE} are allowed")]
    Predicate(usize),
    /// A list that is empty, unsorted or holds something twice.
    #[error("{0} must be there, in order, and each only once")]
    Order(&'static str),
    /// Fields that contradict each other.
    #[error("{0}")]
    Contradiction(&'static str),
}

use InvalidError::Contradiction;

/// Checks whether a list is strictly ascending.
pub(super) fn ascending<T: Ord>(items: impl IntoIterator<Item = T>) -> bool {
    let mut items = items.into_iter();
    let Some(mut last) = items.next() else {
        return true;
    };
    items.all(|item| {
        let good = last < item;
        last = item;
        good
    })
}

/// Turns a condition that does not hold into an error.
pub(super) fn require(good: bool, error: InvalidError) -> Result<(), InvalidError> {
    if good { Ok(()) } else { Err(error) }
}

/// Refuses bytes over the limit.
pub(super) fn check_size(bytes: &[u8]) -> Result<(), InvalidError> {
    require(
        bytes.len() <= MAX_BYTES,
        InvalidError::TooLarge(bytes.len()),
    )
}

/// Checks everything that a statement must be in itself.
pub(super) fn check(statement: &Statement) -> Result<(), InvalidError> {
    let count = json::subject_count(statement);
    require(count <= MAX_SUBJECTS, InvalidError::Subjects(count))?;
    require(
        statement.sequence > 0,
        Contradiction("the sequence of an entry begins at 1: the genesis is 0"),
    )?;
    require(
        !statement.seen.contains_key(&statement.ledger),
        Contradiction("`seen` names other ledgers: `previous` speaks for this one"),
    )?;
    require(
        statement.ledger.is_policy() || statement.seen.keys().any(super::LedgerName::is_policy),
        Contradiction("`seen` must name the policy's tip"),
    )?;
    require(
        LedgerKind::from(&statement.ledger) == statement.action.ledger_kind(),
        Contradiction("the ledger has no such action"),
    )?;
    if let Some(environment) = &statement.environment {
        let inside = environment
            .as_str()
            .strip_prefix(statement.ledger.as_str())
            .is_some_and(|rest| rest.len() > 1 && rest.starts_with('-'));
        require(
            inside && statement.ledger.is_environment(),
            Contradiction(
                "an environment is named only in a pattern's ledger, and begins with the ledger's name and a dash",
            ),
        )?;
    }
    statement
        .action
        .body()
        .validate(statement.environment.as_ref())
}

/// Checks whether a text holds no white space.
pub(super) fn one_word(line: &Line) -> bool {
    !line.as_str().contains(char::is_whitespace)
}
