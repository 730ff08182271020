//! Which key signed the entries whose word may count: a key that the policy no longer lists at all is a stolen one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::needs::{Ask, Need};
use super::{Gatherer, words};
use crate::domain::entry::{Action, Kept};
use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::LedgerName;
use crate::domain::policy::Policy;
use crate::domain::rules::{Facts, Known, Request};
use crate::git::error::{Error, Result};
use crate::ledger::LedgerCommit;
use crate::signing::verify_entry;

impl Gatherer<'_> {
    /// The signers of the approvals in the request's state that are of its commits or its policy.
    pub(super) fn approvers(
        &self,
        policy: &Policy,
        ask: &Ask<'_>,
        request: &Request<'_>,
        facts: &mut Facts,
    ) {
        let Some(Ok(state)) = &facts.state else {
            return;
        };
        let kept: Vec<&Arc<Kept>> = match request {
            Request::Entry { statement, .. } if statement.ledger.is_policy() => {
                let Action::Publish(publish) = &statement.action else {
                    return;
                };
                let of_it = |kept: &&Arc<Kept>| match &kept.statement.action {
                    Action::PolicyApprove(it) => it.digest == publish.digest,
                    _ => false,
                };
                state.policy_approvals().filter(of_it).collect()
            }
            _ if ask.needs(Need::Approvals) => {
                let all = ask.here(state).approvals();
                all.filter(|(commit, ..)| ask.subjects.contains(commit))
                    .map(|(.., kept)| kept)
                    .collect()
            }
            _ => return,
        };
        let Some(ledger) = kept.first().map(|kept| kept.statement.ledger.clone()) else {
            return;
        };
        let wanted: BTreeMap<u64, &Arc<Kept>> = kept
            .into_iter()
            .map(|kept| (kept.statement.sequence, kept))
            .collect();
        let places = self.places(&ledger, &wanted, facts);
        let mut found = Vec::new();
        for (sequence, kept) in wanted {
            let key = match &places {
                Ok(places) => self
                    .approver(policy, &ledger, places.get(&sequence), kept)
                    .map_err(|error| words(&error)),
                Err(error) => Err(words(error)),
            };
            found.push(((ledger.clone(), sequence), key));
        }
        facts.signers.extend(found);
    }

    /// The ledger commits that have these sequences.
    fn places(
        &self,
        ledger: &LedgerName,
        wanted: &BTreeMap<u64, &Arc<Kept>>,
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

    fn approver(
        &self,
        policy: &Policy,
        ledger: &LedgerName,
        id: Option<&EntryId>,
        kept: &Kept,
    ) -> Result<PublicKey> {
        let other = || {
            Error::corrupt(
                format!("the state of the ledger {ledger}"),
                "an approval in it is not in its log",
            )
        };
        let id = *id.ok_or_else(other)?;
        // The state is a copy; the signature stands with the original.
        if self.history.entry(ledger, id)?.bytes == kept.bytes {
            self.signer(policy, ledger, id)
        } else {
            Err(other())
        }
    }

    /// The key that signed an entry: one that the policy lists, or that the policy listed under which it was made.
    fn signer(&self, policy: &Policy, ledger: &LedgerName, id: EntryId) -> Result<PublicKey> {
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
        let verified = verify_entry(entry.clone(), &keys(policy)).or_else(|_| {
            let then = match entry.statement().seen.get(&LedgerName::policy()) {
                _ if ledger.is_policy() => self.policy_at(previous)?,
                Some(tip) => self.policy_at(*tip)?,
                None => None,
            };
            let candidates =
                then.map_or_else(|| self.project.root_keys.clone(), |policy| keys(&policy));
            let verified = verify_entry(entry, &candidates);
            verified.map_err(|error| Error::corrupt(format!("the entry {id}"), error.to_string()))
        });
        let key = *verified?.key();
        self.remember_signer(id, key);
        Ok(key)
    }

    /// Remembers who signed an entry, as verified by a key that was listed when it was made.
    pub(in crate::ledger) fn remember_signer(&self, id: EntryId, key: PublicKey) {
        self.repository.ledger_cache().signers.insert(id, key, 150);
    }

    /// The signers of entries of `evidence`.
    pub(super) fn vouchers(
        &self,
        policy: &Policy,
        entries: &[(EntryId, Arc<Kept>)],
        facts: &mut Facts,
    ) {
        for (id, kept) in entries {
            if let Action::Attestation(_) | Action::Artifact(_) = &kept.statement.action {
                let key: Known<PublicKey> = self
                    .signer(policy, &kept.statement.ledger, *id)
                    .map_err(|error| words(&error));
                facts.signers.insert(
                    (kept.statement.ledger.clone(), kept.statement.sequence),
                    key,
                );
            }
        }
    }
}

/// All keys of a policy, retired ones too.
fn keys(policy: &Policy) -> Vec<PublicKey> {
    policy
        .people
        .values()
        .flat_map(|person| std::iter::once(person.key).chain(person.retired.iter().copied()))
        .collect()
}
