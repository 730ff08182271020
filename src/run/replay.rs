//! Judges past deployments again under another policy, on the facts as they were when each was
//! made.
//!
//! Each deployment is judged as an honest client would have made it under that policy: with the
//! approvals, the version and the artifacts that it requires. Earlier entries stay as they were,
//! even if the other policy would have refused them too. Signatures were checked at the time and
//! are not checked again. The files that belong to a component are those of the time.

mod log;
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
use crate::domain::time::Time;
use crate::domain::verdict::{CheckResult, Decision, Rule, Verdict};
use crate::git::{Repository, Result};
use crate::ledger::{Project, Tips};
use log::{EntryPosition, LedgerIndex};
use rejudge::{PastDeployment, PastLoader};
pub use replay_spec::ReplaySpec;

/// How many deployments a thread judges in one batch.
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
    /// Whether the policy in force would refuse it as well.
    pub in_force_too: bool,
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
    /// Accepted at the time, refused by the other policy.
    pub refused: usize,
    /// Accepted by the other policy, but refused by the rules of the time, for example without the
    /// break-glass that it was made with.
    #[serde(rename = "newlyAllowed")]
    pub allowed: usize,
    /// Undecidable under the other policy.
    #[serde(rename = "cannotTell")]
    pub undecided: usize,
}

impl DecisionCounts {
    /// Returns the sum of both.
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
    /// Adds another result, and keeps the newest `number` cases of each sort.
    fn merge(mut self, other: Self, number: usize) -> Self {
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
            own.sort_by(|one, two| one.sort_key().cmp(&two.sort_key()));
            own.truncate(number);
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
    /// The decision is the same as at the time.
    Same(LedgerName),
    Refused(ReplayCase),
    Allowed(ReplayCase),
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
    plan: &ReplaySpec<'_>,
) -> Result<ReplayResult> {
    let shared = repository.share();
    let logs: Vec<(&LedgerName, &EntryId)> = tips.iter().collect();
    let logs = logs.into_par_iter().map(|(ledger, tip)| {
        LedgerIndex::read(&shared.fork(), ledger, *tip, plan.since).map(|log| (ledger.clone(), log))
    });
    let logs: BTreeMap<LedgerName, LedgerIndex> = logs.collect::<Result<_>>()?;
    let mut begun = ReplayResult::default();
    begun.counts.extend(
        logs.keys()
            .filter(|ledger| ledger.is_environment())
            .cloned()
            .map(|it| (it, DecisionCounts::default())),
    );
    let stretches = logs.iter().filter(|(ledger, _)| ledger.is_environment());
    let stretches = stretches.flat_map(|(ledger, log)| {
        log.deployments
            .chunks(BATCH_SIZE)
            .map(move |it| (ledger, it))
    });
    let stretches: Vec<(&LedgerName, &[EntryPosition])> = stretches.collect();
    let judged = stretches.into_par_iter().map(|(ledger, places)| {
        let own = shared.fork();
        let past = PastLoader::new(&own, project, &logs, plan);
        let mut found = ReplayResult::default();
        for place in places {
            found.add(judge_again(&past, ledger, *place)?);
        }
        Ok(ReplayResult::default().merge(found, plan.max_cases))
    });
    let judged = judged.try_reduce(ReplayResult::default, |one, two| {
        Ok(one.merge(two, plan.max_cases))
    })?;
    Ok(begun.merge(judged, plan.max_cases))
}

/// Judges one deployment under the policy of the time and under the other.
fn judge_again(
    past: &PastLoader<'_>,
    ledger: &LedgerName,
    place: EntryPosition,
) -> Result<ReplayOutcome> {
    let met = past.load_deployment(ledger, place)?;
    let then = met.judge_as_made();
    let now = met.judge_under(&met.policies.proposal);
    let case = |met: PastDeployment<'_>, verdict, in_force_too| ReplayCase {
        id: place.id,
        statement: met.statement,
        verdict,
        in_force_too,
    };
    Ok(match (then.decision(), now.decision()) {
        (Decision::Refused, Decision::Allowed) => ReplayOutcome::Allowed(case(met, now, false)),
        (Decision::Refused, _) => ReplayOutcome::Same(ledger.clone()),
        (_, Decision::Refused) => {
            let in_force_too =
                met.judge_under(&met.policies.in_force).decision() == Decision::Refused;
            ReplayOutcome::Refused(case(met, now, in_force_too))
        }
        (Decision::Allowed, Decision::CannotTell) => {
            ReplayOutcome::Undecided(case(met, now, false))
        }
        // A deployment with a break-glass was accepted only for that: check whether it would still
        // need it.
        _ => match met.without_break_glass() {
            Some(unbroken) if unbroken.judge_as_made().decision() == Decision::Refused => {
                let without = unbroken.judge_under(&unbroken.policies.proposal);
                let needless = without.decision() == Decision::Allowed;
                if needless {
                    ReplayOutcome::Allowed(case(met, without, false))
                } else {
                    ReplayOutcome::Same(ledger.clone())
                }
            }
            _ => ReplayOutcome::Same(ledger.clone()),
        },
    })
}
