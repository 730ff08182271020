//! Reads the names and counts of the suites and test cases of `JUnit` reports.

use roxmltree::Node;

use super::error::JunitError;
use crate::domain::text::sanitize;

/// The longest test name, in characters. The rest of a longer name is dropped.
const MAX_NAME_CHARS: usize = 500;

/// Reads a count from an attribute of a suite. A missing count is 0.
pub(super) fn read_count(suite: Node<'_, '_>, name: &'static str) -> Result<u64, JunitError> {
    match suite.attribute(name).map(str::trim) {
        None | Some("") => Ok(0),
        Some(text) => text.parse().map_err(|_| JunitError::InvalidCount {
            name,
            value: to_plain_line(text),
        }),
    }
}

/// Returns the name of a test case or suite: `classname.name`.
pub(super) fn read_title(node: Node<'_, '_>) -> String {
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
pub(super) fn to_plain_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    sanitize(&words.join(" "))
        .chars()
        .take(MAX_NAME_CHARS)
        .collect()
}
