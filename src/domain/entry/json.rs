//! The JSON of a statement: read strictly, written in one way only.
//!
//! Strictness comes from one rule: what was read is printed again and must equal the input byte for byte. Unknown or repeated
//! keys, nulls, another order, other white space or other escapes cannot survive that, so no second check is needed for them.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::action::ReadFields;
use super::{Action, InvalidError, LedgerKind, MAX_BYTES, Statement, Subject, validate};
use crate::domain::id::EntryId;
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
    /// The fields contradict each other or break a bound.
    #[error(transparent)]
    Invalid(#[from] InvalidError),
    /// Not the canonical spelling.
    #[error(
        "line {0} of the entry is not written as it must be (unknown or repeated field, order, white space or escape)"
    )]
    Spelling(usize),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Out<'a> {
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

/// Entries are read in passes over the same bytes, each for its own part, without a tree of values in between.
#[derive(Deserialize)]
struct In<T> {
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
    /// Anything but the one canonical spelling of a valid statement.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        if bytes.len() > MAX_BYTES {
            return Err(ParseError::TooLarge(bytes.len()));
        }
        let outer: InType = serde_json::from_slice(bytes)?;
        if outer.kind != STATEMENT_TYPE || outer.predicate_type != PREDICATE_TYPE {
            let found = if outer.kind == STATEMENT_TYPE {
                outer.predicate_type
            } else {
                outer.kind
            };
            return Err(ParseError::Type(found.chars().take(80).collect()));
        }
        let statement = parse_trusted(bytes)?;
        validate::check(&statement)?;
        let printed = canonical_bytes(&statement);
        if printed != bytes {
            let same = printed
                .split(|byte| *byte == b'\n')
                .zip(bytes.split(|byte| *byte == b'\n'))
                .take_while(|(a, b)| a == b);
            return Err(ParseError::Spelling(same.count() + 1));
        }
        Ok(statement)
    }

    /// Writes the one canonical spelling.
    ///
    /// # Errors
    /// A statement that [`Statement::parse`] would not read back: it breaks a bound or contradicts itself.
    pub fn print(&self) -> Result<Vec<u8>, InvalidError> {
        validate::check(self)?;
        let bytes = canonical_bytes(self);
        validate::check_size(&bytes)?;
        Ok(bytes)
    }
}

/// Writes the canonical bytes.
fn canonical_bytes(statement: &Statement) -> Vec<u8> {
    let out = Out {
        kind: STATEMENT_TYPE,
        subject: statement.subjects(),
        predicate_type: PREDICATE_TYPE,
        predicate: OutPredicate {
            at: statement.at,
            by: &statement.by,
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

/// Reads bytes that were canonical when [`Statement::parse`] read them, without checking them again.
pub(super) fn parse_trusted(bytes: &[u8]) -> Result<Statement, ParseError> {
    let common: InPredicate = serde_json::from_slice::<In<_>>(bytes)?.predicate;
    let action = parse_action(&common.ledger, &common.action, bytes)?;
    Ok(Statement {
        at: common.at,
        by: common.by,
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
struct FieldsOf<'a>(&'a [u8]);

impl ReadFields for FieldsOf<'_> {
    type Error = serde_json::Error;

    fn read<T: DeserializeOwned>(&self) -> Result<T, Self::Error> {
        Ok(serde_json::from_slice::<In<T>>(self.0)?.predicate)
    }
}

fn parse_action(ledger: &LedgerName, action: &str, bytes: &[u8]) -> Result<Action, ParseError> {
    let found = Action::read(LedgerKind::from(ledger), action, &FieldsOf(bytes))?;
    found.ok_or_else(|| ParseError::Action {
        ledger: ledger.clone(),
        action: action.chars().take(80).collect(),
    })
}
