//! The JSON of a statement, which is read strictly and has only one spelling.
//!
//! Strictness comes from one rule: a statement that was read is printed again, and the result must
//! equal the input byte for byte. This refuses unknown or repeated keys, nulls, and any other
//! order, white space or escape, so they need no checks of their own.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::action::ReadFields;
use super::{Action, InvalidError, LedgerKind, MAX_BYTES, Statement, Subject, validate};
use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::{EnvName, LedgerName, Person};
use crate::domain::time::Time;

/// in-toto's type of a statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The type of our predicate.
pub const PREDICATE_TYPE: &str = "urn:git-deploy:entry:v1";

/// Why bytes are not a statement.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Over [`MAX_BYTES`].
    #[error("the entry has {0} bytes, at most {MAX_BYTES} are allowed")]
    TooLarge(usize),
    /// Not JSON, or not the fields that the action has.
    #[error("the entry is not a valid statement: {0}")]
    Json(#[from] serde_json::Error),
    /// Another kind of in-toto statement.
    #[error("the entry is of type {0:?}, which this version does not know")]
    Type(String),
    /// An action that the ledger does not have.
    #[error("the ledger {ledger} has no action {action:?}")]
    Action {
        /// The ledger.
        ledger: LedgerName,
        /// The action.
        action: String,
    },
    /// The fields contradict each other or exceed a limit.
    #[error(transparent)]
    Invalid(#[from] InvalidError),
    /// Not the canonical spelling.
    #[error(
        "line {0} of the entry is not in canonical form (unknown or repeated field, order, white space or escape)"
    )]
    NotCanonical(usize),
}

/// A statement as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutStatement<'a> {
    #[serde(rename = "_type")]
    kind: &'a str,
    subject: Vec<Subject<'a>>,
    predicate_type: &'a str,
    predicate: OutPredicate<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OutPredicate<'a> {
    at: Time,
    by: &'a Person,
    key: PublicKey,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_by: Option<&'a Person>,
    action: &'a str,
    ledger: &'a LedgerName,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a EnvName>,
    project: EntryId,
    previous: EntryId,
    sequence: u64,
    seen: &'a BTreeMap<LedgerName, EntryId>,
    #[serde(flatten)]
    fields: &'a Action,
}

/// A statement of which only one part of the predicate is read. An entry is read in several passes
/// over the same bytes, one per part, without building a tree of values.
#[derive(Deserialize)]
struct InStatement<T> {
    predicate: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InType {
    #[serde(rename = "_type")]
    kind: String,
    predicate_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InPredicate {
    at: Time,
    by: Person,
    key: PublicKey,
    requested_by: Option<Person>,
    action: String,
    ledger: LedgerName,
    environment: Option<EnvName>,
    project: EntryId,
    previous: EntryId,
    sequence: u64,
    seen: BTreeMap<LedgerName, EntryId>,
}

impl Statement {
    /// Reads a statement from the exact bytes of an `entry.json`.
    ///
    /// # Errors
    /// Fails for anything but the canonical spelling of a valid statement.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        if bytes.len() > MAX_BYTES {
            return Err(ParseError::TooLarge(bytes.len()));
        }
        let outer: InType = serde_json::from_slice(bytes)?;
        if outer.kind != STATEMENT_TYPE || outer.predicate_type != PREDICATE_TYPE {
            let unknown_type = if outer.kind == STATEMENT_TYPE {
                outer.predicate_type
            } else {
                outer.kind
            };
            return Err(ParseError::Type(unknown_type.chars().take(80).collect()));
        }
        let statement = parse_trusted(bytes)?;
        validate::check(&statement)?;
        let printed = canonical_bytes(&statement);
        if printed != bytes {
            let same_lines = printed
                .split(|byte| *byte == b'\n')
                .zip(bytes.split(|byte| *byte == b'\n'))
                .take_while(|(a, b)| a == b);
            return Err(ParseError::NotCanonical(same_lines.count() + 1));
        }
        Ok(statement)
    }

    /// Writes the canonical spelling.
    ///
    /// # Errors
    /// Fails if [`Statement::parse`] would not read the result: the statement exceeds a limit or
    /// contradicts itself.
    pub fn print(&self) -> Result<Vec<u8>, InvalidError> {
        validate::check(self)?;
        let bytes = canonical_bytes(self);
        validate::check_size(&bytes)?;
        Ok(bytes)
    }
}

/// Writes the canonical bytes.
fn canonical_bytes(statement: &Statement) -> Vec<u8> {
    let out = OutStatement {
        kind: STATEMENT_TYPE,
        subject: statement.subjects(),
        predicate_type: PREDICATE_TYPE,
        predicate: OutPredicate {
            at: statement.at,
            by: &statement.by,
            key: statement.key,
            requested_by: statement.requested_by.as_ref(),
            action: statement.action.name(),
            ledger: &statement.ledger,
            environment: statement.environment.as_ref(),
            project: statement.project,
            previous: statement.previous,
            sequence: statement.sequence,
            seen: &statement.seen,
            fields: &statement.action,
        },
    };
    // Serialising fails only for maps whose keys are not strings, and ours all are.
    let mut bytes = serde_json::to_vec_pretty(&out).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Reads bytes that were canonical when [`Statement::parse`] read them, without checking them
/// again.
pub(super) fn parse_trusted(bytes: &[u8]) -> Result<Statement, ParseError> {
    let common: InPredicate = serde_json::from_slice::<InStatement<_>>(bytes)?.predicate;
    let action = parse_action(&common.ledger, &common.action, bytes)?;
    Ok(Statement {
        at: common.at,
        by: common.by,
        key: common.key,
        requested_by: common.requested_by,
        // An attestation has an `environment` of its own, and its ledger has none.
        environment: common
            .environment
            .filter(|_| common.ledger.is_environment()),
        ledger: common.ledger,
        project: common.project,
        previous: common.previous,
        sequence: common.sequence,
        seen: common.seen,
        action,
    })
}

/// Reads the fields of an action from the bytes of its entry.
struct EntryFields<'a>(&'a [u8]);

impl ReadFields for EntryFields<'_> {
    type Error = serde_json::Error;

    fn read<T: DeserializeOwned>(&self) -> Result<T, Self::Error> {
        Ok(serde_json::from_slice::<InStatement<T>>(self.0)?.predicate)
    }
}

fn parse_action(ledger: &LedgerName, action: &str, bytes: &[u8]) -> Result<Action, ParseError> {
    let parsed = Action::read(LedgerKind::from(ledger), action, &EntryFields(bytes))?;
    parsed.ok_or_else(|| ParseError::Action {
        ledger: ledger.clone(),
        action: action.chars().take(80).collect(),
    })
}
