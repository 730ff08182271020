//! Converts `JUnit` reports to in-toto's `test-result`
//! (<https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md>).
//!
//! Reports are untrusted: they are bounded, must not contain a DTD, and count as failed if they
//! contradict themselves. `JUnit` has no standard. This module reads what its common writers
//! agree on.

mod cases;

use std::collections::BTreeSet;

use cases::{CaseResult, check_counts, find_retried, read_case};
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Map, Value, json};

use crate::domain::entry::{MAX_BYTES, MAX_PREDICATE, TEST_COUNTS_KEY};
use crate::domain::id::Digest;
use crate::domain::text::{Line, sanitize};

/// The largest report, in bytes.
pub const MAX_REPORT: usize = 64 << 20;
/// The most XML nodes in a report.
const MAX_NODES: u32 = 2_000_000;
/// The deepest nesting of suites.
const MAX_DEPTH: usize = 32;
/// The longest test name, in characters. The rest of a longer name is dropped.
const MAX_NAME_CHARS: usize = 500;
/// The bytes of an entry that are reserved for everything except test names.
const RESERVED_BYTES: usize = 64 << 10;
/// The most bytes that the list of reports may take in a predicate.
const MAX_REPORTS_BYTES: usize = MAX_PREDICATE / 2;
/// The bytes of a predicate that are reserved for the keys and brackets of the lists of names.
const LIST_BYTES: usize = 500;
/// The bytes that a name takes in an entry in addition to its JSON string: the indentation, and the
/// comma and newline at the end of the line.
const NAME_OVERHEAD: usize = 12;

/// Why a report cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JunitError {
    /// It is too long.
    #[error("it has more than {MAX_REPORT} bytes")]
    TooLarge,
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// It is not XML, contains a DTD, or has too many nodes.
    #[error("it is not supported XML: {0}")]
    Xml(#[from] roxmltree::Error),
    /// It is another kind of XML document.
    #[error("it begins with <{0}>, but a JUnit report begins with <testsuites> or <testsuite>")]
    WrongRoot(String),
    /// Its suites are nested too deeply.
    #[error("its suites are nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// A count is not a number.
    #[error("{name}=\"{value}\" of a suite is not a number")]
    InvalidCount {
        /// The attribute.
        name: &'static str,
        /// Its value, safe to show.
        value: String,
    },
    /// A suite counts more tests than the report lists.
    #[error(
        "its suite {suite:?} counts {claimed} tests, but lists only {listed}: the report broke off, or contradicts itself"
    )]
    Incomplete {
        /// The name of the suite, safe to show.
        suite: String,
        /// The number of tests that the suite counts.
        claimed: u64,
        /// The number of tests that it lists or counts as skipped.
        listed: u64,
    },
    /// No test passed or failed.
    #[error("no test ran")]
    NoTests,
    /// There are too many reports to list.
    #[error("there are too many reports for one entry: attest them in several suites")]
    TooMany,
}

/// The results of the tests of some reports, by name, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct TestResults {
    passed: Vec<String>,
    /// Tests that passed after a failed attempt.
    warned: Vec<String>,
    failed: Vec<String>,
    skipped: u64,
}

/// A predicate, and the number of test names that did not fit into it.
#[derive(Debug, PartialEq, Eq)]
pub struct TestPredicate {
    /// The predicate.
    pub map: Map<String, Value>,
    /// The number of names that were left out.
    pub omitted_names: usize,
}

impl TestResults {
    /// Adds the results of a report. `name` is the report's name, which is used for failures
    /// without a test.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), JunitError> {
        if bytes.len() > MAX_REPORT {
            return Err(JunitError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| JunitError::NotUtf8)?;
        let options = ParsingOptions {
            allow_dtd: false,
            nodes_limit: MAX_NODES,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(text, options)?;
        let root = document.root_element();
        if !matches!(root.tag_name().name(), "testsuites" | "testsuite") {
            return Err(JunitError::WrongRoot(sanitize(root.tag_name().name())));
        }
        let failures_before = self.failures();
        let claimed_failures = self.add_suites(root)?;
        if self.failed.is_empty() {
            check_counts(root)?;
        }
        if claimed_failures > 0 && self.failures() == failures_before {
            // The suites count failures, but no test case failed, for example because a suite could
            // not start.
            let failures = if claimed_failures == 1 {
                "1 failure that names no test".to_owned()
            } else {
                format!("{claimed_failures} failures that name no test")
            };
            self.failed
                .push(to_plain_line(&format!("{name}: {failures}")));
        }
        Ok(())
    }

    /// Returns how many tests failed, at least once.
    fn failures(&self) -> usize {
        self.failed.len() + self.warned.len()
    }

    /// Adds the results of all suites. Returns the largest number of failures that a suite claims.
    fn add_suites(&mut self, root: Node<'_, '_>) -> Result<u64, JunitError> {
        let (mut claimed_failures, mut pending) = (0, vec![(root, 0)]);
        while let Some((suite, depth)) = pending.pop() {
            if depth > MAX_DEPTH {
                return Err(JunitError::TooDeep);
            }
            claimed_failures = claimed_failures
                .max(read_count(suite, "failures")?.saturating_add(read_count(suite, "errors")?));
            let mut inner = Vec::new();
            let retried = find_retried(suite);
            for child in suite.children().filter(Node::is_element) {
                match child.tag_name().name() {
                    "testsuite" => inner.push((child, depth + 1)),
                    "testcase" => self.add_case(child, &retried),
                    "failure" | "error" => self.failed.push(read_title(suite)),
                    _ => {}
                }
            }
            pending.extend(inner.into_iter().rev());
        }
        Ok(claimed_failures)
    }

    /// Adds the result of one test case. `retried` are the tests of its suite that failed and then
    /// passed.
    fn add_case(&mut self, case: Node<'_, '_>, retried: &BTreeSet<String>) {
        let title = read_title(case);
        match read_case(case) {
            // The attempt that passed is counted, as a warning.
            CaseResult::Failed if retried.contains(&title) => {}
            CaseResult::Passed if retried.contains(&title) => {
                if !self.warned.contains(&title) {
                    self.warned.push(title);
                }
            }
            CaseResult::Failed => self.failed.push(title),
            CaseResult::Skipped => self.skipped += 1,
            CaseResult::Flaky => self.warned.push(title),
            CaseResult::Passed => self.passed.push(title),
        }
    }

    /// Returns the overall result as in-toto spells it.
    pub fn result(&self) -> &'static str {
        match (self.failed.is_empty(), self.warned.is_empty()) {
            (false, _) => "FAILED",
            (true, false) => "WARNED",
            (true, true) => "PASSED",
        }
    }

    /// Builds the predicate. If not all names fit, those of passed tests are left out first. The
    /// counts cover all tests.
    pub fn build_predicate(
        &self,
        reports: &[(String, Digest)],
        url: Option<&Line>,
    ) -> Result<TestPredicate, JunitError> {
        if self.passed.is_empty() && self.warned.is_empty() && self.failed.is_empty() {
            return Err(JunitError::NoTests);
        }
        let describe = |(name, digest): &(String, Digest)| json!({ "name": to_plain_line(name), "digest": { digest.algorithm().name(): digest.hex() } });
        let configuration: Vec<Value> = reports.iter().map(describe).collect();
        if json_size(&configuration) > MAX_REPORTS_BYTES {
            return Err(JunitError::TooMany);
        }
        let counts = json!({
            "passed": self.passed.len(), "warned": self.warned.len(), "failed": self.failed.len(), "skipped": self.skipped,
        });
        let mut map = Map::from_iter([
            ("result".to_owned(), json!(self.result())),
            ("configuration".to_owned(), json!(configuration)),
            (TEST_COUNTS_KEY.to_owned(), counts),
        ]);
        map.extend(url.map(|url| ("url".to_owned(), json!(url))));
        let mut room = NameRoom {
            // The entry is indented JSON, which takes at most twice the bytes of compact JSON.
            entry: MAX_BYTES - RESERVED_BYTES - 2 * json_size(&map),
            predicate: MAX_PREDICATE - json_size(&map) - LIST_BYTES,
        };
        let mut omitted_names = 0;
        for (key, names) in [
            ("failedTests", &self.failed),
            ("warnedTests", &self.warned),
            ("passedTests", &self.passed),
        ] {
            let fits = names.iter().take_while(|name| room.reserve(name)).count();
            omitted_names += names.len() - fits;
            map.insert(key.to_owned(), json!(names.get(..fits).unwrap_or_default()));
        }
        if omitted_names == 0 && self.skipped == 0 {
            map.remove(TEST_COUNTS_KEY);
        }
        Ok(TestPredicate { map, omitted_names })
    }
}

/// The number of bytes left for test names.
struct NameRoom {
    /// In the signed entry, which is indented JSON: each name takes a line.
    entry: usize,
    /// In the predicate as compact JSON.
    predicate: usize,
}

impl NameRoom {
    /// Reserves room for a name. Returns whether there was enough.
    fn reserve(&mut self, name: &str) -> bool {
        let length = json_size(&name) + 1;
        let remaining = (
            self.entry.checked_sub(length + NAME_OVERHEAD),
            self.predicate.checked_sub(length),
        );
        let (Some(entry), Some(predicate)) = remaining else {
            return false;
        };
        *self = Self { entry, predicate };
        true
    }
}

/// Returns the size of a value as compact JSON, in bytes. A value that cannot be serialized counts
/// as too large.
fn json_size(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).map_or(MAX_PREDICATE, |bytes| bytes.len())
}

/// Reads a count from an attribute of a suite. A missing count is 0.
fn read_count(suite: Node<'_, '_>, name: &'static str) -> Result<u64, JunitError> {
    match suite.attribute(name).map(str::trim) {
        None | Some("") => Ok(0),
        Some(text) => text.parse().map_err(|_| JunitError::InvalidCount {
            name,
            value: to_plain_line(text),
        }),
    }
}

/// Returns the name of a test case or suite: `classname.name`.
fn read_title(node: Node<'_, '_>) -> String {
    let parts = ["classname", "name"]
        .into_iter()
        .filter_map(|name| node.attribute(name));
    let parts: Vec<&str> = parts
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    if parts.is_empty() {
        "unnamed".to_owned()
    } else {
        to_plain_line(&parts.join("."))
    }
}

/// Returns the text as one line without control characters, cut to [`MAX_NAME_CHARS`].
fn to_plain_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    sanitize(&words.join(" "))
        .chars()
        .take(MAX_NAME_CHARS)
        .collect()
}

#[cfg(test)]
mod tests;
