//! A number of commits, which is incomplete if the count was stopped at a limit.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// A number of commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitCount {
    /// The number of commits found so far; the total unless `truncated`.
    pub commits: usize,
    /// Whether there may be more.
    pub truncated: bool,
}

impl fmt::Display for CommitCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.truncated { "+" } else { "" };
        write!(f, "{}{more}", self.commits)
    }
}
