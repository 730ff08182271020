//! JUnit reports as in-toto's `test-result`
//! (<https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md>).
//!
//! A report is whatever a test, a fork or an attacker wrote: bounded, without a document type, and where it contradicts itself it
//! counts as failed. JUnit has no standard; this reads what the common writers of it agree on.

use roxmltree::{Document, Node, ParsingOptions};
use serde_json::{Map, Value, json};

use crate::domain::entry::{MAX_BYTES, MAX_PREDICATE, TEST_COUNTS_KEY};
use crate::domain::id::Digest;
use crate::domain::text::{Line, harmless};

/// The largest report, in bytes.
pub const MAX_REPORT: usize = 64 << 20;
/// The most elements, texts and comments of a report.
const NODES: u32 = 2_000_000;
/// How deep suites may lie in suites.
const DEPTH: usize = 32;
/// The longest name of a test, in characters.
const NAME: usize = 500;
/// What the names of tests leave of an entry to everything else in it, in bytes.
const REST: usize = 64 << 10;
/// What the list of the reports may take of a predicate, in bytes.
const REPORTS: usize = MAX_PREDICATE / 2;
/// What a name takes in an entry besides itself: its indent and the end of its line.
const INDENT: usize = 12;

/// Why a report cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JunitError {
    /// Too long.
    #[error("it has more than {MAX_REPORT} bytes")]
    TooLarge,
    /// Another encoding.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// No XML, or XML with a document type, or too much of it.
    #[error("it is no XML that is read here: {0}")]
    Xml(#[from] roxmltree::Error),
    /// XML of another kind.
    #[error("it begins with <{0}>, and a JUnit report with <testsuites> or <testsuite>")]
    Root(String),
    /// Suites in suites in suites.
    #[error("its suites lie more than {DEPTH} deep in one another")]
    TooDeep,
    /// A number that is none.
    #[error("{name}=\"{value}\" of a suite is no number")]
    Count {
        /// The attribute.
        name: &'static str,
        /// What it says, made harmless.
        value: String,
    },
    /// Nothing that went well or badly.
    #[error("no test ran")]
    Nothing,
    /// More reports than can be named.
    #[error("there are too many reports to name in one entry: attest them by suites")]
    TooMany,
}

/// How the tests of some reports went, by name, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tests {
    passed: Vec<String>,
    /// Passed in the end, after a failure.
    warned: Vec<String>,
    failed: Vec<String>,
    skipped: u64,
}

/// A predicate, and how many names it has no room for.
#[derive(Debug, PartialEq, Eq)]
pub struct Predicate {
    /// The predicate.
    pub map: Map<String, Value>,
    /// The names that were left out.
    pub left_out: usize,
}

impl Tests {
    /// Adds what a report says. `name` is what a failure that names no test is told under.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), JunitError> {
        if bytes.len() > MAX_REPORT {
            return Err(JunitError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| JunitError::NotUtf8)?;
        let options = ParsingOptions {
            allow_dtd: false,
            nodes_limit: NODES,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(text, options)?;
        let root = document.root_element();
        if !matches!(root.tag_name().name(), "testsuites" | "testsuite") {
            return Err(JunitError::Root(harmless(root.tag_name().name())));
        }
        let before = self.failed.len();
        let claimed = self.suites(root)?;
        if claimed > 0 && self.failed.len() == before {
            // The suites know of failures, and no test does: of a suite that could not even begin, say.
            self.failed.push(plain(&format!(
                "{name}: {claimed} failures that name no test"
            )));
        }
        Ok(())
    }

    /// Walks the suites. Returns the most failures that any of them counts.
    fn suites(&mut self, root: Node<'_, '_>) -> Result<u64, JunitError> {
        let (mut claimed, mut open) = (0, vec![(root, 0)]);
        while let Some((suite, depth)) = open.pop() {
            if depth > DEPTH {
                return Err(JunitError::TooDeep);
            }
            claimed =
                claimed.max(count(suite, "failures")?.saturating_add(count(suite, "errors")?));
            let mut inner = Vec::new();
            for child in suite.children().filter(Node::is_element) {
                match child.tag_name().name() {
                    "testsuite" => inner.push((child, depth + 1)),
                    "testcase" => self.case(child),
                    "failure" | "error" => self.failed.push(title(suite)),
                    _ => {}
                }
            }
            open.extend(inner.into_iter().rev());
        }
        Ok(claimed)
    }

    fn case(&mut self, case: Node<'_, '_>) {
        let has = |names: &[&str]| {
            case.children()
                .any(|child| child.is_element() && names.contains(&child.tag_name().name()))
        };
        let says = |words: &[&str]| {
            let said = ["status", "result"]
                .into_iter()
                .filter_map(|name| case.attribute(name));
            said.into_iter()
                .any(|said| words.iter().any(|word| said.eq_ignore_ascii_case(word)))
        };
        if has(&["failure", "error"]) || says(&["fail", "failed", "failure", "error"]) {
            self.failed.push(title(case));
        } else if has(&["skipped"]) || says(&["notrun", "disabled", "skipped", "suppressed"]) {
            self.skipped += 1;
        } else if has(&["flakyFailure", "flakyError"]) {
            self.warned.push(title(case));
        } else {
            self.passed.push(title(case));
        }
    }

    /// What in-toto calls the result of it all.
    pub fn result(&self) -> &'static str {
        match (self.failed.is_empty(), self.warned.is_empty()) {
            (false, _) => "FAILED",
            (true, false) => "WARNED",
            (true, true) => "PASSED",
        }
    }

    /// The predicate. Where there is no room for every name, those that failed come first, and the numbers tell of all.
    pub fn predicate(
        &self,
        reports: &[(String, Digest)],
        url: Option<&Line>,
    ) -> Result<Predicate, JunitError> {
        if self.passed.is_empty() && self.warned.is_empty() && self.failed.is_empty() {
            return Err(JunitError::Nothing);
        }
        let describe = |(name, digest): &(String, Digest)| json!({ "name": plain(name), "digest": { digest.algorithm().name(): digest.hex() } });
        let configuration: Vec<Value> = reports.iter().map(describe).collect();
        if size(&configuration) > REPORTS {
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
        let mut room = Room {
            entry: MAX_BYTES - REST - 2 * size(&map),
            predicate: MAX_PREDICATE - size(&map) - NAME,
        };
        let mut left_out = 0;
        for (key, names) in [
            ("failedTests", &self.failed),
            ("warnedTests", &self.warned),
            ("passedTests", &self.passed),
        ] {
            let fits = names.iter().take_while(|name| room.take(name)).count();
            left_out += names.len() - fits;
            map.insert(key.to_owned(), json!(names.get(..fits).unwrap_or_default()));
        }
        if left_out == 0 && self.skipped == 0 {
            map.remove(TEST_COUNTS_KEY);
        }
        Ok(Predicate { map, left_out })
    }
}

/// What is left for names.
struct Room {
    /// Of the entry as it is signed, where each name is a line.
    entry: usize,
    /// Of the predicate, without white space.
    predicate: usize,
}

impl Room {
    /// Makes room for a name, if there is any left.
    fn take(&mut self, name: &str) -> bool {
        let length = size(&name) + 1;
        let left = (
            self.entry.checked_sub(length + INDENT),
            self.predicate.checked_sub(length),
        );
        let (Some(entry), Some(predicate)) = left else {
            return false;
        };
        *self = Self { entry, predicate };
        true
    }
}

/// The bytes that a value takes without white space. What has no spelling takes more than there is.
fn size(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).map_or(MAX_PREDICATE, |bytes| bytes.len())
}

fn count(suite: Node<'_, '_>, name: &'static str) -> Result<u64, JunitError> {
    match suite.attribute(name).map(str::trim) {
        None | Some("") => Ok(0),
        Some(text) => text.parse().map_err(|_| JunitError::Count {
            name,
            value: plain(text),
        }),
    }
}

/// What a case or a suite is called: `classname.name`.
fn title(node: Node<'_, '_>) -> String {
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
        plain(&parts.join("."))
    }
}

/// A name as one plain line.
fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    harmless(&words.join(" ")).chars().take(NAME).collect()
}

#[cfg(test)]
mod tests;
