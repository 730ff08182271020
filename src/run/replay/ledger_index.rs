//! An index of a ledger for a replay: its deployments, and its tip at any time.

use crate::domain::entry::HistoryRole;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::time::Time;
use crate::git::{Repository, Result};

/// The position of an entry in its ledger.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryPosition {
    /// The entry's commit.
    pub id: EntryId,
    /// The commit before it.
    pub previous: EntryId,
}

/// The index of one ledger, built from the messages of its commits.
#[derive(Debug)]
pub(super) struct LedgerIndex {
    /// The deployments, newest first.
    pub deployments: Vec<EntryPosition>,
    /// All entries with their times, newest first.
    entries: Vec<(Time, EntryId)>,
}

impl LedgerIndex {
    /// Reads a ledger from its tip back to the last entry before `since`.
    pub fn read(
        repository: &Repository,
        ledger: &LedgerName,
        tip: EntryId,
        since: Option<Time>,
    ) -> Result<Self> {
        let mut index = Self {
            deployments: Vec::new(),
            entries: Vec::new(),
        };
        for walked in repository.walk_ledger(tip) {
            let (commit, trailers) = walked?;
            let (time, id) = (commit.committer_time, EntryId(commit.id));
            index.entries.push((time, id));
            if since.is_some_and(|since| time < since) {
                break;
            }
            // Every entry has a parent; only the genesis has none.
            let previous = commit.parents.first().copied().map(EntryId);
            if let Some(previous) =
                previous.filter(|_| trailers.history_role() == HistoryRole::Request)
            {
                index.deployments.extend(
                    ledger
                        .is_environment()
                        .then_some(EntryPosition { id, previous }),
                );
            }
        }
        Ok(index)
    }

    /// Returns the ledger's tip at a time, or `None` for a time before the oldest entry of the
    /// index.
    pub fn find_tip_at(&self, time: Time) -> Option<EntryId> {
        let later_count = self
            .entries
            .partition_point(|(entry_time, _)| *entry_time > time);
        self.entries.get(later_count).map(|(_, id)| *id)
    }
}
