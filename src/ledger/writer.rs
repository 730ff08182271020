//! Writes entries to a ledger. Every client entry goes through here: decide, sign, build, move one
//! ref.
//!
//! If there is a remote, the remote is the database: fetch, verify, decide, build, push that one
//! ref without force, and only then move the local ref. A lost race starts over: the rules are
//! evaluated and the entry is signed again, because it names its position.

mod draft;
mod error;
mod evaluate;
mod ledger_writer;
mod push_entry;
mod unconfirmed;

use std::time::Duration;

pub use draft::{EntryDraft, LedgerSnapshot};
use error::ATTEMPT_LIMIT;
pub use error::{AppendError, AppendFailure, RefusedEntry};
pub use ledger_writer::{AppendOptions, AppendedEntry, LedgerWriter};
use push_entry::PushEntryOutcome;
use unconfirmed::{UnconfirmedPush, unconfirmed_error};

use super::entry_validator::EntryValidator;
use super::facts::FactGatherer;
use crate::clock;
use crate::domain::entry::{Entry, Statement, Unverified, Verified};
use crate::domain::name::LedgerName;
use crate::domain::verdict::Verdict;
use crate::signing::{Signer, verify_entry};

/// The number of unconfirmed pushes after which the writer stops trying.
const UNCONFIRMED_LIMIT: usize = 3;

/// The outcome of one attempt.
enum AttemptOutcome {
    Done(Box<AppendedEntry>),
    LostRace,
    /// The push was not confirmed, and the entry is not there.
    Unconfirmed(Box<UnconfirmedPush>),
}

impl LedgerWriter<'_> {
    /// Writes one entry to `ledger`: makes a draft, evaluates the rules, signs and publishes it.
    /// Retries after a lost race.
    ///
    /// # Errors
    /// Fails with [`AppendFailure::Draft`] if `draft` fails, [`AppendFailure::Append`] if the entry is refused
    /// or cannot be published.
    pub fn append<E>(
        &self,
        ledger: &LedgerName,
        draft: &dyn Fn(&LedgerSnapshot<'_>) -> Result<EntryDraft, E>,
    ) -> Result<AppendedEntry, AppendFailure<E>> {
        let mut unconfirmed: Vec<UnconfirmedPush> = Vec::new();
        for attempt in 0..ATTEMPT_LIMIT {
            if let Some(remote) = self.remote.filter(|_| attempt > 0 || !self.is_synced)
                && let Some(appended) =
                    self.sync_and_find_confirmed(remote, ledger, &mut unconfirmed)?
            {
                return Ok(appended);
            }
            match self.attempt(ledger, draft)? {
                AttemptOutcome::Done(appended) => return Ok(*appended),
                AttemptOutcome::LostRace => {}
                // A connection may break once, but repeated failures need the user's attention.
                AttemptOutcome::Unconfirmed(push) => {
                    unconfirmed.push(*push);
                    if unconfirmed.len() == UNCONFIRMED_LIMIT {
                        return Err(unconfirmed_error(unconfirmed).into());
                    }
                }
            }
            back_off(attempt)?;
        }
        Err(if unconfirmed.is_empty() {
            AppendError::Busy
        } else {
            unconfirmed_error(unconfirmed)
        }
        .into())
    }

    /// Evaluates the rules for an entry on the ledgers as of the last fetch. Signs and writes
    /// nothing.
    pub fn preview<E>(
        &self,
        ledger: &LedgerName,
        draft: &dyn Fn(&LedgerSnapshot<'_>) -> Result<EntryDraft, E>,
    ) -> Result<(Statement, Verdict), AppendFailure<E>> {
        self.with_snapshot(ledger, &|snapshot| {
            let draft = draft(snapshot).map_err(AppendFailure::Draft)?;
            Ok(self.evaluate_draft(ledger, snapshot, &draft)?)
        })
    }

    /// Calls `use_snapshot` with the current state of the ledgers.
    fn with_snapshot<E, T>(
        &self,
        ledger: &LedgerName,
        use_snapshot: &dyn Fn(&LedgerSnapshot<'_>) -> Result<T, AppendFailure<E>>,
    ) -> Result<T, AppendFailure<E>> {
        let ledgers = self.repository.local_ledgers().map_err(AppendError::Sync)?;
        ledgers
            .require([&LedgerName::policy(), ledger])
            .map_err(AppendError::Sync)?;
        let tips = &ledgers.tips;
        let gatherer = FactGatherer::new(self.repository, self.project)
            .with_remote(self.remote)
            .with_unverified(ledgers.unverified());
        let validator = EntryValidator::new(self.repository, gatherer, None);
        let chain_tip = validator.load_tip(ledger, tips.get(ledger).copied())?;
        let policy = match tips.get(&LedgerName::policy()) {
            Some(tip) => validator.gatherer.policy_at(*tip)?,
            None => None,
        };
        use_snapshot(&LedgerSnapshot {
            repository: self.repository,
            tips,
            ledgers: &ledgers,
            policy: policy.as_deref(),
            tip: &chain_tip,
            gatherer: &validator.gatherer,
        })
    }

    /// Makes one attempt to write the entry.
    fn attempt<E>(
        &self,
        ledger: &LedgerName,
        draft: &dyn Fn(&LedgerSnapshot<'_>) -> Result<EntryDraft, E>,
    ) -> Result<AttemptOutcome, AppendFailure<E>> {
        self.with_snapshot(ledger, &|snapshot| {
            self.attempt_on_snapshot(ledger, snapshot, draft)
        })
    }

    /// Makes one attempt to write the entry, on a given state of the ledgers.
    fn attempt_on_snapshot<E>(
        &self,
        ledger: &LedgerName,
        snapshot: &LedgerSnapshot<'_>,
        draft: &dyn Fn(&LedgerSnapshot<'_>) -> Result<EntryDraft, E>,
    ) -> Result<AttemptOutcome, AppendFailure<E>> {
        let draft = draft(snapshot).map_err(AppendFailure::Draft)?;
        let (statement, verdict) = self.evaluate_draft(ledger, snapshot, &draft)?;
        let is_left_to_server = self.options.no_verify && self.remote.is_some();
        if !(verdict.is_allowed() || is_left_to_server) {
            return Err(AppendError::Refused(Box::new(RefusedEntry { statement, verdict })).into());
        }
        let Some(signer) = self.signer.filter(|_| !self.options.dry_run) else {
            let id = snapshot.tip.chain.tip;
            let appended = AppendedEntry {
                id,
                statement,
                messages: Vec::new(),
                local_error: None,
                notes_error: None,
                dry_run: true,
            };
            return Ok(AttemptOutcome::Done(Box::new(appended)));
        };
        let entry = sign_statement(signer, &statement)?;
        let id = self.write_objects(ledger, snapshot.tip, &entry, draft.policy_text.as_ref())?;
        match self.move_refs(ledger, snapshot.tips, id)? {
            PushEntryOutcome::Done {
                messages,
                local_error,
            } => {
                let notes_error = self
                    .update_notes(ledger, id)
                    .filter(|_| local_error.is_none());
                Ok(AttemptOutcome::Done(Box::new(AppendedEntry {
                    id,
                    statement,
                    messages,
                    local_error,
                    notes_error,
                    dry_run: false,
                })))
            }
            PushEntryOutcome::LostRace => Ok(AttemptOutcome::LostRace),
            PushEntryOutcome::Unconfirmed {
                messages,
                is_received,
            } => Ok(AttemptOutcome::Unconfirmed(Box::new(UnconfirmedPush {
                id,
                statement,
                messages,
                is_received,
            }))),
        }
    }
}

/// Signs a statement, and verifies the result.
fn sign_statement(signer: &Signer, statement: &Statement) -> Result<Entry<Verified>, AppendError> {
    let bytes = statement.print()?;
    let signature = signer.sign(&bytes, &statement.trusted_comment())?;
    let entry = Entry::<Unverified>::parse(&bytes, &signature)?;
    Ok(verify_entry(entry, [&signer.public_key()])?)
}

/// Waits for a short random time, so that writers who lost the same race do not collide again.
fn back_off(attempt: u32) -> Result<(), clock::RandomError> {
    // Up to 30 ms after the first attempt, and up to 650 ms after many.
    let ceiling = 20u64 << attempt.min(5);
    let millis = u64::from(u16::from_le_bytes(clock::random::<2>()?)) % ceiling;
    std::thread::sleep(Duration::from_millis(10 + millis));
    Ok(())
}

#[cfg(test)]
mod tests;
