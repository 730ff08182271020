//! Checks a statement on its own: its limits, the order of its lists, and fields that belong
//! together. The checks of one action are in that action's file.
//!
//! Every reader may rely on these checks. The rules check everything that depends on a policy or on
//! history.

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

/// Checks a statement on its own, without the ledger.
pub(super) fn check(statement: &Statement) -> Result<(), InvalidError> {
    let count = statement.subjects().len();
    require(count <= MAX_SUBJECTS, InvalidError::TooManySubjects(count))?;
    require(
        statement.sequence > 0,
        Contradiction("the sequence of an entry is at least 1, because the genesis commit is 0"),
    )?;
    require(
        !statement.seen.contains_key(&statement.ledger),
        Contradiction("`seen` must not name the entry's own ledger, whose tip is `previous`"),
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
        let matches_pattern = environment
            .as_str()
            .strip_prefix(statement.ledger.as_str())
            .is_some_and(|rest| rest.len() > 1 && rest.starts_with('-'));
        require(
            matches_pattern && statement.ledger.is_environment(),
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
