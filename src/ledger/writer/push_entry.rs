//! Writes the objects of a signed entry, and moves the ledger's ref to it: first on the remote,
//! then in this repository.

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
use crate::ledger::sync::ref_moves::record_push;
use crate::ledger::sync::{SyncError, SyncResult, sync_usable};
use crate::ledger::{StateReader, Tips, entry_commit_bytes, genesis_bytes};

/// The outcome of moving a ledger to a new entry.
pub(super) enum PushEntryOutcome {
    /// The entry is in the ledger.
    Done {
        /// The remote's messages.
        messages: Vec<String>,
        /// Why the ref in this repository could not be moved, if that failed.
        local_error: Option<String>,
    },
    /// Another writer moved a ledger first.
    LostRace,
    /// It is not known whether the remote accepted the entry.
    Unconfirmed {
        /// Git's messages.
        messages: Vec<String>,
        /// Whether the remote certainly received the push.
        is_received: bool,
    },
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

    /// Moves the ledger's ref: first on the remote, if there is one, then in this repository.
    pub(super) fn move_refs(
        &self,
        ledger: &LedgerName,
        tips: &Tips,
        new: EntryId,
    ) -> Result<PushEntryOutcome, AppendError> {
        let (name, old) = (ledger.ref_name(), tips.get(ledger).copied());
        let mut messages = Vec::new();
        if let Some(remote) = self.remote {
            match self
                .repository
                .push_ref(remote, new.0, &name, old.map(|old| old.0))?
            {
                PushOutcome::Accepted { messages: accepted } => messages = accepted,
                PushOutcome::LostRace { .. } => return Ok(PushEntryOutcome::LostRace),
                PushOutcome::Rejected { .. } if self.is_overtaken(remote, ledger, tips) => {
                    return Ok(PushEntryOutcome::LostRace);
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
    ) -> Result<PushEntryOutcome, AppendError> {
        // The remote may already have this entry, and other entries may follow it.
        let synced = self
            .sync_with_retries(remote)
            .map_err(|_| AppendError::Unanswered(messages.clone()))?;
        if synced.problem_of(ledger).is_some() {
            return Err(AppendError::Unanswered(messages));
        }
        let is_written = match synced.tips.get(ledger) {
            Some(tip) => self.repository.is_on_chain(*tip, new, usize::MAX)?,
            None => false,
        };
        Ok(if is_written {
            PushEntryOutcome::Done {
                messages,
                local_error: None,
            }
        } else {
            PushEntryOutcome::Unconfirmed {
                messages,
                is_received,
            }
        })
    }

    /// Moves the ref in this repository. If there is a remote, it has the entry already.
    fn move_local_ref(
        &self,
        ledger: &LedgerName,
        old: Option<EntryId>,
        new: EntryId,
        messages: Vec<String>,
    ) -> Result<PushEntryOutcome, AppendError> {
        let recorded = self
            .remote
            .map_or(Ok(()), |_| record_push(self.repository, ledger, new));
        let moved = recorded.and_then(|()| {
            self.repository
                .move_verified_ledger(ledger, old, new, "git-deploy: append")
        });
        match moved {
            Ok(()) => Ok(PushEntryOutcome::Done {
                messages,
                local_error: None,
            }),
            // The remote has the entry: a concurrent fetch moved the local ref to it or past it.
            Err(Error::LostRace { .. }) if self.remote.is_some() => Ok(PushEntryOutcome::Done {
                messages,
                local_error: None,
            }),
            // The remote has the entry, so report success even if a local step failed.
            Err(error) if self.remote.is_some() => Ok(PushEntryOutcome::Done {
                messages,
                local_error: Some(error.to_string()),
            }),
            Err(Error::LostRace { .. }) => Ok(PushEntryOutcome::LostRace),
            Err(error) => Err(error.into()),
        }
    }

    /// Syncs after a push whose outcome is unknown. If the remote is unavailable, retries after 1, 2,
    /// 4, … seconds.
    fn sync_with_retries(&self, remote: &str) -> Result<SyncResult, SyncError> {
        for attempt in 0..self.options.unanswered_retries {
            match sync_usable(self.repository, remote) {
                Err(SyncError::Fetch { .. }) => {
                    std::thread::sleep(Duration::from_secs(1 << attempt));
                }
                result => return result,
            }
        }
        sync_usable(self.repository, remote)
    }

    /// Returns whether another ledger that the entry depends on has moved: any environment ledger
    /// for a policy entry, otherwise the policy ledger. That also loses the race, although the
    /// entry's own ledger has not moved.
    fn is_overtaken(&self, remote: &str, ledger: &LedgerName, tips: &Tips) -> bool {
        let Ok(synced) = sync_usable(self.repository, remote) else {
            return false;
        };
        let is_dependency = |other: &LedgerName| {
            if ledger.is_policy() {
                other.is_environment()
            } else {
                other.is_policy()
            }
        };
        synced
            .tips
            .iter()
            .any(|(other, tip)| is_dependency(other) && tips.get(other) != Some(tip))
    }

    /// Updates the notes, unless a server with our hooks has done so already. Returns an error as
    /// text only, because the entry is written anyway, and the next writer updates the notes.
    pub(super) fn update_notes(&self, ledger: &LedgerName, id: EntryId) -> Option<String> {
        let updated = match self.remote {
            None => self
                .repository
                .local_ledgers()
                .and_then(|ledgers| Ok(self.repository.update_notes(&ledgers.tips)?))
                .map(drop),
            Some(remote) => sync_notes(self.repository, remote, ledger, id),
        };
        updated.err().map(|error| error.to_string())
    }
}
