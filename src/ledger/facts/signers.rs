//! Facts about keys: which one signed each entry that may count. A key that the policy no longer
//! lists at all is treated as stolen.

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
                let is_for_policy = |stored: &&Arc<StoredEntry>| match &stored.statement.action {
                    Action::PolicyApprove(it) => it.digest == publish.digest,
                    _ => false,
                };
                state.policy_approvals().filter(is_for_policy).collect()
            }
            _ => {
                let all = plan.environment_state(state).approvals();
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
        let ids = self.locate_entries(&ledger, &wanted, facts);
        let mut signers = Vec::new();
        for (sequence, stored) in wanted {
            let key = match &ids {
                Ok(ids) => self
                    .read_approval_signer(policy, &ledger, ids.get(&sequence), stored)
                    .map_err(|error| describe_error(&error)),
                Err(error) => Err(describe_error(error)),
            };
            signers.push(((ledger.clone(), sequence), key));
        }
        facts.signers.extend(signers);
    }

    /// Returns the ids of the ledger commits with these sequence numbers.
    fn locate_entries(
        &self,
        ledger: &LedgerName,
        wanted: &BTreeMap<u64, &Arc<StoredEntry>>,
        facts: &Facts,
    ) -> Result<BTreeMap<u64, EntryId>> {
        // A branch or tag has no ledger of its own: its environment's ledger counts.
        let environment_chain = || {
            self.chain(ledger, facts.tips.get(ledger).copied())
                .map(|(chain, _)| chain)
        };
        let chain = facts.chain.clone().map_or_else(environment_chain, Ok)?;
        let mut sequence = chain.sequence;
        let mut ids = BTreeMap::new();
        for walked in self.history.walk(chain.tip) {
            if ids.len() == wanted.len() {
                break;
            }
            let walked = walked?;
            if wanted.contains_key(&sequence) {
                ids.insert(sequence, walked.id);
            }
            sequence = sequence.saturating_sub(1);
        }
        Ok(ids)
    }

    fn read_approval_signer(
        &self,
        policy: &Policy,
        ledger: &LedgerName,
        id: Option<&EntryId>,
        stored: &StoredEntry,
    ) -> Result<PublicKey> {
        let corrupt = || {
            Error::corrupt(
                format!("the state of the ledger {ledger}"),
                "an approval in it is not in its log",
            )
        };
        let id = *id.ok_or_else(corrupt)?;
        // The state stores only a copy of the entry. The signature is in the entry's ledger commit.
        if self.history.entry(ledger, id)?.bytes == stored.bytes {
            self.read_signer(policy, ledger, id)
        } else {
            Err(corrupt())
        }
    }

    /// Returns the key that signed an entry. It is listed in `policy`, or was listed in the policy
    /// that the entry has seen.
    fn read_signer(&self, policy: &Policy, ledger: &LedgerName, id: EntryId) -> Result<PublicKey> {
        let cache = &self.repository.ledger_cache().signers;
        if let Some(known) = cache.get(&id) {
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
            let seen_policy = match entry.statement().seen.get(&LedgerName::policy()) {
                _ if ledger.is_policy() => self.policy_at(previous)?,
                Some(tip) => self.policy_at(*tip)?,
                None => None,
            };
            let candidates = seen_policy.map_or_else(
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

    /// Caches the key that signed an entry. It must have been verified against the keys that were
    /// listed when the entry was made.
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
