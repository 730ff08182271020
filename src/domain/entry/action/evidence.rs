//! The actions of the ledger `evidence`: what was built, what somebody vouches for, what is taken out of circulation.
//!
//! The order of the fields is that of the JSON, and so part of what is signed.

use serde::{Deserialize, Serialize};

use super::Image;
use crate::domain::id::{CommitId, Content, Digest};
use crate::domain::name::{ComponentName, EnvName, Label};
use crate::domain::text::Line;

/// How a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BuildResult {
    /// It was built.
    Succeeded,
    /// It was not.
    Failed,
}

/// A build of a component at a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The component.
    pub component: ComponentName,
    /// The commit.
    pub commit: CommitId,
    /// How it ended.
    pub result: BuildResult,
    /// Where its log is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Line>,
}

/// What was built from a component at a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// The component.
    pub component: ComponentName,
    /// The commit.
    pub commit: CommitId,
    /// The component's content at that commit.
    pub content: Content,
    /// The artifact.
    #[serde(flatten)]
    pub image: Image,
    /// What built it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builder: Option<Line>,
}

/// Somebody vouches for a commit, or for it in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attestation {
    /// The commit.
    pub commit: CommitId,
    /// Where it was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvName>,
    /// The in-toto predicate type: a URI.
    pub predicate_type: Line,
    /// The suite of checks, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<Label>,
    /// The predicate.
    pub predicate: serde_json::Map<String, serde_json::Value>,
}

/// What an attestation says of its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttestationResult {
    /// Good.
    Passed,
    /// Bad.
    Failed,
}

/// The extension of in-toto's `test-result` that tells how many tests there were, where not all of them are named:
/// `{ "passed": 41200, "warned": 0, "failed": 3, "skipped": 12 }`.
pub const TEST_COUNTS_KEY: &str = "gitDeployCounts";

/// How many tests went how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestCounts {
    /// Passed.
    pub passed: u64,
    /// Passed with warnings.
    pub warned: u64,
    /// Failed.
    pub failed: u64,
}

impl Attestation {
    /// How many tests a `test-result` tells of; `None` where it tells of none, and of other types.
    pub fn test_counts(&self) -> Option<TestCounts> {
        let told = self.predicate.get(TEST_COUNTS_KEY);
        let number = |list: &str, key: &str| {
            let named = self
                .predicate
                .get(list)
                .and_then(serde_json::Value::as_array)
                .map_or(0, Vec::len);
            let counted = told
                .and_then(|counts| counts.get(key))
                .and_then(serde_json::Value::as_u64);
            counted
                .unwrap_or(0)
                .max(u64::try_from(named).unwrap_or(u64::MAX))
        };
        let counts = TestCounts {
            passed: number("passedTests", "passed"),
            warned: number("warnedTests", "warned"),
            failed: number("failedTests", "failed"),
        };
        let none = TestCounts {
            passed: 0,
            warned: 0,
            failed: 0,
        };
        (self.short_type() == "test-result" && counts != none).then_some(counts)
    }

    /// The type's own name, without its prefix and version: `test-result`.
    pub fn short_type(&self) -> &str {
        let text = self.predicate_type.as_str();
        let version = |part: &str| {
            part.strip_prefix('v')
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        text.rsplit(['/', ':'])
            .find(|part| !part.is_empty() && !version(part))
            .unwrap_or(text)
    }

    /// What it says: a `test-result` by its `result` (only `PASSED` is good), a `change-review` by its `unresolved` comments and
    /// `approvals`; any other type is good by being there.
    pub fn result(&self) -> AttestationResult {
        let number = |key: &str| self.predicate.get(key).and_then(serde_json::Value::as_u64);
        let good = match self.short_type() {
            "test-result" => {
                self.predicate
                    .get("result")
                    .and_then(serde_json::Value::as_str)
                    == Some("PASSED")
            }
            "change-review" => {
                number("approvals").is_some_and(|count| count > 0)
                    && number("unresolved") == Some(0)
            }
            _ => true,
        };
        if good {
            AttestationResult::Passed
        } else {
            AttestationResult::Failed
        }
    }
}

/// A commit or a digest is taken out of circulation, or put back. Exactly one of the two is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Yank {
    /// The commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// The digest of an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Why.
    pub reason: Line,
}
