//! Publishes a signed entry: writes its objects and moves the refs, the remote's first.

use std::sync::Arc;
use std::time::Duration;

use super::error::AppendError;
use super::ledger_writer::LedgerWriter;
use crate::domain::entry::{Entry, Verified};
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::policy::PublishedPolicy;
use crate::domain::state::{Scope, fold};
use crate::git::error::Error;
use crate::git::remote::PushOutcome;
use crate::ledger::entry_validator::ChainTip;
use crate::ledger::notes_sync::sync_notes;
use crate::ledger::sync::{SyncError, SyncResult, record_push, sync};
use crate::ledger::{StateReader, Tips, entry_commit_bytes, genesis_bytes};

/// The outcome of publishing an entry.
pub(super) enum PublishOutcome {
    /// The entry is in the ledger: the remote's messages, and why this clone is behind, if it is.
    Done(Vec<String>, Option<String>),
    LostRace,
    /// Git's messages, and whether the remote certainly received the push.
    Unconfirmed(Vec<String>, bool),
}

impl LedgerWriter<'_> {
    /// Writes the objects of an entry, and of the genesis if it is the first entry.
    pub(super) fn write_objects(
        &self,
        ledger: &LedgerName,
        tip: &ChainTip,
        entry: &Entry<Verified>,
        policy_text: Option<&Arc<[u8]>>,
    ) -> Result<EntryId, Error> {
        let repository = self.repository;
        if tip.chain.sequence == 0 && !ledger.is_policy() {
            repository.write_tree(b"")?;
            repository.write_commit(&genesis_bytes(repository, self.project.id, ledger))?;
        }
        let state = StateReader::new(repository).load(
            tip.tree,
            ledger,
            &Scope::for_statement(entry.statement()),
        )?;
        let published =
            policy_text.map(|text| PublishedPolicy::new(Arc::clone(text), &tip.chain.root_keys));
        let edits = fold(&state, entry, published.as_ref());
        repository.write_batch(|| {
            let tree = repository.write_tree_after(tip.tree, entry, &edits)?;
            repository
                .write_commit(&entry_commit_bytes(
                    entry.statement(),
                    tree,
                    &tip.chain.project_name,
                ))
                .map(EntryId)
        })
    }

    /// Moves the ref: first the remote's, if there is one.
    pub(super) fn move_refs(
        &self,
        ledger: &LedgerName,
        tips: &Tips,
        new: EntryId,
    ) -> Result<PublishOutcome, AppendError> {
        let (name, old) = (ledger.ref_name(), tips.get(ledger).copied());
        let mut messages = Vec::new();
        if let Some(remote) = self.remote {
            match self
                .repository
                .push_ref(remote, new.0, &name, old.map(|old| old.0))?
            {
                PushOutcome::Accepted { messages: accepted } => messages = accepted,
                PushOutcome::LostRace { .. } => return Ok(PublishOutcome::LostRace),
                PushOutcome::Rejected { .. } if self.is_overtaken(remote, ledger, tips) => {
                    return Ok(PublishOutcome::LostRace);
                }
                PushOutcome::Rejected {
                    messages,
                    is_undecided: false,
                } => return Err(AppendError::RemoteRefused(messages)),
                PushOutcome::Rejected {
                    messages,
                    is_undecided: true,
                } => return Err(AppendError::RemoteUndecided(messages)),
                PushOutcome::Unknown {
                    messages,
                    is_received,
                } => return self.resolve_unknown(remote, ledger, new, messages, is_received),
            }
        }
        self.move_local_ref(ledger, old, new, messages)
    }

    /// Finds out whether the remote accepted a push whose outcome is unknown.
    fn resolve_unknown(
        &self,
        remote: &str,
        ledger: &LedgerName,
        new: EntryId,
        messages: Vec<String>,
        is_received: bool,
    ) -> Result<PublishOutcome, AppendError> {
        // Our own entry may be there already, and others may follow it.
        let synced = self
            .sync_with_retries(remote)
            .map_err(|_| AppendError::Unanswered(messages.clone()))?;
        let is_there = match synced.tips.get(ledger) {
            Some(tip) => self.repository.is_on_chain(*tip, new, usize::MAX)?,
            None => false,
        };
        Ok(if is_there {
            PublishOutcome::Done(messages, None)
        } else {
            PublishOutcome::Unconfirmed(messages, is_received)
        })
    }

    /// Moves the local ref, after the remote's if there is one.
    fn move_local_ref(
        &self,
        ledger: &LedgerName,
        old: Option<EntryId>,
        new: EntryId,
        messages: Vec<String>,
    ) -> Result<PublishOutcome, AppendError> {
        let incoming = self
            .remote
            .map_or(Ok(()), |_| record_push(self.repository, ledger, new));
        let moved = incoming.and_then(|()| {
            self.repository
                .advance_ledger(ledger, old, new, "git-deploy: append")
        });
        match moved {
            Ok(()) => Ok(PublishOutcome::Done(messages, None)),
            // The remote has it: a concurrent fetch has moved the local ref there or further.
            Err(Error::LostRace { .. }) if self.remote.is_some() => {
                Ok(PublishOutcome::Done(messages, None))
            }
            // The remote has it, whatever failed here, so it must not be reported as not written.
            Err(error) if self.remote.is_some() => {
                Ok(PublishOutcome::Done(messages, Some(error.to_string())))
            }
            Err(Error::LostRace { .. }) => Ok(PublishOutcome::LostRace),
            Err(error) => Err(error.into()),
        }
    }

    /// Syncs after a push without an answer, and waits for an unavailable remote.
    fn sync_with_retries(&self, remote: &str) -> Result<SyncResult, SyncError> {
        for attempt in 0..self.options.unanswered_retries {
            match sync(self.repository, remote) {
                Err(SyncError::Fetch { .. }) => {
                    std::thread::sleep(Duration::from_secs(1 << attempt));
                }
                result => return result,
            }
        }
        sync(self.repository, remote)
    }

    /// Checks whether a ledger whose tip the entry must have seen has moved: for a policy entry any
    /// environment's, otherwise the policy's. The race is then lost too, although the entry's own
    /// ledger has not moved.
    fn is_overtaken(&self, remote: &str, ledger: &LedgerName, tips: &Tips) -> bool {
        let Ok(synced) = sync(self.repository, remote) else {
            return false;
        };
        let must_be_seen = |other: &LedgerName| {
            if ledger.is_policy() {
                other.is_environment()
            } else {
                other.is_policy()
            }
        };
        synced
            .tips
            .iter()
            .any(|(other, tip)| must_be_seen(other) && tips.get(other) != Some(tip))
    }

    /// Updates the notes. A server with our hooks has done it already; otherwise the client does.
    /// Returns the error as text: the entry is written anyway, and the next writer catches up.
    pub(super) fn update_notes(&self, ledger: &LedgerName, id: EntryId) -> Option<String> {
        let updated = match self.remote {
            None => self
                .repository
                .tips()
                .and_then(|tips| self.repository.update_notes(&tips))
                .map(drop)
                .map_err(SyncError::from),
            Some(remote) => sync_notes(self.repository, remote, ledger, id),
        };
        updated.err().map(|error| error.to_string())
    }
}
