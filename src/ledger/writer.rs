//! Writes entries to a ledger. Every client entry goes through here: decide, sign, build, move one
//! ref.
//!
//! If there is a remote, the remote is the database: fetch, verify, decide, build, push that one
//! ref without force, and only then move the local ref. A lost race starts over: the rules are
//! evaluated and the entry is signed again, because it names its position.

mod error;
mod unconfirmed;

use std::sync::Arc;
use std::time::Duration;

pub use error::{AppendError, AppendFailure, RefusedEntry};
use unconfirmed::{UnconfirmedPush, unconfirmed_error};

use super::entry_validator::{ChainTip, EntryValidator};
use super::facts::FactGatherer;
use super::sync::{SyncError, SyncResult, record_push, sync, sync_notes};
use super::{Project, StateReader, Tips, entry_commit_bytes, genesis_bytes};
use crate::clock;
use crate::domain::entry::{Action, Entry, Statement, Unverified, Verified};
use crate::domain::env_ref::EnvRef;
use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::{EnvName, LedgerName, Person};
use crate::domain::policy::Policy;
use crate::domain::rules::{Request, counting_approvers, evaluate, ledgers_read};
use crate::domain::state::{Scope, State, fold};
use crate::domain::verdict::Verdict;
use crate::git::error::Error;
use crate::git::remote::PushOutcome;
use crate::git::repo::Repository;
use crate::signing::{Signer, verify_entry};

/// How often a lost race is retried. Each try begins with a fetch, so everyone gets in before this,
/// even on a busy ledger.
const TRIES: u32 = 60;
/// How many unconfirmed pushes are made before giving up.
const UNCONFIRMED_LIMIT: usize = 3;

/// What a caller wants to write. It is made from the current state, again for each try.
#[derive(Debug, Clone)]
pub struct EntryDraft {
    /// The action.
    pub action: Action,
    /// The environment, in the ledger of a pattern.
    pub environment: Option<EnvName>,
    /// The person on whose behalf the entry is written.
    pub requested_by: Option<Person>,
    /// The `deploy.toml` of a publish.
    pub policy_text: Option<Arc<[u8]>>,
}

impl From<Action> for EntryDraft {
    fn from(action: Action) -> Self {
        Self {
            action,
            environment: None,
            requested_by: None,
            policy_text: None,
        }
    }
}

impl EntryDraft {
    /// Returns the draft of an entry about an environment.
    pub fn in_environment(env: &EnvRef, action: Action) -> Self {
        Self {
            environment: env.member().cloned(),
            ..action.into()
        }
    }
}

/// The current state of the ledgers, from which a caller makes its draft.
pub struct LedgerSnapshot<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The tips of all ledgers.
    pub tips: &'a Tips,
    /// The policy in force; `None` before the first was published.
    pub policy: Option<&'a Policy>,
    /// The end of the ledger to write to.
    pub tip: &'a ChainTip,
    /// Provides contents and facts.
    pub gatherer: &'a FactGatherer<'a>,
}

impl LedgerSnapshot<'_> {
    /// Loads the state of the ledger to write to, for making a draft. The decision uses a stricter
    /// reader.
    pub fn load_state(&self, ledger: &LedgerName, scope: &Scope) -> Result<State, Error> {
        StateReader::for_display(self.repository).load(self.tip.tree, ledger, scope)
    }
}

/// An entry that was written.
#[derive(Debug)]
pub struct AppendedEntry {
    /// Its commit.
    pub id: EntryId,
    /// Its statement.
    pub statement: Statement,
    /// The rules that it passed.
    pub verdict: Verdict,
    /// The remote's messages.
    pub messages: Vec<String>,
    /// Why this clone does not have the entry yet, although the remote does. The next sync fetches
    /// it.
    pub local_error: Option<String>,
    /// Why the notes do not contain it yet. The next sync adds it.
    pub notes_error: Option<String>,
    /// Whether this was a dry run: nothing was signed or written.
    pub dry_run: bool,
}

/// Writes entries for one person in one repository.
pub struct LedgerWriter<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The project.
    pub project: &'a Project,
    /// The remote that is the database, if any.
    pub remote: Option<&'a str>,
    /// The person who signs.
    pub person: &'a Person,
    /// Their key. Without one only a dry run is possible.
    pub signer: Option<&'a Signer>,
    /// How to write.
    pub options: AppendOptions,
    /// Whether the caller has just synced: then only later tries do.
    pub is_synced: bool,
}

/// Options for writing an entry.
#[derive(Debug, Clone, Copy, Default)]
pub struct AppendOptions {
    /// Stop before signing, and write nothing. The decision is the real one, so it includes a
    /// fetch.
    pub dry_run: bool,
    /// Push even what the rules refuse here, and let the server decide: for a clone without enough
    /// history to tell. Has no effect without a remote.
    pub no_verify: bool,
    /// Assume that the server's owner has armed a recovery for the signer's key. The server decides
    /// whether that is so.
    pub assume_recovery: bool,
    /// How often to ask an unavailable remote again after a push without an answer, pausing 1, 2,
    /// 4, … seconds: for unattended runners. Later it would no longer be clear that an entry found
    /// there is this one.
    pub unanswered_retries: u32,
}

/// The outcome of one try.
enum AttemptOutcome {
    Done(Box<AppendedEntry>),
    LostRace,
    /// The push was not confirmed, and the entry is not there.
    Unconfirmed(Box<UnconfirmedPush>),
}

/// The outcome of publishing an entry.
enum PublishOutcome {
    /// It is in the ledger: the remote's messages, and why this clone is behind, if it is.
    Done(Vec<String>, Option<String>),
    LostRace,
    /// Git's messages, and whether the remote certainly received the push.
    Unconfirmed(Vec<String>, bool),
}

impl LedgerWriter<'_> {
    /// Writes one entry to `ledger`: makes a draft, evaluates the rules, signs and publishes it.
    /// Retries after a lost race.
    ///
    /// # Errors
    /// [`Stopped::Draft`] if `draft` fails, [`Stopped::Append`] if the entry is refused or cannot
    /// be published.
    pub fn append<E>(
        &self,
        ledger: &LedgerName,
        draft: &dyn Fn(&LedgerSnapshot<'_>) -> Result<EntryDraft, E>,
    ) -> Result<AppendedEntry, AppendFailure<E>> {
        let mut unended: Vec<UnconfirmedPush> = Vec::new();
        for attempt in 0..TRIES {
            if let Some(remote) = self.remote.filter(|_| attempt > 0 || !self.is_synced)
                && let Some(appended) =
                    self.sync_and_find_confirmed(remote, ledger, &mut unended)?
            {
                return Ok(appended);
            }
            match self.attempt(ledger, draft)? {
                AttemptOutcome::Done(appended) => return Ok(*appended),
                AttemptOutcome::LostRace => {}
                // A connection may break once; repeated failures are no race.
                AttemptOutcome::Unconfirmed(one) => {
                    unended.push(*one);
                    if unended.len() == UNCONFIRMED_LIMIT {
                        return Err(unconfirmed_error(unended).into());
                    }
                }
            }
            back_off(attempt)?;
        }
        Err(if unended.is_empty() {
            AppendError::Busy
        } else {
            unconfirmed_error(unended)
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
        self.with_snapshot(ledger, &|view| {
            let draft = draft(view).map_err(AppendFailure::Draft)?;
            Ok(self.evaluate_draft(ledger, view, &draft)?)
        })
    }

    /// Calls `then` with the current state of the ledgers.
    fn with_snapshot<E, T>(
        &self,
        ledger: &LedgerName,
        then: &dyn Fn(&LedgerSnapshot<'_>) -> Result<T, AppendFailure<E>>,
    ) -> Result<T, AppendFailure<E>> {
        let tips = self.repository.tips()?;
        let gatherer = FactGatherer::new(self.repository, self.project).with_remote(self.remote);
        let judge = EntryValidator::new(self.repository, gatherer, None);
        let head = judge.load_tip(ledger, tips.get(ledger).copied())?;
        let policy = match tips.get(&LedgerName::policy()) {
            Some(tip) => judge.gatherer.policy_at(*tip)?,
            None => None,
        };
        then(&LedgerSnapshot {
            repository: self.repository,
            tips: &tips,
            policy: policy.as_deref(),
            tip: &head,
            gatherer: &judge.gatherer,
        })
    }

    /// Makes one try to write the entry.
    fn attempt<E>(
        &self,
        ledger: &LedgerName,
        draft: &dyn Fn(&LedgerSnapshot<'_>) -> Result<EntryDraft, E>,
    ) -> Result<AttemptOutcome, AppendFailure<E>> {
        self.with_snapshot(ledger, &|view| {
            self.attempt_on_snapshot(ledger, view, draft)
        })
    }

    /// Makes one try to write the entry, on a given state of the ledgers.
    fn attempt_on_snapshot<E>(
        &self,
        ledger: &LedgerName,
        view: &LedgerSnapshot<'_>,
        draft: &dyn Fn(&LedgerSnapshot<'_>) -> Result<EntryDraft, E>,
    ) -> Result<AttemptOutcome, AppendFailure<E>> {
        let (tips, head) = (view.tips, view.tip);
        let draft = draft(view).map_err(AppendFailure::Draft)?;
        let (statement, verdict) = self.evaluate_draft(ledger, view, &draft)?;
        let left_to_the_server = self.options.no_verify && self.remote.is_some();
        if !(verdict.allowed() || left_to_the_server) {
            return Err(AppendError::Refused(Box::new(RefusedEntry { statement, verdict })).into());
        }
        let Some(signer) = self.signer.filter(|_| !self.options.dry_run) else {
            let id = head.chain.tip;
            let appended = AppendedEntry {
                id,
                statement,
                verdict,
                messages: Vec::new(),
                local_error: None,
                notes_error: None,
                dry_run: true,
            };
            return Ok(AttemptOutcome::Done(Box::new(appended)));
        };
        let entry = sign_statement(signer, &statement)?;
        let id = self.write_objects(ledger, head, &entry, draft.policy_text.as_ref())?;
        match self.move_refs(ledger, tips, id)? {
            PublishOutcome::Done(messages, behind) => {
                let untold = self.update_notes(ledger, id).filter(|_| behind.is_none());
                Ok(AttemptOutcome::Done(Box::new(AppendedEntry {
                    id,
                    statement,
                    verdict,
                    messages,
                    local_error: behind,
                    notes_error: untold,
                    dry_run: false,
                })))
            }
            PublishOutcome::LostRace => Ok(AttemptOutcome::LostRace),
            PublishOutcome::Unconfirmed(messages, sent) => {
                Ok(AttemptOutcome::Unconfirmed(Box::new(UnconfirmedPush {
                    id,
                    statement,
                    verdict,
                    messages,
                    is_received: sent,
                })))
            }
        }
    }

    /// Completes the statement and evaluates the rules.
    fn evaluate_draft(
        &self,
        ledger: &LedgerName,
        view: &LedgerSnapshot<'_>,
        draft: &EntryDraft,
    ) -> Result<(Statement, Verdict), AppendError> {
        let chain = &view.tip.chain;
        let mut statement = Statement {
            // A clock that is behind the last entry must not block writing: the same time is
            // allowed.
            at: clock::now().max(chain.at),
            by: self.person.clone(),
            requested_by: draft.requested_by.clone(),
            ledger: ledger.clone(),
            environment: draft.environment.clone(),
            project: chain.project,
            previous: chain.tip,
            sequence: chain.sequence + 1,
            seen: Tips::new(),
            action: draft.action.clone(),
        };
        let brought = match (view.policy, &draft.policy_text) {
            (None, Some(text)) => std::str::from_utf8(text)
                .ok()
                .and_then(|text| Policy::parse(text).ok()),
            _ => None,
        };
        let policy = view.policy.or(brought.as_ref());
        let Some(policy) = policy else {
            return Err(Error::Corrupt {
                what: "refs/deploy/policy".to_owned(),
                why: "no policy is in force".to_owned(),
            }
            .into());
        };
        let mut wanted = ledgers_read(policy, &statement);
        wanted.extend(chain.seen.keys().cloned());
        statement.seen = view
            .tips
            .iter()
            .filter(|(name, _)| *name != ledger && wanted.contains(*name))
            .map(|(name, tip)| (name.clone(), *tip))
            .collect();

        let mut others = view.tips.clone();
        others.remove(ledger);
        let states = StateReader::new(self.repository);
        let state = states
            .load(view.tip.tree, ledger, &Scope::for_statement(&statement))
            .map_err(|error| error.to_string());
        let key: Option<PublicKey> = self.signer.map(Signer::public_key);
        let request = Request::Entry {
            statement: &statement,
            key: key.as_ref(),
            policy_text: draft.policy_text.as_deref(),
        };
        let mut facts = view
            .gatherer
            .gather(policy, &request, &others, Some(chain.clone()), state);
        facts.recovery = key.filter(|_| self.options.assume_recovery);
        let counted = counting_approvers(policy, &request, &facts, statement.at);
        statement
            .action
            .set_approved_by(counted.into_iter().collect());
        let request = Request::Entry {
            statement: &statement,
            key: key.as_ref(),
            policy_text: draft.policy_text.as_deref(),
        };
        let verdict = evaluate(policy, &request, &facts, statement.at);
        Ok((statement, verdict))
    }

    /// Writes the objects of an entry, and of the genesis if it is the first entry.
    fn write_objects(
        &self,
        ledger: &LedgerName,
        head: &ChainTip,
        entry: &Entry<Verified>,
        policy_text: Option<&Arc<[u8]>>,
    ) -> Result<EntryId, Error> {
        let repository = self.repository;
        if head.chain.sequence == 0 && !ledger.is_policy() {
            repository.write_tree(b"")?;
            repository.write_commit(&genesis_bytes(repository, self.project.id, ledger))?;
        }
        let state = StateReader::new(repository).load(
            head.tree,
            ledger,
            &Scope::for_statement(entry.statement()),
        )?;
        let edits = fold(&state, entry, policy_text);
        repository.write_batch(|| {
            let tree = repository.write_tree_after(head.tree, entry, &edits)?;
            repository
                .write_commit(&entry_commit_bytes(
                    entry.statement(),
                    tree,
                    &head.chain.project_name,
                ))
                .map(EntryId)
        })
    }

    /// Moves the ref: first the remote's, if there is one.
    fn move_refs(
        &self,
        ledger: &LedgerName,
        tips: &Tips,
        new: EntryId,
    ) -> Result<PublishOutcome, AppendError> {
        let (name, old) = (ledger.ref_name(), tips.get(ledger).copied());
        let mut said = Vec::new();
        if let Some(remote) = self.remote {
            match self
                .repository
                .push_ref(remote, new.0, &name, old.map(|old| old.0))?
            {
                PushOutcome::Accepted { messages } => said = messages,
                PushOutcome::LostRace { .. } => return Ok(PublishOutcome::LostRace),
                PushOutcome::Rejected { .. } if self.is_overtaken(remote, ledger, tips) => {
                    return Ok(PublishOutcome::LostRace);
                }
                PushOutcome::Rejected {
                    messages,
                    doubt: false,
                } => return Err(AppendError::RemoteRefused(messages)),
                PushOutcome::Rejected {
                    messages,
                    doubt: true,
                } => return Err(AppendError::RemoteUndecided(messages)),
                PushOutcome::Unknown { messages, sent } => {
                    // Our own entry may be there already, and others may follow it.
                    let synced = self
                        .sync_with_retries(remote)
                        .map_err(|_| AppendError::Unanswered(messages.clone()))?;
                    let there = match synced.tips.get(ledger) {
                        Some(tip) => self.repository.is_on_chain(*tip, new, usize::MAX)?,
                        None => false,
                    };
                    return Ok(if there {
                        PublishOutcome::Done(messages, None)
                    } else {
                        PublishOutcome::Unconfirmed(messages, sent)
                    });
                }
            }
        }
        let incoming = self
            .remote
            .map_or(Ok(()), |_| record_push(self.repository, ledger, new));
        let moved = incoming.and_then(|()| {
            self.repository
                .advance_ledger(ledger, old, new, "git-deploy: append")
        });
        match moved {
            Ok(()) => Ok(PublishOutcome::Done(said, None)),
            // The remote has it: a concurrent fetch has moved the local ref there or further.
            Err(Error::LostRace { .. }) if self.remote.is_some() => {
                Ok(PublishOutcome::Done(said, None))
            }
            // The remote has it, whatever failed here, so it must not be reported as not written.
            Err(error) if self.remote.is_some() => {
                Ok(PublishOutcome::Done(said, Some(error.to_string())))
            }
            Err(Error::LostRace { .. }) => Ok(PublishOutcome::LostRace),
            Err(error) => Err(error.into()),
        }
    }

    /// Syncs after a push without an answer, and waits for an unavailable remote.
    fn sync_with_retries(&self, remote: &str) -> Result<SyncResult, SyncError> {
        for tries in 0..self.options.unanswered_retries {
            match sync(self.repository, remote) {
                Err(SyncError::Fetch { .. }) => std::thread::sleep(Duration::from_secs(1 << tries)),
                result => return result,
            }
        }
        sync(self.repository, remote)
    }

    /// Checks whether a ledger whose tip the entry must have seen has moved: for a policy entry any
    /// environment's, otherwise the policy's. That is a lost race too, although the entry's own
    /// ledger has not moved.
    fn is_overtaken(&self, remote: &str, ledger: &LedgerName, tips: &Tips) -> bool {
        let Ok(synced) = sync(self.repository, remote) else {
            return false;
        };
        let binds = |other: &LedgerName| {
            if ledger.is_policy() {
                other.is_environment()
            } else {
                other.is_policy()
            }
        };
        synced
            .tips
            .iter()
            .any(|(other, tip)| binds(other) && tips.get(other) != Some(tip))
    }

    /// Updates the notes. A server with our hooks has done it already; otherwise the client does.
    /// Returns the error as text: the entry is written anyway, and the next writer catches up.
    fn update_notes(&self, ledger: &LedgerName, id: EntryId) -> Option<String> {
        let told = match self.remote {
            None => {
                let caught_up = self
                    .repository
                    .tips()
                    .and_then(|tips| self.repository.update_notes(&tips));
                caught_up.map(drop).map_err(SyncError::from)
            }
            Some(remote) => sync_notes(self.repository, remote, ledger, id),
        };
        told.err().map(|error| error.to_string())
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
    let [one, two] = clock::random::<2>()?;
    let ceiling = 20u64 << attempt.min(5);
    let millis = u64::from(u16::from_le_bytes([one, two])) % ceiling;
    std::thread::sleep(Duration::from_millis(10 + millis));
    Ok(())
}

#[cfg(test)]
mod tests;
