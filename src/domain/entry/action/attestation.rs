//! `attestation`: a signer vouches for a commit, in general or in one environment.

use serde::{Deserialize, Serialize};

use super::{ActionBody, ActionInfo, ActionType, CodeClaim, CommitRole, HistoryRole};
use crate::domain::entry::invalid::{InvalidError, MAX_PREDICATE, require};
use crate::domain::entry::log_text::{self, LogText, Tone};
use crate::domain::entry::note::Note;
use crate::domain::entry::subject::Subject;
use crate::domain::entry::trailer::Trailer;
use crate::domain::id::{CommitId, Oid};
use crate::domain::name::{EnvName, Label};
use crate::domain::text::Line;
use crate::domain::text::is_plain;

use InvalidError::Contradiction;

/// How deep a predicate may be nested: `serde_json` reads 127 levels, and two levels enclose the
/// predicate.
const MAX_PREDICATE_DEPTH: usize = 125;

/// The fields of a predicate that state a result: `result`, as in in-toto's `test-result`, and
/// `verificationResult`, as in SLSA's verification summary.
const RESULT_KEYS: [&str; 2] = ["result", "verificationResult"];

/// The results that are a success; case does not matter.
const SUCCESS_WORDS: [&str; 5] = ["passed", "pass", "success", "succeeded", "ok"];

/// A signer vouches for a commit, in general or in one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attestation {
    /// The commit.
    pub commit: CommitId,
    /// The environment in which it was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvName>,
    /// The in-toto predicate type: a URI.
    pub predicate_type: Line,
    /// The suite of checks, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<Label>,
    /// The predicate.
    pub predicate: serde_json::Map<String, serde_json::Value>,
}

/// The result that an attestation states for its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttestationResult {
    /// The check passed.
    Passed,
    /// The check failed.
    Failed,
}

/// The extension of in-toto's `test-result` with the numbers of tests, for results that do not name
/// all of them: `{ "passed": 41200, "warned": 0, "failed": 3, "skipped": 12 }`.
pub const TEST_COUNTS_KEY: &str = "gitDeployCounts";

/// The numbers of tests by result.
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
    /// Counts the tests of a `test-result`, listed by name or only counted. Returns `None` if there
    /// are none, and for other types.
    pub fn test_counts(&self) -> Option<TestCounts> {
        let counts = self.predicate.get(TEST_COUNTS_KEY);
        let count = |list: &str, key: &str| {
            let listed = self
                .predicate
                .get(list)
                .and_then(serde_json::Value::as_array)
                .map_or(0, Vec::len);
            let stated = counts
                .and_then(|counts| counts.get(key))
                .and_then(serde_json::Value::as_u64);
            stated
                .unwrap_or(0)
                .max(u64::try_from(listed).unwrap_or(u64::MAX))
        };
        let counts = TestCounts {
            passed: count("passedTests", "passed"),
            warned: count("warnedTests", "warned"),
            failed: count("failedTests", "failed"),
        };
        let no_tests = TestCounts {
            passed: 0,
            warned: 0,
            failed: 0,
        };
        (self.short_type() == "test-result" && counts != no_tests).then_some(counts)
    }

    fn result_word(&self) -> &'static str {
        match self.result() {
            AttestationResult::Passed => "PASSED",
            AttestationResult::Failed => "FAILED",
        }
    }

    /// Returns the type's own name, without its prefix and version: `test-result`.
    pub fn short_type(&self) -> &str {
        let text = self.predicate_type.as_str();
        let is_version = |part: &str| {
            part.strip_prefix('v')
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        text.rsplit(['/', ':'])
            .find(|part| !part.is_empty() && !is_version(part))
            .unwrap_or(text)
    }

    /// Returns the stated result. A `test-result` passed if its `result` is `PASSED`, and a
    /// `change-review` if it has approvals and no `unresolved` comments. Any other type passed,
    /// unless its predicate has a `result` (or `verificationResult`) that is not a success.
    pub fn result(&self) -> AttestationResult {
        let number = |key: &str| self.predicate.get(key).and_then(serde_json::Value::as_u64);
        let passed = match self.short_type() {
            "test-result" => {
                self.predicate
                    .get("result")
                    .and_then(serde_json::Value::as_str)
                    == Some("PASSED")
            }
            "change-review" => {
                number("approvals").is_some_and(|count| count > 0)
                    && number("unresolved") == Some(0)
                    && !self.states_failure()
            }
            _ => !self.states_failure(),
        };
        if passed {
            AttestationResult::Passed
        } else {
            AttestationResult::Failed
        }
    }

    /// Returns whether the predicate has a result that is not a success. A result with an unknown
    /// value is not a success.
    fn states_failure(&self) -> bool {
        let is_success = |result: &serde_json::Value| match result {
            serde_json::Value::String(word) => SUCCESS_WORDS
                .iter()
                .any(|success| success.eq_ignore_ascii_case(word)),
            result => *result == serde_json::Value::Bool(true),
        };
        RESULT_KEYS
            .iter()
            .filter_map(|key| self.predicate.get(*key))
            .any(|result| !is_success(result))
    }
}

impl ActionType for Attestation {
    const INFO: ActionInfo = ActionInfo {
        name: "attestation",
        commits: CommitRole::MayBeMissing,
        history: HistoryRole::None,
    };
}

impl ActionBody for Attestation {
    fn subjects(&self) -> Vec<Subject<'_>> {
        vec![Subject::commit(self.commit)]
    }

    fn trailers(&self) -> Vec<Trailer<'_>> {
        vec![
            Trailer::Commit(self.commit),
            Trailer::PredicateType(&self.predicate_type),
        ]
    }

    fn other_ids(&self) -> Vec<Oid> {
        // An id in the predicate need not be an object of this repository.
        Vec::new()
    }

    fn code_claims(&self) -> Vec<CodeClaim<'_>> {
        Vec::new()
    }

    fn headline(&self, _: &str) -> String {
        let result = match self.result() {
            AttestationResult::Passed => "passed",
            AttestationResult::Failed => "failed",
        };
        let commit = self.commit.short();
        format!("attest {} of {commit}: {result}", self.short_type())
    }

    fn free_text(&self) -> Option<&str> {
        None
    }

    fn note(&self, _: CommitId) -> Note {
        let suite = self
            .suite
            .as_ref()
            .map_or_else(String::new, |suite| format!(" {suite}"));
        let environment = self
            .environment
            .as_ref()
            .map_or_else(String::new, |environment| format!(" in {environment}"));
        let (kind, result) = (self.short_type(), self.result_word());
        Note::new("attested", format!("{kind}{suite} {result}{environment}"))
    }

    fn log(&self) -> LogText {
        let (kind, result) = (self.short_type(), self.result_word());
        let commit = log_text::commit(self.commit);
        LogText::new(
            "attested",
            Tone::Neutral,
            format!("{kind} {result} ({commit})"),
        )
    }

    fn validate(&self, _: Option<&EnvName>) -> Result<(), InvalidError> {
        let uri = self.predicate_type.as_str();
        require(
            uri.contains(':') && !uri.contains(char::is_whitespace),
            Contradiction("the predicate type must be a URI"),
        )?;
        let size = serde_json::to_vec(&self.predicate).map_or(usize::MAX, |bytes| bytes.len());
        require(size <= MAX_PREDICATE, InvalidError::PredicateTooLarge(size))?;
        require(
            self.predicate.values().map(depth).max().unwrap_or(0) < MAX_PREDICATE_DEPTH,
            Contradiction("the predicate is nested too deeply"),
        )?;
        require(
            is_plain_json(self.predicate.values(), self.predicate.keys()),
            Contradiction("the predicate contains a character that is not plain text"),
        )
    }
}

/// Checks that keys and strings contain only plain characters, newlines and tabs, because other
/// tools show them on a terminal.
fn is_plain_json<'a>(
    mut values: impl Iterator<Item = &'a serde_json::Value>,
    mut keys: impl Iterator<Item = &'a String>,
) -> bool {
    use serde_json::Value;
    let is_plain_text = |text: &str| {
        text.chars()
            .all(|character| is_plain(character) || matches!(character, '\n' | '\t'))
    };
    keys.all(|key| is_plain_text(key))
        && values.all(|value| match value {
            Value::String(text) => is_plain_text(text),
            Value::Array(items) => is_plain_json(items.iter(), std::iter::empty()),
            Value::Object(fields) => is_plain_json(fields.values(), fields.keys()),
            Value::Null | Value::Bool(_) | Value::Number(_) => true,
        })
}

/// Returns how deep objects and arrays are nested in a value.
fn depth(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
impl crate::domain::entry::samples::Sample for Attestation {
    fn sample(_: bool) -> proptest::strategy::BoxedStrategy<Self> {
        use crate::domain::entry::samples::*;
        let predicate = prop::sample::select(vec![
            serde_json::json!({ "result": "PASSED", "passedTests": ["a\nb", "c"], "ratio": 87.5, "deep": { "a": [1, null, true] } }),
            serde_json::json!({ "approvals": 2, "unresolved": 0 }),
            serde_json::json!({}),
        ]);
        let types = parsed(&[
            "https://in-toto.io/attestation/test-result/v0.1",
            "urn:git-deploy:change-review:v1",
            "https://slsa.dev/provenance/v1",
        ]);
        let environment = option::of(parsed(&["stage"]));
        let suite = option::of(parsed(&["e2e"]));
        (commit(), environment, types, suite, predicate)
            .prop_map(
                |(commit, environment, predicate_type, suite, predicate)| Self {
                    commit,
                    environment,
                    predicate_type,
                    suite,
                    predicate: predicate.as_object().unwrap().clone(),
                },
            )
            .boxed()
    }
}
