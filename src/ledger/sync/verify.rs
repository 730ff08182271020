//! Verifies the remote's ledgers beyond what this clone has accepted.
//!
//! A ledger with an invalid entry is left out, and the others are verified again without it.

use std::collections::BTreeSet;

use super::problem::{LedgerFault, LedgerProblem};
use crate::domain::entry::VersionTag;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::git::error::Result;
use crate::git::repo::Repository;
use crate::ledger::chain::ChainMembership;
use crate::ledger::entry_validator::{EntryValidator, ValidationContext};
use crate::ledger::facts::FactGatherer;
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

/// Verifies the remote's ledgers beyond `tips`, updates `tips`, calls `move_forward` for each
/// ledger that moves, and returns the problems.
///
/// An entry may depend only on valid entries of other ledgers. Otherwise a forged policy that is
/// itself refused could make another entry valid. After a failure, the other ledgers are therefore
/// verified again without the failed one.
pub(super) fn verify_remote_ledgers(
    repository: &Repository,
    project: &Project,
    tips: &mut Tips,
    incoming: &Tips,
    mut move_forward: impl FnMut(MovedLedger) -> Result<()>,
) -> Result<Vec<LedgerProblem>> {
    let validator = EntryValidator::new(
        repository,
        FactGatherer::new(repository, project).with_stated_branches(),
        None,
    );
    let mut trusted = incoming.clone();
    let mut problems = Vec::new();
    loop {
        let round = verify_once(repository, &validator, tips, &trusted)?;
        for problem in &round.problems {
            trusted.remove(&problem.ledger);
        }
        let has_problems = !round.problems.is_empty();
        // Entries that depend on an undecided entry are undecided, too, so no ledger moves.
        let is_undecided = round.problems.iter().any(LedgerProblem::is_undecided);
        problems.extend(round.problems);
        if is_undecided {
            break;
        }
        if has_problems {
            continue;
        }
        for moved in round.moves {
            tips.insert(moved.ledger.clone(), moved.new);
            move_forward(moved)?;
        }
        break;
    }
    let is_deleted = |(ledger, _): &(&LedgerName, &EntryId)| !incoming.contains_key(*ledger);
    problems.extend(
        tips.iter()
            .filter(is_deleted)
            .map(|(ledger, tip)| LedgerProblem {
                ledger: ledger.clone(),
                kept_tip: Some(*tip),
                remote_tip: None,
                fault: LedgerFault::Deleted,
            }),
    );
    Ok(problems)
}

/// The result of verifying each ledger once.
#[derive(Default)]
struct VerifiedRound {
    /// The ledgers that may move forward.
    moves: Vec<MovedLedger>,
    problems: Vec<LedgerProblem>,
}

/// Verifies each of the remote's trusted ledgers once. Their entries may depend on one another.
fn verify_once(
    repository: &Repository,
    validator: &EntryValidator<'_>,
    tips: &Tips,
    trusted: &Tips,
) -> Result<VerifiedRound> {
    let all_tips: Tips = tips
        .iter()
        .chain(trusted)
        .map(|(name, tip)| (name.clone(), *tip))
        .collect();
    let chains = ChainMembership::new(repository, &all_tips);
    let mut round = VerifiedRound::default();
    // The policy comes first: nothing else can be validated without it.
    let policy = LedgerName::policy();
    let others = all_tips.keys().filter(|name| **name != policy);
    for ledger in std::iter::once(&policy).chain(others) {
        let (own, remote) = (tips.get(ledger).copied(), trusted.get(ledger).copied());
        let Some(new) = remote.filter(|_| remote != own) else {
            continue;
        };
        match verify_ledger(repository, validator, &chains, ledger, own, new)? {
            Ok(moved) => round.moves.push(moved),
            Err(fault) => round.problems.push(LedgerProblem {
                ledger: ledger.clone(),
                kept_tip: own,
                remote_tip: remote,
                fault,
            }),
        }
    }
    Ok(round)
}

/// Validates the entries of a ledger after `old` up to `new`. Returns the ledger as moved to `new`,
/// or what is wrong with it.
fn verify_ledger(
    repository: &Repository,
    validator: &EntryValidator<'_>,
    chains: &ChainMembership<'_>,
    ledger: &LedgerName,
    old: Option<EntryId>,
    new: EntryId,
) -> Result<std::result::Result<MovedLedger, LedgerFault>> {
    let Some(mut ids) = repository.chain_between(old, new)? else {
        return Ok(Err(LedgerFault::Rewound));
    };
    let mut tip = validator.load_tip(ledger, old)?;
    if old.is_none() {
        if ids.first() != Some(&tip.chain.tip) {
            return Ok(Err(LedgerFault::Rewound));
        }
        ids.remove(0);
    }
    let mut missing_tags = BTreeSet::new();
    for id in &ids {
        let validated = validator.validate(
            ledger,
            &tip,
            *id,
            ValidationContext::History(&|ledger, id| chains.contains(ledger, id)),
        );
        if let Some(facts) = validated.facts {
            missing_tags.extend(facts.missing_tags.into_keys());
        }
        match validated.next_tip {
            Some(next) => tip = next,
            None => {
                return Ok(Err(LedgerFault::Unverified {
                    id: *id,
                    verdict: Box::new(validated.verdict),
                }));
            }
        }
    }
    Ok(Ok(MovedLedger {
        ledger: ledger.clone(),
        old,
        new,
        entries: ids.len(),
        missing_tags,
    }))
}
