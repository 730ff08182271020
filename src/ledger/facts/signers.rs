//! Facts about keys: which one signed each entry that may count. A key that the policy no longer lists at all is treated as stolen.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::needs::FactPlan;
use super::{FactGatherer, describe_error};
use crate::domain::entry::{Action, StoredEntry};
use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::LedgerName;
use crate::domain::policy::Policy;
use crate::domain::rules::{Fact, FactNeed, Facts, Request};
use crate::git::error::{Error, Result};
use crate::ledger::LedgerCommit;
use crate::signing::verify_entry;

impl FactGatherer<'_> {
    /// Gathers the keys that signed the approvals of the request's commits, or of its policy.
    pub(super) fn gather_approval_signers(
        &self,
        policy: &Policy,
        plan: &FactPlan<'_>,
        request: &Request<'_>,
        facts: &mut Facts,
    ) {
        let Some(Ok(state)) = &facts.state else {
            return;
        };
        if !plan.needs(&FactNeed::ApprovalSigners) {
            return;
        }
        let stored: Vec<&Arc<StoredEntry>> = match request {
            Request::Entry { statement, .. } if statement.ledger.is_policy() => {
                let Action::Publish(publish) = &statement.action else {
                    return;
                };
                let of_it = |stored: &&Arc<StoredEntry>| match &stored.statement.action {
                    Action::PolicyApprove(it) => it.digest == publish.digest,
                    _ => false,
                };
                state.policy_approvals().filter(of_it).collect()
            }
            _ => {
                let all = plan.here(state).approvals();
                all.filter(|(commit, ..)| plan.subjects.contains(commit))
                    .map(|(.., stored)| stored)
                    .collect()
            }
        };
        let Some(ledger) = stored.first().map(|stored| stored.statement.ledger.clone()) else {
            return;
        };
        let wanted: BTreeMap<u64, &Arc<StoredEntry>> = stored
            .into_iter()
            .map(|stored| (stored.statement.sequence, stored))
            .collect();
        let places = self.locate_entries(&ledger, &wanted, facts);
        let mut found = Vec::new();
        for (sequence, stored) in wanted {
            let key = match &places {
                Ok(places) => self
                    .read_approval_signer(policy, &ledger, places.get(&sequence), stored)
                    .map_err(|error| describe_error(&error)),
                Err(error) => Err(describe_error(error)),
            };
            found.push(((ledger.clone(), sequence), key));
        }
        facts.signers.extend(found);
    }

    /// Returns the ledger commits that have these sequences.
    fn locate_entries(
        &self,
        ledger: &LedgerName,
        wanted: &BTreeMap<u64, &Arc<StoredEntry>>,
        facts: &Facts,
    ) -> Result<BTreeMap<u64, EntryId>> {
        // A branch or a tag meets the state of its environment's ledger.
        let other = || {
            self.chain(ledger, facts.tips.get(ledger).copied())
                .map(|(chain, _)| chain)
        };
        let chain = facts.chain.clone().map_or_else(other, Ok)?;
        let mut sequence = chain.sequence;
        let mut found = BTreeMap::new();
        for passed in self.history.walk(chain.tip) {
            if found.len() == wanted.len() {
                break;
            }
            let passed = passed?;
            if wanted.contains_key(&sequence) {
                found.insert(sequence, passed.id);
            }
            sequence = sequence.saturating_sub(1);
        }
        Ok(found)
    }

    fn read_approval_signer(
        &self,
        policy: &Policy,
        ledger: &LedgerName,
        id: Option<&EntryId>,
        stored: &StoredEntry,
    ) -> Result<PublicKey> {
        let other = || {
            Error::corrupt(
                format!("the state of the ledger {ledger}"),
                "an approval in it is not in its log",
            )
        };
        let id = *id.ok_or_else(other)?;
        // The state is a copy; the signature stands with the original.
        if self.history.entry(ledger, id)?.bytes == stored.bytes {
            self.read_signer(policy, ledger, id)
        } else {
            Err(other())
        }
    }

    /// Returns the key that signed an entry: one that the policy lists, or that the policy at the
    /// time listed.
    fn read_signer(&self, policy: &Policy, ledger: &LedgerName, id: EntryId) -> Result<PublicKey> {
        let memory = &self.repository.ledger_cache().signers;
        if let Some(known) = memory.get(&id) {
            return Ok(known);
        }
        let LedgerCommit::Entry {
            entry, previous, ..
        } = self.repository.read_ledger_commit(ledger, id)?
        else {
            return Err(Error::corrupt(
                format!("the commit {id} of the ledger {ledger}"),
                "it carries no entry",
            ));
        };
        let verified = verify_entry(entry.clone(), &list_keys(policy)).or_else(|_| {
            let then = match entry.statement().seen.get(&LedgerName::policy()) {
                _ if ledger.is_policy() => self.policy_at(previous)?,
                Some(tip) => self.policy_at(*tip)?,
                None => None,
            };
            let candidates = then.map_or_else(
                || self.project.root_keys.clone(),
                |policy| list_keys(&policy),
            );
            let verified = verify_entry(entry, &candidates);
            verified.map_err(|error| Error::corrupt(format!("the entry {id}"), error.to_string()))
        });
        let key = *verified?.key();
        self.remember_signer(id, key);
        Ok(key)
    }

    /// Caches who signed an entry, verified by a key that was listed when the entry was made.
    pub(in crate::ledger) fn remember_signer(&self, id: EntryId, key: PublicKey) {
        self.repository.ledger_cache().signers.insert(id, key, 150);
    }

    /// Gathers the keys that signed entries of `evidence`.
    pub(super) fn gather_evidence_signers(
        &self,
        policy: &Policy,
        entries: &[(EntryId, Arc<StoredEntry>)],
        facts: &mut Facts,
    ) {
        for (id, stored) in entries {
            if stored.statement.action.info().vouches {
                let key: Fact<PublicKey> = self
                    .read_signer(policy, &stored.statement.ledger, *id)
                    .map_err(|error| describe_error(&error));
                facts.signers.insert(
                    (stored.statement.ledger.clone(), stored.statement.sequence),
                    key,
                );
            }
        }
    }
}

/// Returns all keys of a policy, including retired ones.
fn list_keys(policy: &Policy) -> Vec<PublicKey> {
    policy
        .people
        .values()
        .flat_map(|person| std::iter::once(person.key).chain(person.retired.iter().copied()))
        .collect()
}
