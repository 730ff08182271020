//! The test cases of `JUnit` suites: the result of each, attempts of the same test, and whether as many
//! are listed as counted.

use std::collections::{BTreeMap, BTreeSet};

use roxmltree::Node;

use super::error::JunitError;
use super::node::{read_count, read_title};

/// The result of a test case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CaseResult {
    Passed,
    /// It passed after a failed attempt.
    Flaky,
    Failed,
    Skipped,
}

/// Reads the result of a test case.
pub(super) fn read_case(case: Node<'_, '_>) -> CaseResult {
    let has_child = |names: &[&str]| {
        case.children()
            .any(|child| child.is_element() && names.contains(&child.tag_name().name()))
    };
    let has_status = |words: &[&str]| {
        let values = ["status", "result"]
            .into_iter()
            .filter_map(|name| case.attribute(name));
        values
            .into_iter()
            .any(|value| words.iter().any(|word| value.eq_ignore_ascii_case(word)))
    };
    if has_child(&["failure", "error"]) || has_status(&["fail", "failed", "failure", "error"]) {
        CaseResult::Failed
    } else if has_child(&["skipped"])
        || has_status(&["notrun", "disabled", "skipped", "suppressed"])
    {
        CaseResult::Skipped
    } else if has_child(&["flakyFailure", "flakyError"]) {
        CaseResult::Flaky
    } else {
        CaseResult::Passed
    }
}

/// Finds the tests of a suite that failed and passed in a later attempt. Gradle, among others, lists
/// each attempt as a test case of the same name.
pub(super) fn find_retried(suite: Node<'_, '_>) -> BTreeSet<String> {
    let cases = || {
        let children = suite.children().filter(Node::is_element);
        children.filter(|child| child.tag_name().name() == "testcase")
    };
    let mut last_attempts: BTreeMap<String, (bool, CaseResult)> = BTreeMap::new();
    if cases().all(|case| read_case(case) != CaseResult::Failed) {
        return BTreeSet::new();
    }
    for case in cases() {
        let result = read_case(case);
        let attempt = last_attempts
            .entry(read_title(case))
            .or_insert((false, result));
        *attempt = (attempt.0 || result == CaseResult::Failed, result);
    }
    last_attempts
        .into_iter()
        .filter(|(_, attempt)| *attempt == (true, CaseResult::Passed))
        .map(|(title, _)| title)
        .collect()
}

/// Checks that no suite counts more tests than it lists. Writers may leave skipped tests out if they
/// count them, and a writer may leave out all tests that passed; a suite that lists some of those
/// that passed must list all.
pub(super) fn check_counts(root: Node<'_, '_>) -> Result<(), JunitError> {
    let suites = root.descendants().filter(|node| {
        node.is_element() && matches!(node.tag_name().name(), "testsuites" | "testsuite")
    });
    for suite in suites {
        let mut counts = [0_u64; 3];
        for case in suite.descendants() {
            if case.is_element() && case.tag_name().name() == "testcase" {
                let kind = match read_case(case) {
                    CaseResult::Passed => 0,
                    CaseResult::Skipped => 1,
                    _ => 2,
                };
                counts[kind] += 1;
            }
        }
        let [passed, skipped, other] = counts;
        let claimed_skipped = ["skipped", "disabled"]
            .into_iter()
            .map(|name| read_count(suite, name))
            .sum::<Result<u64, _>>()?;
        let listed = passed + other + skipped.max(claimed_skipped);
        let claimed = read_count(suite, "tests")?;
        if passed > 0 && claimed > listed {
            return Err(JunitError::Incomplete {
                suite: read_title(suite),
                claimed,
                listed,
            });
        }
    }
    Ok(())
}
