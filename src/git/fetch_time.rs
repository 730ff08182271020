//! When the remote was last heard of, so that commands that do not fetch can say how old their news is.

use std::time::UNIX_EPOCH;

use super::repo::Repository;
use crate::clock;
use crate::domain::time::Time;

/// The file in the common git folder that remembers our own fetches, which leave no `FETCH_HEAD`.
const MARK: &str = "deploy-fetched";

impl Repository {
    /// When this repository last fetched, by us or by git itself; `None` if it never did as far as anybody knows.
    pub fn last_fetch(&self) -> Option<Time> {
        let own = std::fs::read_to_string(self.common_dir().join(MARK))
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let head = std::fs::metadata(self.git_dir().join("FETCH_HEAD"))
            .and_then(|file| file.modified())
            .ok();
        let head = head.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let head = head.and_then(|span| Time::from_seconds(span.as_secs().try_into().ok()?));
        own.max(head)
    }

    /// Remembers that a fetch has just succeeded. It is only told to people, so that it cannot be written is no error.
    pub(super) fn mark_fetch(&self) {
        let _ = std::fs::write(self.common_dir().join(MARK), format!("{}\n", clock::now()));
    }
}
