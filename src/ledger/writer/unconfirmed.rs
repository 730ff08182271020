//! Pushes that came to no end: git, or the connection, broke off, and the entry was not there when this clone looked.
//!
//! The remote may still take it. So each is looked for again before another is signed: else the same would be written twice.

use super::{AppendError, Appended, Writer};
use crate::domain::entry::Statement;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::verdict::Verdict;
use crate::git::error::Error;
use crate::ledger::Tips;
use crate::ledger::sync::sync;

/// An entry of which nobody has said what became of it: the remote may still be about to take it.
pub(super) struct Unended {
    pub id: EntryId,
    pub statement: Statement,
    pub verdict: Verdict,
    pub messages: Vec<String>,
    /// Whether the remote has it for certain, and only the answer is missing.
    pub sent: bool,
}

impl Writer<'_> {
    /// Fetches what the remote has; gives the entry of an earlier try that has come in since.
    pub(super) fn look_again(
        &self,
        remote: &str,
        ledger: &LedgerName,
        unended: &mut Vec<Unended>,
    ) -> Result<Option<Appended>, AppendError> {
        let tips = match (sync(self.repository, remote), unended.last()) {
            (Ok(synced), _) => synced.tips,
            (Err(_), Some(last)) => return Err(AppendError::Unanswered(last.messages.clone())),
            (Err(error), None) => return Err(error.into()),
        };
        Ok(self.arrived(ledger, &tips, unended)?)
    }

    /// The entry of an earlier try that the ledger holds by now.
    fn arrived(
        &self,
        ledger: &LedgerName,
        tips: &Tips,
        unended: &mut Vec<Unended>,
    ) -> Result<Option<Appended>, Error> {
        let Some(tip) = tips.get(ledger) else {
            return Ok(None);
        };
        for index in 0..unended.len() {
            let there = unended.get(index).map_or(Ok(false), |one| {
                self.repository.on_chain(*tip, one.id, usize::MAX)
            })?;
            if there {
                let Unended {
                    id,
                    statement,
                    verdict,
                    messages,
                    ..
                } = unended.swap_remove(index);
                let untold = self.project_notes(ledger, id);
                let appended = Appended {
                    id,
                    statement,
                    verdict,
                    messages,
                    behind: None,
                    untold,
                    dry_run: false,
                };
                return Ok(Some(appended));
            }
        }
        Ok(None)
    }
}

/// Why nothing is tried any more: git could not push at all, or the remote has heard of an entry and may still take it.
pub(super) fn given_up(unended: Vec<Unended>) -> AppendError {
    let sent = unended.iter().any(|one| one.sent);
    let messages = unended
        .into_iter()
        .next_back()
        .map(|one| one.messages)
        .unwrap_or_default();
    if sent {
        AppendError::Unanswered(messages)
    } else {
        AppendError::Unpushed(messages)
    }
}
