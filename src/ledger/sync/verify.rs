//! Verifies the remote's ledgers beyond what this clone has accepted.
//!
//! A ledger with an invalid entry is used up to the entry before it, and the others are verified
//! again without the rest. One bad ledger thus blocks only the entries that depend on it.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::{LedgerFault, LedgerProblem};
use crate::domain::entry::VersionTag;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::verdict::Decision;
use crate::git::error::Result;
use crate::git::repo::Repository;
use crate::ledger::chain::ChainMembership;
use crate::ledger::entry_validator::{EntryValidator, ValidatedEntry, ValidationContext};
use crate::ledger::facts::FactGatherer;
use crate::ledger::ledger_refs::LedgerRefs;
use crate::ledger::{Project, Tips};

/// A ledger that moved forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovedLedger {
    /// The ledger.
    pub ledger: LedgerName,
    /// Its previous tip.
    pub old: Option<EntryId>,
    /// Its new tip.
    pub new: EntryId,
    /// How many entries are new.
    pub entries: usize,
    /// The tags that the new entries name as the source of a version and that are missing or point
    /// elsewhere in this clone.
    pub missing_tags: BTreeSet<VersionTag>,
}

/// The remote's ledgers as far as they are trusted, and the problems found so far.
struct RemoteVerification<'a> {
    repository: &'a Repository,
    validator: EntryValidator<'a>,
    project: &'a Project,
    /// The tips that the remote has.
    incoming: &'a Tips,
    /// The tips up to which the remote's ledgers are trusted.
    trusted: Tips,
    problems: BTreeMap<LedgerName, LedgerFault>,
}

/// Verifies the remote's ledgers beyond `tips`, updates `tips`, calls `move_forward` for each
/// ledger that moves, and returns the problems.
///
/// An entry may depend only on valid entries of other ledgers. Otherwise a forged policy that is
/// itself refused could make another entry valid. After a failure, a ledger is therefore trusted
/// only up to the entry before it, and all ledgers are verified again.
pub(in crate::ledger) fn verify_remote_ledgers(
    repository: &Repository,
    project: &Project,
    tips: &mut Tips,
    refs: &LedgerRefs,
    mut move_forward: impl FnMut(MovedLedger) -> Result<()>,
) -> Result<Vec<LedgerProblem>> {
    let gatherer = FactGatherer::new(repository, project).with_stated_branches();
    let incoming = &refs.tips;
    let mut verification = RemoteVerification {
        repository,
        validator: EntryValidator::new(repository, gatherer, None),
        project,
        incoming,
        trusted: incoming.clone(),
        problems: BTreeMap::new(),
    };
    verification.check_chains(tips)?;
    let moves = loop {
        let moves = verification.verify_once(tips)?;
        if let Some(moves) = moves {
            break moves;
        }
    };
    // In a shallow clone, an undecided entry says nothing about the remote.
    if !verification.is_blocked_by_shallow_history()? {
        for moved in moves {
            tips.insert(moved.ledger.clone(), moved.new);
            move_forward(moved)?;
        }
    }
    // A broken ref is neither deleted nor at a known tip.
    let mut problems = verification.into_problems(tips);
    problems.retain(|problem| refs.broken.iter().all(|it| it.ledger != problem.ledger));
    problems.extend(LedgerProblem::of_broken_refs(refs.broken.clone(), tips));
    Ok(problems)
}

impl RemoteVerification<'_> {
    /// Finds the ledgers whose chains are not those of this project, or do not contain our tips.
    fn check_chains(&mut self, tips: &Tips) -> Result<()> {
        for (ledger, tip) in self.incoming {
            let own = tips.get(ledger).copied();
            if own == Some(*tip) {
                continue;
            }
            if let Some(fault) = self.check_chain(ledger, own, *tip)? {
                self.trusted.remove(ledger);
                self.problems.insert(ledger.clone(), fault);
            }
        }
        let deleted = tips.keys().filter(|it| !self.incoming.contains_key(*it));
        let deleted = deleted.map(|ledger| (ledger.clone(), LedgerFault::Deleted));
        self.problems.extend(deleted);
        Ok(())
    }

    /// Returns what is wrong with the chain that the remote has for a ledger.
    fn check_chain(
        &self,
        ledger: &LedgerName,
        own: Option<EntryId>,
        tip: EntryId,
    ) -> Result<Option<LedgerFault>> {
        let chain = match self.repository.chain_between(own, tip) {
            Ok(chain) => chain,
            Err(error) if error.is_malformed() || error.is_limit() => {
                return Ok(Some(LedgerFault::NotALedger {
                    why: error.to_string(),
                    is_undecided: !error.is_malformed(),
                }));
            }
            Err(error) => return Err(error),
        };
        let Some(chain) = chain else {
            return Ok(Some(LedgerFault::Rewound));
        };
        let genesis = self.project.genesis_id(self.repository, ledger)?;
        let is_foreign = own.is_none() && chain.first() != Some(&genesis);
        Ok(is_foreign.then(|| LedgerFault::NotALedger {
            why: "it does not begin with the genesis that this project has for it".to_owned(),
            is_undecided: false,
        }))
    }

    /// Verifies each trusted ledger once. Returns the moves if nothing is wrong, else `None`, and
    /// trusts less.
    fn verify_once(&mut self, tips: &Tips) -> Result<Option<Vec<MovedLedger>>> {
        let all_tips: Tips = tips
            .iter()
            .chain(&self.trusted)
            .map(|(name, tip)| (name.clone(), *tip))
            .collect();
        let chains = ChainMembership::new(self.repository, &all_tips);
        let mut accepted = Vec::new();
        let mut failures = Vec::new();
        // The policy comes first: nothing else can be validated without it.
        let policy = LedgerName::policy();
        let others = all_tips.keys().filter(|name| **name != policy);
        for ledger in std::iter::once(&policy).chain(others) {
            let (own, remote) = (tips.get(ledger).copied(), self.trusted.get(ledger).copied());
            let Some(new) = remote.filter(|_| remote != own) else {
                continue;
            };
            match self.verify_ledger(&chains, ledger, own, new)? {
                Ok(moved) => accepted.push(moved),
                Err(failure) => failures.push((ledger.clone(), failure)),
            }
        }
        if failures.is_empty() {
            return Ok(Some(accepted));
        }
        for (ledger, failure) in failures {
            let own = tips.get(&ledger).copied();
            if let LedgerFault::Dependent { on, named, .. } = &failure.fault
                && failure.is_signed
            {
                let lacked = *named;
                let named_by = ledger.clone();
                self.problems
                    .entry(on.clone())
                    .or_insert(LedgerFault::Incomplete { lacked, named_by });
            }
            // The genesis of a ledger carries no entry.
            let has_entries = Some(failure.valid_tip) != own && failure.valid_entries > 0;
            if has_entries {
                self.trusted.insert(ledger.clone(), failure.valid_tip);
            } else {
                self.trusted.remove(&ledger);
            }
            self.problems.insert(ledger, failure.fault);
        }
        Ok(None)
    }

    /// Validates the entries of a ledger after `old` up to `new`. Returns the ledger as moved to
    /// `new`, or what is wrong with it.
    fn verify_ledger(
        &self,
        chains: &ChainMembership<'_>,
        ledger: &LedgerName,
        old: Option<EntryId>,
        new: EntryId,
    ) -> Result<std::result::Result<MovedLedger, LedgerFailure>> {
        let mut tip = self.validator.load_tip(ledger, old)?;
        // Both the start and the chain were checked before.
        let mut ids = self.repository.chain_between(old, new)?.unwrap_or_default();
        if old.is_none() && !ids.is_empty() {
            ids.remove(0);
        }
        let mut missing_tags = BTreeSet::new();
        for (valid_entries, id) in ids.iter().enumerate() {
            let validated = self.validator.validate(
                ledger,
                &tip,
                *id,
                ValidationContext::History(&|ledger, id| chains.contains(ledger, id)),
            );
            let is_signed = validated.entry.is_some();
            let Some(next) = validated.next_tip else {
                return Ok(Err(LedgerFailure {
                    is_signed,
                    fault: self.explain_failure(chains, *id, validated)?,
                    valid_tip: tip.chain.tip,
                    valid_entries,
                }));
            };
            if let Some(facts) = validated.facts {
                missing_tags.extend(facts.missing_tags.into_keys());
            }
            tip = next;
        }
        Ok(Ok(MovedLedger {
            ledger: ledger.clone(),
            old,
            new,
            entries: ids.len(),
            missing_tags,
        }))
    }

    /// Returns why an entry is not accepted: because of itself, or because of another ledger.
    fn explain_failure(
        &self,
        chains: &ChainMembership<'_>,
        id: EntryId,
        validated: ValidatedEntry,
    ) -> Result<LedgerFault> {
        // A forged entry is itself at fault, no matter what it names.
        let stored = validated.stored.as_ref();
        if let Some(stored) = stored.filter(|_| !validated.is_forged()) {
            for (other, named) in &stored.statement.seen {
                if self.is_unavailable(chains, other, *named)? {
                    let (on, named) = (other.clone(), *named);
                    return Ok(LedgerFault::Dependent { id, on, named });
                }
            }
        }
        Ok(LedgerFault::Unverified {
            id,
            verdict: Box::new(validated.verdict),
        })
    }

    /// Checks whether an entry of another ledger is not accepted because of that ledger.
    fn is_unavailable(
        &self,
        chains: &ChainMembership<'_>,
        other: &LedgerName,
        named: EntryId,
    ) -> Result<bool> {
        if !self.repository.exists(named.0) {
            return Ok(!self.repository.is_shallow()?);
        }
        let is_at_fault = self.problems.contains_key(other) || !self.incoming.contains_key(other);
        match chains.contains(other, named) {
            Ok(is_on_chain) => Ok(is_at_fault && !is_on_chain),
            Err(error) if error.is_malformed() => Ok(is_at_fault),
            Err(error) => Err(error),
        }
    }

    /// Checks whether an entry is undecided because this clone lacks history.
    fn is_blocked_by_shallow_history(&self) -> Result<bool> {
        let is_undecided = |fault: &LedgerFault| matches!(fault, LedgerFault::Unverified { verdict, .. } if verdict.decision() == Decision::CannotTell);
        Ok(self.problems.values().any(is_undecided) && self.repository.is_shallow()?)
    }

    /// Returns the problems, with the tips that are kept.
    fn into_problems(self, tips: &Tips) -> Vec<LedgerProblem> {
        let to_problem = |(ledger, fault)| LedgerProblem {
            kept_tip: tips.get(&ledger).copied(),
            remote_tip: self.incoming.get(&ledger).copied(),
            ledger,
            fault,
        };
        self.problems.into_iter().map(to_problem).collect()
    }
}

/// The first entry of a ledger that is not accepted.
struct LedgerFailure {
    /// Why it is not accepted.
    fault: LedgerFault,
    /// Whether its signature is valid.
    is_signed: bool,
    /// The commit before it.
    valid_tip: EntryId,
    /// How many new entries before it are valid.
    valid_entries: usize,
}
