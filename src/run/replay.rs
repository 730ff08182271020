//! What another policy would have said of past deployments: each one is judged again, on what was there when it was made.
//!
//! It is judged as an honest client would have made it under that policy: with the approvals, the version and the artifacts that it
//! asks for. What came before it stays as it was, even where the other policy would have refused that too. Who signed with which key
//! was settled then and is not asked again; which files belong to a component is taken as it was then.

mod log;
mod rejudge;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use crate::domain::entry::Statement;
use crate::domain::id::EntryId;
use crate::domain::name::LedgerName;
use crate::domain::policy::Policy;
use crate::domain::time::Time;
use crate::domain::verdict::{Decision, Outcome, Rule, Verdict};
use crate::git::{Repository, Result};
use crate::ledger::{Project, Tips};
use log::{Log, Place};
use rejudge::{Met, Past};

/// How many deployments one thread judges in one go.
const STRETCH: usize = 200;

/// What is replayed, and how.
pub struct Plan<'a> {
    /// The policy that is tried.
    pub proposal: &'a Policy,
    /// The policy in force today: whether it would refuse the same.
    pub in_force: &'a Policy,
    /// Nothing older than this.
    pub since: Option<Time>,
    /// At most so many cases of each sort are kept, the newest.
    pub number: usize,
}

/// A past deployment of which the other policy says something else.
#[derive(Debug)]
pub struct Case {
    /// Its entry: a start or a record.
    pub id: EntryId,
    /// What it says.
    pub statement: Statement,
    /// What the other policy says of it.
    pub verdict: Verdict,
    /// Whether the policy in force would refuse it as well.
    pub in_force_too: bool,
}

impl Case {
    /// Newest first; of the same moment, by place.
    fn order(&self) -> (Reverse<Time>, &LedgerName, Reverse<u64>) {
        let statement = &self.statement;
        (
            Reverse(statement.at),
            &statement.ledger,
            Reverse(statement.sequence),
        )
    }
}

/// How many deployments there were in a ledger, and of how many the other policy says something else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// All that were looked at.
    pub deployments: usize,
    /// It would have refused so many that went in.
    pub refused: usize,
    /// It would have let in so many that the rules of then refuse, such as those that needed the glass broken.
    pub allowed: usize,
    /// Of so many it cannot be told.
    pub untold: usize,
}

impl Count {
    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            deployments: self.deployments + other.deployments,
            refused: self.refused + other.refused,
            allowed: self.allowed + other.allowed,
            untold: self.untold + other.untold,
        }
    }
}

/// What a replay found.
#[derive(Debug, Default)]
pub struct Replayed {
    /// The counts by ledger, of each ledger of an environment that there is.
    pub counts: BTreeMap<LedgerName, Count>,
    /// How many deployments each rule would have refused.
    pub rules: BTreeMap<Rule, usize>,
    /// The newest that would have been refused.
    pub refused: Vec<Case>,
    /// The newest that would have been let in.
    pub allowed: Vec<Case>,
    /// The newest of which it cannot be told.
    pub untold: Vec<Case>,
}

impl Replayed {
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
            (&mut self.untold, other.untold),
        ] {
            own.extend(other);
            own.sort_by(|one, two| one.order().cmp(&two.order()));
            own.truncate(number);
        }
        self
    }

    fn take(&mut self, outcome: Judged) {
        let ledger = match &outcome {
            Judged::Same(ledger) => ledger.clone(),
            Judged::Refused(case) | Judged::Allowed(case) | Judged::Untold(case) => {
                case.statement.ledger.clone()
            }
        };
        let count = self.counts.entry(ledger).or_default();
        count.deployments += 1;
        match outcome {
            Judged::Same(_) => {}
            Judged::Refused(case) => {
                count.refused += 1;
                let failed = case
                    .verdict
                    .checks
                    .iter()
                    .filter(|check| check.outcome == Outcome::Fail);
                let rules: BTreeSet<Rule> = failed.map(|check| check.rule).collect();
                for rule in rules {
                    *self.rules.entry(rule).or_default() += 1;
                }
                self.refused.push(case);
            }
            Judged::Allowed(case) => {
                count.allowed += 1;
                self.allowed.push(case);
            }
            Judged::Untold(case) => {
                count.untold += 1;
                self.untold.push(case);
            }
        }
    }
}

/// What became of one deployment.
enum Judged {
    /// As then.
    Same(LedgerName),
    Refused(Case),
    Allowed(Case),
    Untold(Case),
}

/// Replays the ledgers of all environments, on all processors. It is for ledgers whose entries were verified.
///
/// # Errors
/// A ledger that cannot be read.
pub fn replay(
    repository: &Repository,
    project: &Project,
    tips: &Tips,
    plan: &Plan<'_>,
) -> Result<Replayed> {
    let shared = repository.share();
    let logs: Vec<(&LedgerName, &EntryId)> = tips.iter().collect();
    let logs = logs.into_par_iter().map(|(ledger, tip)| {
        Log::read(&shared.fork(), ledger, *tip, plan.since).map(|log| (ledger.clone(), log))
    });
    let logs: BTreeMap<LedgerName, Log> = logs.collect::<Result<_>>()?;
    let mut begun = Replayed::default();
    begun.counts.extend(
        logs.keys()
            .filter(|ledger| ledger.is_environment())
            .cloned()
            .map(|it| (it, Count::default())),
    );
    let stretches = logs.iter().filter(|(ledger, _)| ledger.is_environment());
    let stretches = stretches
        .flat_map(|(ledger, log)| log.deployments.chunks(STRETCH).map(move |it| (ledger, it)));
    let stretches: Vec<(&LedgerName, &[Place])> = stretches.collect();
    let judged = stretches.into_par_iter().map(|(ledger, places)| {
        let own = shared.fork();
        let past = Past::new(&own, project, &logs, plan);
        let mut found = Replayed::default();
        for place in places {
            found.take(judge(&past, ledger, *place)?);
        }
        Ok(Replayed::default().merge(found, plan.number))
    });
    let judged = judged.try_reduce(
        Replayed::default,
        |one, two| Ok(one.merge(two, plan.number)),
    )?;
    Ok(begun.merge(judged, plan.number))
}

/// Judges one deployment under the policy of then, and under the other.
fn judge(past: &Past<'_>, ledger: &LedgerName, place: Place) -> Result<Judged> {
    let met = past.meet(ledger, place)?;
    let then = met.as_then();
    let now = met.under(&met.policies.proposal);
    let case = |met: Met<'_>, verdict, in_force_too| Case {
        id: place.id,
        statement: met.statement,
        verdict,
        in_force_too,
    };
    Ok(match (then.decision(), now.decision()) {
        (Decision::Refused, Decision::Allowed) => Judged::Allowed(case(met, now, false)),
        (Decision::Refused, _) => Judged::Same(ledger.clone()),
        (_, Decision::Refused) => {
            let in_force_too = met.under(&met.policies.in_force).decision() == Decision::Refused;
            Judged::Refused(case(met, now, in_force_too))
        }
        (Decision::Allowed, Decision::CannotTell) => Judged::Untold(case(met, now, false)),
        // Who broke the glass was let in for that alone: would it have been needed?
        _ => match met.unbroken() {
            Some(unbroken) if unbroken.as_then().decision() == Decision::Refused => {
                let without = unbroken.under(&unbroken.policies.proposal);
                let needless = without.decision() == Decision::Allowed;
                if needless {
                    Judged::Allowed(case(met, without, false))
                } else {
                    Judged::Same(ledger.clone())
                }
            }
            _ => Judged::Same(ledger.clone()),
        },
    })
}
