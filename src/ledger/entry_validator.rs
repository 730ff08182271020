//! Validates one entry: its position, signature, rules, state tree and message.
//!
//! Server hooks, clients that fetch, and audits all use this, one entry after the other along a
//! chain. Everything that can be computed is computed and compared; only the entry and its
//! signature are inputs.

mod pending_entry;

use std::sync::Arc;

use pending_entry::PendingEntry;

use super::entry_files::POLICY_FILE;
use super::facts::FactGatherer;
pub use super::validation_types::{ChainTip, PushContext, ValidatedEntry, ValidationContext};
use super::{LedgerCommit, StateReader, entry_commit_bytes};
use crate::domain::entry::{Action, Entry, Statement, Unverified, Verified};
use crate::domain::id::{Digest, EntryId, PublicKey};
use crate::domain::name::LedgerName;
use crate::domain::policy::{MAX_BYTES, Policy, PublishedPolicy};
use crate::domain::rules::Fact;
use crate::domain::state::{Edit, Scope, fold};
use crate::domain::verdict::{Check, Rule};
use crate::git::commit::Commit;
use crate::git::error::Result;
use crate::git::repo::Repository;
use crate::signing::verify_entry;

/// Validates the entries of one project.
pub struct EntryValidator<'a> {
    repository: &'a Repository,
    /// Provides facts, policies and contents.
    pub gatherer: FactGatherer<'a>,
    states: StateReader<'a>,
    recovery: Option<PublicKey>,
}

impl<'a> EntryValidator<'a> {
    /// Creates a validator for the project's entries.
    ///
    /// `recovery` is the key that a server's owner has armed for the next publish. For past entries
    /// the owner's configuration is read when needed.
    pub fn new(
        repository: &'a Repository,
        gatherer: FactGatherer<'a>,
        recovery: Option<PublicKey>,
    ) -> Self {
        Self {
            repository,
            gatherer,
            states: StateReader::new(repository),
            recovery,
        }
    }

    /// Returns the end of a ledger whose tip is `tip`. If `tip` is `None`, the ledger does not exist
    /// yet, and its computed genesis is the end.
    pub fn load_tip(&self, ledger: &LedgerName, tip: Option<EntryId>) -> Result<ChainTip> {
        self.gatherer.load_tip(ledger, tip)
    }

    /// Validates the entry in the commit `id`, which should follow `tip`.
    pub fn validate(
        &self,
        ledger: &LedgerName,
        tip: &ChainTip,
        id: EntryId,
        context: ValidationContext<'_>,
    ) -> ValidatedEntry {
        self.validate_commit(
            ledger,
            tip,
            id,
            self.repository.read_ledger_commit(ledger, id),
            context,
        )
    }

    /// Validates an entry like [`EntryValidator::validate`], but from a commit that was already read.
    pub fn validate_commit(
        &self,
        ledger: &LedgerName,
        tip: &ChainTip,
        id: EntryId,
        commit: Result<LedgerCommit>,
        context: ValidationContext<'_>,
    ) -> ValidatedEntry {
        let (commit, unverified) = match commit {
            Ok(LedgerCommit::Entry { commit, entry, .. }) => (commit, entry),
            Ok(LedgerCommit::Genesis) => {
                let why = "it has no parent, so it is not an entry of this ledger";
                return ValidatedEntry::with_failed_check(Check::fail(Rule::Chain, why));
            }
            Err(error) => {
                return ValidatedEntry::with_failed_check(error.to_check(Rule::Chain));
            }
        };
        let stored = Arc::clone(unverified.stored());
        let pending = match self.prepare(ledger, tip, id, &commit, unverified, context) {
            Ok(pending) => pending,
            Err(check) => {
                return ValidatedEntry {
                    stored: Some(stored),
                    ..ValidatedEntry::with_failed_check(*check)
                };
            }
        };
        let (verdict, facts) = pending.evaluate(&self.gatherer, context);
        let next_tip = verdict
            .is_allowed()
            .then(|| tip.at_entry(id, commit.tree, &stored.statement));
        ValidatedEntry {
            stored: Some(stored),
            next_tip,
            facts,
            verdict,
            entry: Some(pending.entry),
        }
    }

    /// Verifies the signature of an entry, loads the state before it, and compares its commit with
    /// the computed one.
    ///
    /// # Errors
    /// Fails if the rules cannot be evaluated, returns the check that failed or that has no answer.
    fn prepare<'e>(
        &self,
        ledger: &'e LedgerName,
        tip: &'e ChainTip,
        id: EntryId,
        commit: &Commit,
        unverified: Entry<Unverified>,
        context: ValidationContext<'_>,
    ) -> std::result::Result<PendingEntry<'e>, Box<Check>> {
        let recovery = match context {
            ValidationContext::Push(_) => self.recovery,
            ValidationContext::History(_) => self
                .repository
                .find_confirmed_recovery_key(ledger, id)
                .map_err(|error| Box::new(error.to_check(Rule::Authorization)))?,
        };
        let entry = self.verify_signature(ledger, tip, unverified, recovery)?;
        let statement = entry.statement();
        let published = self
            .read_policy_text(commit, &entry)?
            .map(|text| PublishedPolicy::new(text, &tip.chain.root_keys));
        let scope = self.select_scope(ledger, tip, statement, context);
        let state = self
            .states
            .load(tip.tree, ledger, &scope)
            .map_err(|error| Box::new(error.to_check(Rule::State)))?;
        let edits = fold(&state, &entry, published.as_ref());
        let stored_as_computed = self
            .compare_commit(tip, commit, &entry, &edits)
            .map_err(|error| Box::new(error.to_check(Rule::Chain)))?;
        Ok(PendingEntry {
            ledger,
            tip,
            entry,
            published,
            state,
            stored_as_computed,
            recovery,
        })
    }

    /// Returns the part of the state that fold and the rules need, under each policy that the rules
    /// are evaluated with. A policy that cannot be read adds nothing: the rules then cannot be
    /// evaluated with it.
    fn select_scope(
        &self,
        ledger: &LedgerName,
        tip: &ChainTip,
        statement: &Statement,
        context: ValidationContext<'_>,
    ) -> Scope {
        let at_entry = self.policy_at_entry(ledger, tip, statement);
        let in_force = match context {
            ValidationContext::Push(present) => present
                .tips
                .get(&LedgerName::policy())
                .map_or(Ok(None), |tip| self.gatherer.policy_at(*tip)),
            ValidationContext::History(_) => Ok(None),
        };
        let policies = [at_entry, in_force].into_iter().filter_map(Result::ok);
        policies
            .flatten()
            .fold(Scope::for_statement(statement), |scope, policy| {
                scope.with_former_names(&policy)
            })
    }

    /// Verifies the signature with the key that the entry names. The key must be a current or retired
    /// key in the policy that the entry names as seen. The rule `authorization` decides whether that
    /// person may write the entry.
    fn verify_signature(
        &self,
        ledger: &LedgerName,
        tip: &ChainTip,
        entry: Entry<Unverified>,
        recovery: Option<PublicKey>,
    ) -> std::result::Result<Entry<Verified>, Box<Check>> {
        let mut keys: Vec<PublicKey> = Vec::new();
        let policy = self
            .policy_at_entry(ledger, tip, entry.statement())
            .map_err(|error| Box::new(error.to_check(Rule::Authorization)))?;
        match policy {
            Some(policy) => keys.extend(list_all_keys(&policy)),
            None => keys.extend(&tip.chain.root_keys),
        }
        keys.extend(recovery);
        let by = entry.statement().by.clone();
        verify_entry(entry, &keys)
            .map_err(|error| Box::new(Check::fail(Rule::Authorization, format!("{by}: {error}"))))
    }

    /// Returns the policy in force when the entry was made, according to the entry; `None` before
    /// the first was published.
    fn policy_at_entry(
        &self,
        ledger: &LedgerName,
        tip: &ChainTip,
        statement: &Statement,
    ) -> Result<Option<Arc<Policy>>> {
        if ledger.is_policy() {
            return self.gatherer.policy_at(tip.chain.tip);
        }
        match statement.seen.get(&LedgerName::policy()) {
            Some(policy) => self.gatherer.policy_at(*policy),
            None => Ok(None),
        }
    }

    /// Reads the `deploy.toml` that a publish adds, and checks it against the signed digest.
    fn read_policy_text(
        &self,
        commit: &Commit,
        entry: &Entry<Verified>,
    ) -> std::result::Result<Option<Arc<[u8]>>, Box<Check>> {
        let Action::Publish(publish) = &entry.statement().action else {
            return Ok(None);
        };
        let text = self
            .repository
            .read_file_at(commit.tree, POLICY_FILE, MAX_BYTES);
        let text = text.map_err(|error| Box::new(error.to_check(Rule::Chain)))?;
        match text {
            Some(text) if Digest::sha256(&text) == publish.digest => Ok(Some(text.into())),
            _ => Err(Box::new(Check::fail(
                Rule::Chain,
                "its tree does not contain the deploy.toml whose digest it names",
            ))),
        }
    }

    /// Checks whether the commit is, byte for byte, the one computed from the chain, the entry and
    /// its signature. The inner error says what differs.
    fn compare_commit(
        &self,
        tip: &ChainTip,
        commit: &Commit,
        entry: &Entry<Verified>,
        edits: &[Edit],
    ) -> Result<Fact<()>> {
        let (tree, computed) = self.repository.compute_tree_after(tip.tree, entry, edits)?;
        if tree != commit.tree {
            return Ok(Err(
                "its tree is not the one computed from the entry".to_owned()
            ));
        }
        // The next entry starts from these folders.
        self.repository.cache_folders(computed)?;
        if entry_commit_bytes(entry.statement(), tree, &tip.chain.project_name) != commit.raw {
            return Ok(Err(
                "its parents, people, time or message are not those of the entry".to_owned(),
            ));
        }
        Ok(Ok(()))
    }
}

/// Returns all keys of a policy, including retired ones.
fn list_all_keys(policy: &Policy) -> impl Iterator<Item = PublicKey> {
    policy
        .people
        .values()
        .flat_map(|person| std::iter::once(person.key).chain(person.retired.iter().copied()))
}
