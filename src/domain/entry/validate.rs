//! What a statement must be in itself, whatever the ledger holds: bounds, order, and fields that go together. What one action adds
//! is in its own file.
//!
//! Every reader, now and later, may rely on this; what depends on a policy or on history is for the rules.

use InvalidError::Contradiction;

use super::invalid::{InvalidError, MAX_BYTES, MAX_SUBJECTS, require};
use super::{LedgerKind, Statement};
use crate::domain::name::LedgerName;

/// Refuses bytes over the limit.
pub(super) fn check_size(bytes: &[u8]) -> Result<(), InvalidError> {
    require(
        bytes.len() <= MAX_BYTES,
        InvalidError::TooLarge(bytes.len()),
    )
}

/// Checks everything that a statement must be in itself.
pub(super) fn check(statement: &Statement) -> Result<(), InvalidError> {
    let count = statement.subjects().len();
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
        statement.ledger.is_policy() || statement.seen.keys().any(LedgerName::is_policy),
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
