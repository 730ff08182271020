//! The time of the last sync, so that commands that do not fetch can say how old their information
//! is. A fetch by git itself does not count: it verifies nothing.

use super::repo::Repository;
use crate::clock;
use crate::domain::time::Time;

/// The private file with the time.
const FILE: &str = "last-sync";

impl Repository {
    /// Returns the time of the last sync that verified the remote's ledgers; `None` if there was
    /// none.
    pub fn last_sync_time(&self) -> Option<Time> {
        self.read_private_file(FILE)?.trim().parse().ok()
    }

    /// Records that a sync has just succeeded. The time is only shown to people, so a failure to
    /// write it is ignored.
    pub fn record_sync_time(&self) {
        let _ = self.change_private_file(FILE, |_| Some(format!("{}\n", clock::now())));
    }
}
