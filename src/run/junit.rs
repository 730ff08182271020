//! Converts `JUnit` reports to in-toto's `test-result`
//! (<https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md>).
//!
//! Reports are untrusted: they are bounded, must not contain a DTD, and count as failed if they
//! contradict themselves. `JUnit` has no standard. This module reads what its common writers
//! agree on.

mod cases;
mod error;
mod node;

use std::collections::BTreeSet;

use cases::{CaseResult, check_counts, find_retried, read_case};
use error::MAX_DEPTH;
pub use error::{JunitError, MAX_REPORT};
use node::{read_count, read_title, to_plain_line};
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Map, Value, json};

use crate::domain::count::{choose, count};
use crate::domain::entry::{MAX_BYTES, MAX_PREDICATE, TEST_COUNTS_KEY};
use crate::domain::id::Digest;
use crate::domain::text::{Line, sanitize};

/// The most XML nodes in a report.
const MAX_NODES: u32 = 2_000_000;
/// The bytes of an entry that are reserved for everything except test names.
const RESERVED_BYTES: usize = 64 << 10;
/// The most bytes that the list of reports may take in a predicate.
const MAX_REPORTS_BYTES: usize = MAX_PREDICATE / 2;
/// The bytes of a predicate that are reserved for the keys and brackets of the lists of names.
const LIST_BYTES: usize = 500;
/// The bytes that a name takes in an entry in addition to its JSON string: the indentation, and the
/// comma and newline at the end of the line.
const NAME_OVERHEAD: usize = 12;

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
            let (failures, verb) = (
                count(claimed_failures, "failure"),
                choose(claimed_failures, "names", "name"),
            );
            self.failed.push(to_plain_line(&format!(
                "{name}: {failures} that {verb} no test"
            )));
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

#[cfg(test)]
mod tests;
