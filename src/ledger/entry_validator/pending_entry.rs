//! Evaluates the rules for one entry whose signature was verified.

use std::sync::Arc;

use crate::domain::entry::{Entry, Verified};
use crate::domain::id::PublicKey;
use crate::domain::name::LedgerName;
use crate::domain::policy::{Policy, PublishedPolicy};
use crate::domain::rules::{Fact, Facts, Request, evaluate};
use crate::domain::state::State;
use crate::domain::time::Time;
use crate::domain::verdict::{Check, Decision, Rule, Verdict};
use crate::ledger::Tips;
use crate::ledger::facts::FactGatherer;
use crate::ledger::validation_types::{ChainTip, ValidationContext};

/// One entry being validated.
pub(super) struct PendingEntry<'a> {
    pub ledger: &'a LedgerName,
    pub tip: &'a ChainTip,
    pub entry: Entry<Verified>,
    pub published: Option<PublishedPolicy>,
    pub state: State,
    pub stored_as_computed: Fact<()>,
    pub recovery: Option<PublicKey>,
}

impl PendingEntry<'_> {
    /// Returns the `deploy.toml` that the entry publishes, if it does.
    fn policy_text(&self) -> Option<&[u8]> {
        self.published.as_ref().map(|published| &*published.text)
    }

    /// Evaluates the rules at the entry's own time, on the tips that the entry has seen. For a push,
    /// evaluates them at the current time and on the current tips as well, and returns the stricter
    /// verdict. Returns the facts only for an entry of the history.
    pub fn evaluate(
        &self,
        gatherer: &FactGatherer<'_>,
        context: ValidationContext<'_>,
    ) -> (Verdict, Option<Box<Facts>>) {
        let statement = self.entry.statement();
        let (verdict_then, facts) = self.evaluate_at(gatherer, &statement.seen, statement.at);
        match context {
            ValidationContext::History(contains) => {
                let mut verdict_then = verdict_then;
                for (ledger, seen) in &statement.seen {
                    match contains(ledger, *seen) {
                        Ok(true) => {}
                        Ok(false) => verdict_then.checks.push(Check::fail(
                            Rule::Chain,
                            format!(
                                "it claims to have seen {} of {ledger}, which that ledger does not contain",
                                seen.short()
                            ),
                        )),
                        Err(error) => verdict_then.checks.push(error.to_check(Rule::Chain)),
                    }
                }
                (verdict_then, facts)
            }
            ValidationContext::Push(present) => {
                let mut other_tips = present.tips.clone();
                other_tips.remove(self.ledger);
                let verdict_now = self.evaluate_at(gatherer, &other_tips, present.now).0;
                (stricter_verdict(verdict_then, verdict_now), None)
            }
        }
    }

    /// Evaluates the rules of the policy at these tips. Returns the facts used as well.
    fn evaluate_at(
        &self,
        gatherer: &FactGatherer<'_>,
        tips: &Tips,
        now: Time,
    ) -> (Verdict, Option<Box<Facts>>) {
        let request = Request::Entry {
            statement: self.entry.statement(),
            key: Some(self.entry.key()),
            policy_text: self.policy_text(),
        };
        let policy = if self.ledger.is_policy() {
            gatherer.policy_at(self.tip.chain.tip)
        } else {
            tips.get(&LedgerName::policy())
                .map_or(Ok(None), |tip| gatherer.policy_at(*tip))
        };
        let policy = match policy {
            Ok(Some(policy)) => policy,
            Ok(None) => match parse_first_policy(self) {
                Ok(policy) => Arc::new(policy),
                Err(check) => {
                    return (
                        Verdict {
                            checks: vec![*check],
                        },
                        None,
                    );
                }
            },
            Err(error) => {
                return (
                    Verdict {
                        checks: vec![error.to_check(Rule::Authorization)],
                    },
                    None,
                );
            }
        };
        let mut facts: Facts = gatherer.gather(
            &policy,
            &request,
            tips,
            Some(self.tip.chain.clone()),
            Ok(self.state.clone()),
        );
        facts.stored_as_computed = Some(self.stored_as_computed.clone());
        facts.recovery = self.recovery;
        (
            evaluate(&policy, &request, &facts, now),
            Some(Box::new(facts)),
        )
    }
}

/// Parses the policy of the first publish, which is validated by that policy itself. Refuses any
/// other entry while no policy is in force.
fn parse_first_policy(pending: &PendingEntry<'_>) -> std::result::Result<Policy, Box<Check>> {
    let refuse = |why: String| Box::new(Check::fail(Rule::Authorization, why));
    let text = pending
        .policy_text()
        .ok_or_else(|| refuse("no policy is in force yet".to_owned()))?;
    let text =
        std::str::from_utf8(text).map_err(|_| refuse("the policy is not UTF-8".to_owned()))?;
    Policy::parse(text).map_err(|errors| refuse(errors.to_string()))
}

/// Returns the stricter of two verdicts; the later one if they agree.
fn stricter_verdict(verdict_then: Verdict, verdict_now: Verdict) -> Verdict {
    let rank = |verdict: &Verdict| match verdict.decision() {
        Decision::Allowed => 0,
        Decision::CannotTell => 1,
        Decision::Refused => 2,
    };
    if rank(&verdict_then) > rank(&verdict_now) {
        verdict_then
    } else {
        verdict_now
    }
}
