//! Unconfirmed pushes: git or the connection broke off, and the remote did not have the entry when
//! this clone checked.
//!
//! The remote may still accept such an entry. Therefore the writer checks again before it signs
//! another entry. Otherwise the same action could be recorded twice.

use super::error::AppendError;
use super::ledger_writer::{AppendedEntry, LedgerWriter};
use crate::domain::entry::Statement;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::git::error::Error;
use crate::ledger::Tips;
use crate::ledger::sync::sync_usable;

/// An entry whose push was not confirmed. The remote may still accept it.
pub(super) struct UnconfirmedPush {
    pub id: EntryId,
    pub statement: Statement,
    pub messages: Vec<String>,
    /// Whether the remote certainly received it, and only the answer is missing.
    pub is_received: bool,
}

impl LedgerWriter<'_> {
    /// Syncs with the remote, and returns the entry of an earlier attempt if it has been accepted
    /// since.
    pub(super) fn sync_and_find_confirmed(
        &self,
        remote: &str,
        ledger: &LedgerName,
        unconfirmed: &mut Vec<UnconfirmedPush>,
    ) -> Result<Option<AppendedEntry>, AppendError> {
        let tips = match (sync_usable(self.repository, remote), unconfirmed.last()) {
            (Ok(synced), _) => synced.tips,
            (Err(_), Some(last)) => return Err(AppendError::Unanswered(last.messages.clone())),
            (Err(error), None) => return Err(error.into()),
        };
        Ok(self.take_confirmed(ledger, &tips, unconfirmed)?)
    }

    /// Returns the entry of an earlier attempt if the ledger now contains it.
    fn take_confirmed(
        &self,
        ledger: &LedgerName,
        tips: &Tips,
        unconfirmed: &mut Vec<UnconfirmedPush>,
    ) -> Result<Option<AppendedEntry>, Error> {
        let Some(tip) = tips.get(ledger) else {
            return Ok(None);
        };
        for index in 0..unconfirmed.len() {
            let is_accepted = unconfirmed.get(index).map_or(Ok(false), |push| {
                self.repository.is_on_chain(*tip, push.id, usize::MAX)
            })?;
            if is_accepted {
                let UnconfirmedPush {
                    id,
                    statement,
                    messages,
                    ..
                } = unconfirmed.swap_remove(index);
                let notes_error = self.update_notes(ledger, id);
                let appended = AppendedEntry {
                    id,
                    statement,
                    messages,
                    local_error: None,
                    notes_error,
                    dry_run: false,
                };
                return Ok(Some(appended));
            }
        }
        Ok(None)
    }
}

/// Returns the error after too many unconfirmed pushes: [`AppendError::Unanswered`] if the remote
/// received an entry and may still accept it, otherwise [`AppendError::PushFailed`].
pub(super) fn unconfirmed_error(unconfirmed: Vec<UnconfirmedPush>) -> AppendError {
    let is_received = unconfirmed.iter().any(|push| push.is_received);
    let messages = unconfirmed
        .into_iter()
        .next_back()
        .map(|push| push.messages)
        .unwrap_or_default();
    if is_received {
        AppendError::Unanswered(messages)
    } else {
        AppendError::PushFailed(messages)
    }
}
