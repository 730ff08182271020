//! The time of the last fetch, so that commands that do not fetch can say how old their information
//! is.

use std::time::UNIX_EPOCH;

use super::repo::Repository;
use crate::clock;
use crate::domain::time::Time;

/// The file in the common git folder that records our own fetches, which write no `FETCH_HEAD`.
const FETCH_TIME_FILE: &str = "deploy-fetched";

impl Repository {
    /// Returns the time of the last fetch, by this program or by git itself; `None` if no fetch is
    /// recorded.
    pub fn last_fetch_time(&self) -> Option<Time> {
        let own_fetch = std::fs::read_to_string(self.common_dir().join(FETCH_TIME_FILE))
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let git_fetch = std::fs::metadata(self.git_dir().join("FETCH_HEAD"))
            .and_then(|file| file.modified())
            .ok();
        let git_fetch = git_fetch.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let git_fetch =
            git_fetch.and_then(|span| Time::from_seconds(span.as_secs().try_into().ok()?));
        own_fetch.max(git_fetch)
    }

    /// Records that a fetch has just succeeded. The time is only shown to people, so a failure to
    /// write it is ignored.
    pub(super) fn record_fetch_time(&self) {
        let _ = std::fs::write(
            self.common_dir().join(FETCH_TIME_FILE),
            format!("{}\n", clock::now()),
        );
    }
}
