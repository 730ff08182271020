//! The JSON of a statement: read strictly, written in one way only.
//!
//! Strictness comes from one rule: what was read is printed again and must equal the input byte for byte. Unknown or repeated
//! keys, nulls, another order, other white space or other escapes cannot survive that, so no second check is needed for them.

use std::collections::BTreeMap;

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};

use super::{Action, InvalidError, MAX_BYTES, PREDICATE_TYPE, STATEMENT_TYPE, Statement, validate};
use crate::domain::id::{CommitId, Digest, EntryId, Oid};
use crate::domain::name::{EnvName, LedgerName, Person};
use crate::domain::time::Time;

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
struct Subject<'a> {
    name: &'a str,
    digest: SubjectDigest<'a>,
}

/// A map with one entry: the algorithm and the hexadecimal value.
enum SubjectDigest<'a> {
    Commit(Oid),
    Digest(&'a Digest),
}

impl Serialize for SubjectDigest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Commit(id) => map.serialize_entry("gitCommit", id)?,
            Self::Digest(digest) => map.serialize_entry(digest.algorithm().name(), digest.hex())?,
        }
        map.end()
    }
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

/// Read in passes over the same bytes, each for its own part: no tree of values stands in between.
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

/// The subjects of a statement: each component with its commit, then each artifact; the previous entry where there is no code. Every
/// commit of [`Statement::commits`] is among them, so that whoever indexes statements by subject misses none.
fn subjects(statement: &Statement) -> Vec<Subject<'_>> {
    fn digest<'a>(name: &'a str, digest: &'a Digest) -> Subject<'a> {
        Subject {
            name,
            digest: SubjectDigest::Digest(digest),
        }
    }
    let commit = |name, id: &CommitId| Subject {
        name,
        digest: SubjectDigest::Commit(id.0),
    };
    let targets: Vec<&super::Target> = match &statement.action {
        Action::Baseline(it) => it.components.iter().collect(),
        Action::Start(it) => it
            .deployment
            .components
            .iter()
            .map(|change| &change.target)
            .collect(),
        Action::Record(it) => it
            .deployment
            .components
            .iter()
            .map(|change| &change.target)
            .collect(),
        Action::Finish(it) => it.components.iter().map(|ended| &ended.target).collect(),
        _ => Vec::new(),
    };
    let mut subjects: Vec<Subject<'_>> = match &statement.action {
        // A run that changed nothing speaks of no code.
        Action::Abort(it) => it
            .components
            .iter()
            .map(|it| commit(it.component.as_str(), &it.commit))
            .collect(),
        Action::Verification(it) => it
            .components
            .iter()
            .map(|it| commit(it.component.as_str(), &it.commit))
            .collect(),
        Action::Approve(it) => it
            .components
            .iter()
            .map(|component| commit(component.as_str(), &it.commit))
            .collect(),
        Action::Build(it) => vec![commit(it.component.as_str(), &it.commit)],
        Action::Artifact(it) => {
            vec![
                commit(it.component.as_str(), &it.commit),
                digest(it.image.name.as_str(), &it.image.digest),
            ]
        }
        Action::Attestation(it) => vec![commit("commit", &it.commit)],
        Action::Revoke(it) => vec![commit("commit", &it.commit)],
        // One that opens a lock speaks of no code.
        Action::Unlock(it) => it.commit.iter().map(|id| commit("commit", id)).collect(),
        Action::Yank(it) | Action::Unyank(it) => it
            .commit
            .iter()
            .map(|id| commit("commit", id))
            .chain(it.digest.iter().map(|it| digest("artifact", it)))
            .collect(),
        Action::Publish(it) => vec![digest("deploy.toml", &it.digest)],
        Action::PolicyApprove(it) => vec![digest("deploy.toml", &it.digest)],
        Action::PolicyRevoke(it) => vec![digest("deploy.toml", &it.digest)],
        _ => targets
            .iter()
            .map(|target| commit(target.component.as_str(), &target.commit))
            .collect(),
    };
    let mut images: Vec<&super::Image> = targets
        .iter()
        .flat_map(|target| &target.artifacts)
        .collect();
    images.sort_unstable();
    images.dedup();
    subjects.extend(
        images
            .into_iter()
            .map(|image| digest(image.name.as_str(), &image.digest)),
    );
    if subjects.is_empty() {
        subjects.push(commit(
            statement.ledger.as_str(),
            &CommitId(statement.previous.0),
        ));
    }
    subjects
}

/// How many subjects a statement has.
pub(super) fn subject_count(statement: &Statement) -> usize {
    subjects(statement).len()
}

/// Writes the canonical bytes.
pub(super) fn print(statement: &Statement) -> Vec<u8> {
    let out = Out {
        kind: STATEMENT_TYPE,
        subject: subjects(statement),
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

/// Reads the canonical bytes.
pub(super) fn parse(bytes: &[u8]) -> Result<Statement, ParseError> {
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
    let printed = print(&statement);
    if printed != bytes {
        let same = printed
            .split(|byte| *byte == b'\n')
            .zip(bytes.split(|byte| *byte == b'\n'))
            .take_while(|(a, b)| a == b);
        return Err(ParseError::Spelling(same.count() + 1));
    }
    Ok(statement)
}

/// Reads bytes that were canonical when [`parse`] read them: what they say, and nothing is checked again.
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

fn parse_action(ledger: &LedgerName, action: &str, bytes: &[u8]) -> Result<Action, ParseError> {
    fn read<'a, T: Deserialize<'a>>(
        bytes: &'a [u8],
        wrap: fn(T) -> Action,
    ) -> Result<Action, ParseError> {
        Ok(wrap(serde_json::from_slice::<In<T>>(bytes)?.predicate))
    }
    let unknown = || ParseError::Action {
        ledger: ledger.clone(),
        action: action.chars().take(80).collect(),
    };
    if ledger.is_policy() {
        return match action {
            "publish" => read(bytes, Action::Publish),
            "approve" => read(bytes, Action::PolicyApprove),
            "revoke" => read(bytes, Action::PolicyRevoke),
            _ => Err(unknown()),
        };
    }
    if ledger.is_evidence() {
        return match action {
            "build" => read(bytes, Action::Build),
            "artifact" => read(bytes, Action::Artifact),
            "attestation" => read(bytes, Action::Attestation),
            "yank" => read(bytes, Action::Yank),
            "unyank" => read(bytes, Action::Unyank),
            _ => Err(unknown()),
        };
    }
    match action {
        "baseline" => read(bytes, Action::Baseline),
        "start" => read(bytes, Action::Start),
        "resume" => read(bytes, Action::Resume),
        "finish" => read(bytes, Action::Finish),
        "record" => read(bytes, Action::Record),
        "abort" => read(bytes, Action::Abort),
        "verification" => read(bytes, Action::Verification),
        "approve" => read(bytes, Action::Approve),
        "revoke" => read(bytes, Action::Revoke),
        "lock" => read(bytes, Action::Lock),
        "unlock" => read(bytes, Action::Unlock),
        "expire" => read(bytes, Action::Expire),
        _ => Err(unknown()),
    }
}
