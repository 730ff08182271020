//! Judges past deployments again under another policy, on the facts as they were when each was
//! made.
//!
//! Each deployment is judged as an honest client would have made it under that policy: with the
//! approvals, the version and the artifacts that it requires. Earlier entries stay as they were,
//! even if the other policy would have refused them too. Signatures were checked at the time and
//! are not checked again. The files that belong to a component are those of the time.

mod ledger_index;
mod rejudge;
mod replay_spec;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::entry::Statement;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::policy::Policy;
use crate::domain::time::Time;
use crate::domain::verdict::{CheckResult, Decision, Rule, Verdict};
use crate::git::{Repository, Result};
use crate::ledger::{Project, Tips};
use ledger_index::{EntryPosition, LedgerIndex};
use rejudge::{PastDeployment, PastLoader};
pub use replay_spec::ReplaySpec;

/// The number of deployments that a thread judges in one batch.
const BATCH_SIZE: usize = 200;

/// A past deployment on which the other policy decides differently.
#[derive(Debug)]
pub struct ReplayCase {
    /// Its entry: a start or a record.
    pub id: EntryId,
    /// The statement of the entry.
    pub statement: Statement,
    /// The other policy's verdict.
    pub verdict: Verdict,
}

impl ReplayCase {
    /// Returns the sort key: newest first, then by ledger and position.
    fn sort_key(&self) -> (Reverse<Time>, &LedgerName, Reverse<u64>) {
        let statement = &self.statement;
        (
            Reverse(statement.at),
            &statement.ledger,
            Reverse(statement.sequence),
        )
    }
}

/// How many deployments a ledger has, and on how many the other policy decides differently.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionCounts {
    /// All deployments that were judged.
    pub deployments: usize,
    /// Accepted at the time, refused by the other policy and not by the policy in force.
    pub refused: usize,
    /// Accepted by the other policy and not by the policy in force, but refused by the rules of the
    /// time, for example without the break-glass that it was made with.
    #[serde(rename = "newlyAllowed")]
    pub allowed: usize,
    /// Undecidable under the other policy and not under the policy in force.
    #[serde(rename = "cannotTell")]
    pub undecided: usize,
}

impl DecisionCounts {
    /// Adds the counts of another ledger.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            deployments: self.deployments + other.deployments,
            refused: self.refused + other.refused,
            allowed: self.allowed + other.allowed,
            undecided: self.undecided + other.undecided,
        }
    }
}

/// The result of a replay.
#[derive(Debug, Default)]
pub struct ReplayResult {
    /// The counts of each environment's ledger.
    pub counts: BTreeMap<LedgerName, DecisionCounts>,
    /// How many deployments each rule would have refused.
    pub rules: BTreeMap<Rule, usize>,
    /// The newest deployments that would have been refused.
    pub refused: Vec<ReplayCase>,
    /// The newest deployments that would have been accepted.
    pub allowed: Vec<ReplayCase>,
    /// The newest deployments for which there is no decision.
    pub undecided: Vec<ReplayCase>,
}

impl ReplayResult {
    /// Adds another result, and keeps the newest `max_cases` cases of each kind.
    fn merge(mut self, other: Self, max_cases: usize) -> Self {
        for (ledger, count) in other.counts {
            let own = self.counts.entry(ledger).or_default();
            *own = own.plus(count);
        }
        for (rule, count) in other.rules {
            *self.rules.entry(rule).or_default() += count;
        }
        for (own, other) in [
            (&mut self.refused, other.refused),
            (&mut self.allowed, other.allowed),
            (&mut self.undecided, other.undecided),
        ] {
            own.extend(other);
            own.sort_by(|left, right| left.sort_key().cmp(&right.sort_key()));
            own.truncate(max_cases);
        }
        self
    }

    /// Adds one judged deployment.
    fn add(&mut self, outcome: ReplayOutcome) {
        let ledger = match &outcome {
            ReplayOutcome::Same(ledger) => ledger.clone(),
            ReplayOutcome::Refused(case)
            | ReplayOutcome::Allowed(case)
            | ReplayOutcome::Undecided(case) => case.statement.ledger.clone(),
        };
        let count = self.counts.entry(ledger).or_default();
        count.deployments += 1;
        match outcome {
            ReplayOutcome::Same(_) => {}
            ReplayOutcome::Refused(case) => {
                count.refused += 1;
                let failed = case
                    .verdict
                    .checks
                    .iter()
                    .filter(|check| check.outcome == CheckResult::Fail);
                let rules: BTreeSet<Rule> = failed.map(|check| check.rule).collect();
                for rule in rules {
                    *self.rules.entry(rule).or_default() += 1;
                }
                self.refused.push(case);
            }
            ReplayOutcome::Allowed(case) => {
                count.allowed += 1;
                self.allowed.push(case);
            }
            ReplayOutcome::Undecided(case) => {
                count.undecided += 1;
                self.undecided.push(case);
            }
        }
    }
}

/// The result of judging one deployment again.
enum ReplayOutcome {
    /// The decision is the same as at the time, or as that of the policy in force.
    Same(LedgerName),
    /// Accepted at the time, refused by the other policy.
    Refused(ReplayCase),
    /// Refused at the time, or accepted for its break-glass, and accepted by the other policy.
    Allowed(ReplayCase),
    /// Accepted at the time, undecidable under the other policy.
    Undecided(ReplayCase),
}

/// Replays the ledgers of all environments, on all processors. Their entries must have been
/// verified before.
///
/// # Errors
/// A ledger cannot be read.
pub fn replay(
    repository: &Repository,
    project: &Project,
    tips: &Tips,
    spec: &ReplaySpec<'_>,
) -> Result<ReplayResult> {
    let shared = repository.share();
    let tips: Vec<(&LedgerName, &EntryId)> = tips.iter().collect();
    let indexes = tips.into_par_iter().map(|(ledger, tip)| {
        let index = LedgerIndex::read(&shared.fork(), ledger, *tip, spec.since)?;
        Ok((ledger.clone(), index))
    });
    let indexes: BTreeMap<LedgerName, LedgerIndex> = indexes.collect::<Result<_>>()?;
    let mut empty_result = ReplayResult::default();
    empty_result.counts.extend(
        indexes
            .keys()
            .filter(|ledger| ledger.is_environment())
            .cloned()
            .map(|ledger| (ledger, DecisionCounts::default())),
    );
    let batches = indexes.iter().filter(|(ledger, _)| ledger.is_environment());
    let batches = batches.flat_map(|(ledger, index)| {
        index
            .deployments
            .chunks(BATCH_SIZE)
            .map(move |positions| (ledger, positions))
    });
    let batches: Vec<(&LedgerName, &[EntryPosition])> = batches.collect();
    let results = batches.into_par_iter().map(|(ledger, positions)| {
        let repository = shared.fork();
        let past = PastLoader::new(&repository, project, &indexes, spec);
        let mut result = ReplayResult::default();
        for position in positions {
            result.add(judge_again(&past, ledger, *position)?);
        }
        Ok(ReplayResult::default().merge(result, spec.max_cases))
    });
    let merged = results.try_reduce(ReplayResult::default, |left, right| {
        Ok(left.merge(right, spec.max_cases))
    })?;
    Ok(empty_result.merge(merged, spec.max_cases))
}

/// Judges one deployment under the policy of its time, under the policy in force and under the other
/// policy. The decision is another one only if it is not already that of the policy in force.
fn judge_again(
    past: &PastLoader<'_>,
    ledger: &LedgerName,
    position: EntryPosition,
) -> Result<ReplayOutcome> {
    let deployment = past.load_deployment(ledger, position)?;
    let (change, verdict) = judge_change(&deployment, &deployment.policies.proposal);
    let is_new = || judge_change(&deployment, &deployment.policies.in_force).0 != change;
    let outcome = match change {
        Some(DecisionChange::Refused) if is_new() => ReplayOutcome::Refused,
        Some(DecisionChange::Allowed) if is_new() => ReplayOutcome::Allowed,
        Some(DecisionChange::Undecided) if is_new() => ReplayOutcome::Undecided,
        _ => return Ok(ReplayOutcome::Same(ledger.clone())),
    };
    Ok(outcome(ReplayCase {
        id: position.id,
        statement: deployment.statement,
        verdict,
    }))
}

/// How a policy decides differently from the policy of the time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DecisionChange {
    Refused,
    Allowed,
    Undecided,
}

/// Returns how a policy decides differently from that of the time, if it does, and its verdict.
fn judge_change(
    deployment: &PastDeployment<'_>,
    policy: &Policy,
) -> (Option<DecisionChange>, Verdict) {
    let original = deployment.judge_as_made().decision();
    let verdict = deployment.judge_under(policy);
    let change = match (original, verdict.decision()) {
        (Decision::Refused, Decision::Allowed) => Some(DecisionChange::Allowed),
        (Decision::Refused, _) => None,
        (_, Decision::Refused) => Some(DecisionChange::Refused),
        (Decision::Allowed, Decision::CannotTell) => Some(DecisionChange::Undecided),
        // If a deployment was accepted only because of its break-glass, check whether the other
        // policy would accept it without one.
        _ => {
            let ordinary = deployment.without_break_glass();
            let ordinary = ordinary.filter(|it| it.judge_as_made().decision() == Decision::Refused);
            let verdict_without = ordinary.map(|it| it.judge_under(policy));
            return match verdict_without.filter(|it| it.decision() == Decision::Allowed) {
                Some(verdict_without) => (Some(DecisionChange::Allowed), verdict_without),
                None => (None, verdict),
            };
        }
    };
    (change, verdict)
}
