//! The bounds of what a hook judges in one push. Beyond them the decision is "cannot tell".

use std::time::Duration;

/// The most ledger, branch and tag updates that are judged in one push.
pub(super) const MAX_UPDATES: usize = 10_000;
/// The most new entries in one push.
pub(super) const MAX_ENTRIES: u64 = 10_000;
/// The time limit of a hook.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);
