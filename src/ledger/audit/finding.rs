//! The findings and remarks that an audit reports. A finding is a failure or an unknown answer. A
//! remark is about something that is allowed but worth knowing.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, CheckResult, Rule};
use crate::git::error::Error;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FindingKind {
    /// An entry: a rule fails, or lacks a fact.
    Entry,
    /// The chain of a ledger: its root, or unreadable commits.
    Chain,
    /// The order among ledgers.
    Order,
    /// An entry that depends on an invalid one.
    Dependency,
    /// The notes.
    Notes,
    /// A ref that is no ledger, or a ref or file that changes what plain git shows.
    Refs,
    /// The ledgers of the remote.
    Remote,
    /// The pinned project.
    Pin,
}

/// A failure, or something that could not be determined.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditFinding {
    /// What it is about.
    pub kind: FindingKind,
    /// The ledger, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerName>,
    /// The entry, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// The rule that reports the finding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Rule>,
    /// `fail`, or `unknown` if a fact is missing.
    #[schemars(extend("enum" = ["fail", "unknown"]))]
    pub outcome: CheckResult,
    /// What is wrong, in one line.
    pub detail: String,
}

impl AuditFinding {
    /// Creates a finding about no entry and no rule.
    pub fn new(kind: FindingKind, outcome: CheckResult, detail: String) -> Self {
        Self {
            kind,
            ledger: None,
            entry: None,
            rule: None,
            outcome,
            detail,
        }
    }

    /// Creates a failure of the notes.
    pub(super) fn notes_failure(detail: String) -> Self {
        Self::new(FindingKind::Notes, CheckResult::Fail, detail)
    }

    /// Creates a finding for notes that cannot be checked, because some ledger cannot be read.
    pub(super) fn notes_unknown(detail: String) -> Self {
        Self::new(FindingKind::Notes, CheckResult::Unknown, detail)
    }

    /// Creates a failure of the chain rule.
    pub(super) fn chain_failure(
        kind: FindingKind,
        ledger: &LedgerName,
        entry: Option<EntryId>,
        detail: impl Into<String>,
    ) -> Self {
        let (rule, outcome) = (Some(Rule::Chain), CheckResult::Fail);
        Self {
            kind,
            ledger: Some(ledger.clone()),
            entry,
            rule,
            outcome,
            detail: detail.into(),
        }
    }

    /// Creates a finding from a git error: malformed data fails, unreadable data is unknown.
    pub(super) fn from_error(
        kind: FindingKind,
        ledger: Option<&LedgerName>,
        error: &Error,
    ) -> Self {
        let outcome = if error.is_malformed() {
            CheckResult::Fail
        } else {
            CheckResult::Unknown
        };
        Self {
            kind,
            ledger: ledger.cloned(),
            entry: None,
            rule: None,
            outcome,
            detail: sanitize(&error.to_string()),
        }
    }

    /// Creates a finding from a rule's result for an entry; `None` if it passes.
    pub(super) fn from_check(ledger: &LedgerName, id: EntryId, check: &Check) -> Option<Self> {
        (check.outcome != CheckResult::Pass).then(|| Self {
            kind: FindingKind::Entry,
            ledger: Some(ledger.clone()),
            entry: Some(id),
            rule: Some(check.rule),
            outcome: check.outcome,
            detail: sanitize(&check.detail),
        })
    }
}

/// What a remark is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RemarkKind {
    /// A deployment bypassed rules with break-glass.
    BreakGlass,
    /// A policy was published with a server owner's key, after all admins' keys were lost.
    Recovered,
    /// A publish admits entries that it had not seen.
    #[serde(rename = "admitsUnseen")]
    AdmitsEntry,
    /// An entry is valid only because a publish admits it.
    #[serde(rename = "admittedUnseen")]
    AdmittedEntry,
    /// Something depends on a key that was removed later.
    RemovedKey,
    /// The tag that gave a version is gone or has moved, so the version cannot be checked again.
    MissingTag,
    /// The notes are missing or not up to date.
    NotesBehind,
    /// Some lines of the notes cannot be checked in this clone.
    NotesUnknown,
    /// How to fix wrong notes.
    NotesWrong,
    /// No project is pinned.
    Pin,
}

/// Something that is allowed, but that a reader should know.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRemark {
    /// What it is about.
    pub kind: RemarkKind,
    /// The ledger, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerName>,
    /// The entry, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// The remark, in one line.
    #[serde(rename = "detail")]
    pub text: String,
}

impl AuditRemark {
    /// Creates a remark on an entry.
    pub(super) fn on_entry(
        kind: RemarkKind,
        ledger: &LedgerName,
        entry: EntryId,
        text: String,
    ) -> Self {
        Self {
            kind,
            ledger: Some(ledger.clone()),
            entry: Some(entry),
            text,
        }
    }
}
