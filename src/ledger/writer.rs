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

pub use error::{AppendError, Refusal, Stopped};
use unconfirmed::{Unended, given_up};

use super::entry_validator::{Head, Judge};
use super::facts::Gatherer;
use super::sync::{SyncError, Synced, pushed, sync, sync_notes};
use super::{Project, StateReader, Tips, commit_bytes, genesis_bytes};
use crate::clock;
use crate::domain::entry::{Action, Entry, Statement, Unverified, Verified};
use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::{EnvName, LedgerName, Person};
use crate::domain::policy::Policy;
use crate::domain::rules::{Request, counting, evaluate, reads};
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
const UNENDED: usize = 3;

/// What a caller wants to write. It is made from the current state, again for each try.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The action.
    pub action: Action,
    /// The environment, in the ledger of a pattern.
    pub environment: Option<EnvName>,
    /// The person on whose behalf the entry is written.
    pub requested_by: Option<Person>,
    /// The `deploy.toml` of a publish.
    pub policy_text: Option<Arc<[u8]>>,
}

impl From<Action> for Draft {
    fn from(action: Action) -> Self {
        Self {
            action,
            environment: None,
            requested_by: None,
            policy_text: None,
        }
    }
}

/// The current state of the ledgers, from which a caller makes its draft.
pub struct View<'a> {
    /// The repository.
    pub repository: &'a Repository,
    /// The tips of all ledgers.
    pub tips: &'a Tips,
    /// The policy in force; `None` before the first was published.
    pub policy: Option<&'a Policy>,
    /// The end of the ledger to write to.
    pub head: &'a Head,
    /// Provides contents and facts.
    pub gatherer: &'a Gatherer<'a>,
}

impl View<'_> {
    /// Loads the state of the ledger to write to, for making a draft. The decision uses a stricter
    /// reader.
    pub fn state(&self, ledger: &LedgerName, scope: &Scope) -> Result<State, Error> {
        StateReader::to_show(self.repository).load(self.head.tree, ledger, scope)
    }
}

/// An entry that was written.
#[derive(Debug)]
pub struct Appended {
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
    pub behind: Option<String>,
    /// Why the notes do not contain it yet. The next sync adds it.
    pub untold: Option<String>,
    /// Whether this was a dry run: nothing was signed or written.
    pub dry_run: bool,
}

/// Writes entries for one person in one repository.
pub struct Writer<'a> {
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
    pub manner: Manner,
    /// Whether the caller has just synced: then only later tries do.
    pub synced: bool,
}

/// Options for writing an entry.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner {
    /// Stop before signing, and write nothing. The decision is the real one, so it includes a
    /// fetch.
    pub dry_run: bool,
    /// Push even what the rules refuse here, and let the server decide: for a clone without enough
    /// history to tell. Has no effect without a remote.
    pub no_verify: bool,
    /// Assume that the server's owner has armed a recovery for the signer's key. The server decides
    /// whether that is so.
    pub recover: bool,
    /// How often to ask an unavailable remote again after a push without an answer, pausing 1, 2,
    /// 4, … seconds: for unattended runners. Later it would no longer be clear that an entry found
    /// there is this one.
    pub patience: u32,
}

/// The outcome of one try.
enum Try {
    Done(Box<Appended>),
    LostRace,
    /// The push was not confirmed, and the entry is not there.
    Unended(Box<Unended>),
}

/// The outcome of publishing an entry.
enum Published {
    /// It is in the ledger: the remote's messages, and why this clone is behind, if it is.
    Done(Vec<String>, Option<String>),
    LostRace,
    /// Git's messages, and whether the remote certainly received the push.
    Unended(Vec<String>, bool),
}

impl Writer<'_> {
    /// Writes one entry to `ledger`: makes a draft, evaluates the rules, signs and publishes it.
    /// Retries after a lost race.
    ///
    /// # Errors
    /// [`Stopped::Draft`] if `draft` fails, [`Stopped::Append`] if the entry is refused or cannot
    /// be published.
    pub fn append<E>(
        &self,
        ledger: &LedgerName,
        draft: &dyn Fn(&View<'_>) -> Result<Draft, E>,
    ) -> Result<Appended, Stopped<E>> {
        let mut unended: Vec<Unended> = Vec::new();
        for attempt in 0..TRIES {
            if let Some(remote) = self.remote.filter(|_| attempt > 0 || !self.synced)
                && let Some(appended) = self.look_again(remote, ledger, &mut unended)?
            {
                return Ok(appended);
            }
            match self.attempt(ledger, draft)? {
                Try::Done(appended) => return Ok(*appended),
                Try::LostRace => {}
                // A connection may break once; repeated failures are no race.
                Try::Unended(one) => {
                    unended.push(*one);
                    if unended.len() == UNENDED {
                        return Err(given_up(unended).into());
                    }
                }
            }
            pause(attempt)?;
        }
        Err(if unended.is_empty() {
            AppendError::Busy
        } else {
            given_up(unended)
        }
        .into())
    }

    /// Evaluates the rules for an entry on the ledgers as of the last fetch. Signs and writes
    /// nothing.
    pub fn ask<E>(
        &self,
        ledger: &LedgerName,
        draft: &dyn Fn(&View<'_>) -> Result<Draft, E>,
    ) -> Result<(Statement, Verdict), Stopped<E>> {
        self.with_view(ledger, &|view| {
            let draft = draft(view).map_err(Stopped::Draft)?;
            Ok(self.decide(ledger, view, &draft)?)
        })
    }

    /// Calls `then` with the current state of the ledgers.
    fn with_view<E, T>(
        &self,
        ledger: &LedgerName,
        then: &dyn Fn(&View<'_>) -> Result<T, Stopped<E>>,
    ) -> Result<T, Stopped<E>> {
        let tips = self.repository.tips()?;
        let gatherer = Gatherer::new(self.repository, self.project).with_remote(self.remote);
        let judge = Judge::new(self.repository, gatherer, None);
        let head = judge.head(ledger, tips.get(ledger).copied())?;
        let policy = match tips.get(&LedgerName::policy()) {
            Some(tip) => judge.gatherer.policy_at(*tip)?,
            None => None,
        };
        then(&View {
            repository: self.repository,
            tips: &tips,
            policy: policy.as_deref(),
            head: &head,
            gatherer: &judge.gatherer,
        })
    }

    /// Makes one try to write the entry.
    fn attempt<E>(
        &self,
        ledger: &LedgerName,
        draft: &dyn Fn(&View<'_>) -> Result<Draft, E>,
    ) -> Result<Try, Stopped<E>> {
        self.with_view(ledger, &|view| self.attempt_on(ledger, view, draft))
    }

    /// Makes one try to write the entry, on a given state of the ledgers.
    fn attempt_on<E>(
        &self,
        ledger: &LedgerName,
        view: &View<'_>,
        draft: &dyn Fn(&View<'_>) -> Result<Draft, E>,
    ) -> Result<Try, Stopped<E>> {
        let (tips, head) = (view.tips, view.head);
        let draft = draft(view).map_err(Stopped::Draft)?;
        let (statement, verdict) = self.decide(ledger, view, &draft)?;
        let left_to_the_server = self.manner.no_verify && self.remote.is_some();
        if !(verdict.allowed() || left_to_the_server) {
            return Err(AppendError::Refused(Box::new(Refusal { statement, verdict })).into());
        }
        let Some(signer) = self.signer.filter(|_| !self.manner.dry_run) else {
            let id = head.chain.tip;
            let appended = Appended {
                id,
                statement,
                verdict,
                messages: Vec::new(),
                behind: None,
                untold: None,
                dry_run: true,
            };
            return Ok(Try::Done(Box::new(appended)));
        };
        let entry = sign(signer, &statement)?;
        let id = self.build(ledger, head, &entry, draft.policy_text.as_ref())?;
        match self.publish(ledger, tips, id)? {
            Published::Done(messages, behind) => {
                let untold = self.project_notes(ledger, id).filter(|_| behind.is_none());
                Ok(Try::Done(Box::new(Appended {
                    id,
                    statement,
                    verdict,
                    messages,
                    behind,
                    untold,
                    dry_run: false,
                })))
            }
            Published::LostRace => Ok(Try::LostRace),
            Published::Unended(messages, sent) => Ok(Try::Unended(Box::new(Unended {
                id,
                statement,
                verdict,
                messages,
                sent,
            }))),
        }
    }

    /// Completes the statement and evaluates the rules.
    fn decide(
        &self,
        ledger: &LedgerName,
        view: &View<'_>,
        draft: &Draft,
    ) -> Result<(Statement, Verdict), AppendError> {
        let chain = &view.head.chain;
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
        let mut wanted = reads(policy, &statement);
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
            .load(view.head.tree, ledger, &Scope::for_statement(&statement))
            .map_err(|error| error.to_string());
        let key: Option<PublicKey> = self.signer.map(Signer::public_key);
        let request = Request::Entry {
            statement: &statement,
            key: key.as_ref(),
            policy_text: draft.policy_text.as_deref(),
        };
        let mut facts = view
            .gatherer
            .facts(policy, &request, &others, Some(chain.clone()), state);
        facts.recovery = key.filter(|_| self.manner.recover);
        let counted = counting(policy, &request, &facts, statement.at);
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
    fn build(
        &self,
        ledger: &LedgerName,
        head: &Head,
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
        repository.together(|| {
            let tree = repository.write_folded(head.tree, entry, &edits)?;
            repository
                .write_commit(&commit_bytes(
                    entry.statement(),
                    tree,
                    &head.chain.project_name,
                ))
                .map(EntryId)
        })
    }

    /// Moves the ref: first the remote's, if there is one.
    fn publish(
        &self,
        ledger: &LedgerName,
        tips: &Tips,
        new: EntryId,
    ) -> Result<Published, AppendError> {
        let (name, old) = (ledger.reference(), tips.get(ledger).copied());
        let mut said = Vec::new();
        if let Some(remote) = self.remote {
            match self
                .repository
                .push_one(remote, new.0, &name, old.map(|old| old.0))?
            {
                PushOutcome::Accepted { messages } => said = messages,
                PushOutcome::LostRace { .. } => return Ok(Published::LostRace),
                PushOutcome::Rejected { .. } if self.overtaken(remote, ledger, tips) => {
                    return Ok(Published::LostRace);
                }
                PushOutcome::Rejected {
                    messages,
                    doubt: false,
                } => return Err(AppendError::Rejected(messages)),
                PushOutcome::Rejected {
                    messages,
                    doubt: true,
                } => return Err(AppendError::Doubted(messages)),
                PushOutcome::Unknown { messages, sent } => {
                    // Our own entry may be there already, and others may follow it.
                    let synced = self
                        .asked_again(remote)
                        .map_err(|_| AppendError::Unanswered(messages.clone()))?;
                    let there = match synced.tips.get(ledger) {
                        Some(tip) => self.repository.on_chain(*tip, new, usize::MAX)?,
                        None => false,
                    };
                    return Ok(if there {
                        Published::Done(messages, None)
                    } else {
                        Published::Unended(messages, sent)
                    });
                }
            }
        }
        let incoming = self
            .remote
            .map_or(Ok(()), |_| pushed(self.repository, ledger, new));
        let moved = incoming.and_then(|()| {
            self.repository
                .advance_ledger(ledger, old, new, "git-deploy: append")
        });
        match moved {
            Ok(()) => Ok(Published::Done(said, None)),
            // The remote has it: a concurrent fetch has moved the local ref there or further.
            Err(Error::LostRace { .. }) if self.remote.is_some() => Ok(Published::Done(said, None)),
            // The remote has it, whatever failed here, so it must not be reported as not written.
            Err(error) if self.remote.is_some() => {
                Ok(Published::Done(said, Some(error.to_string())))
            }
            Err(Error::LostRace { .. }) => Ok(Published::LostRace),
            Err(error) => Err(error.into()),
        }
    }

    /// Syncs after a push without an answer, and waits for an unavailable remote.
    fn asked_again(&self, remote: &str) -> Result<Synced, SyncError> {
        for tries in 0..self.manner.patience {
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
    fn overtaken(&self, remote: &str, ledger: &LedgerName, tips: &Tips) -> bool {
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
    fn project_notes(&self, ledger: &LedgerName, id: EntryId) -> Option<String> {
        let told = match self.remote {
            None => {
                let caught_up = self
                    .repository
                    .tips()
                    .and_then(|tips| self.repository.catch_up_notes(&tips));
                caught_up.map(drop).map_err(SyncError::from)
            }
            Some(remote) => sync_notes(self.repository, remote, ledger, id),
        };
        told.err().map(|error| error.to_string())
    }
}

/// Signs a statement, and verifies the result.
fn sign(signer: &Signer, statement: &Statement) -> Result<Entry<Verified>, AppendError> {
    let bytes = statement.print()?;
    let signature = signer.sign(&bytes, &statement.trusted_comment())?;
    let entry = Entry::<Unverified>::parse(&bytes, &signature)?;
    Ok(verify_entry(entry, [&signer.public_key()])?)
}

/// Waits for a short random time, so that writers who lost the same race do not collide again.
fn pause(attempt: u32) -> Result<(), clock::RandomError> {
    let [one, two] = clock::random::<2>()?;
    let ceiling = 20u64 << attempt.min(5);
    let millis = u64::from(u16::from_le_bytes([one, two])) % ceiling;
    std::thread::sleep(Duration::from_millis(10 + millis));
    Ok(())
}

#[cfg(test)]
mod tests;
