//! The rule `chain`: the entry is the next of this ledger and project, and has seen the other ledgers as they are.
//!
//! `seen` orders the ledgers relative to each other. So an entry must name every ledger that its verdict is read from, and a
//! newer policy makes the answer "try again".

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::{RuleDefinition, needs_nothing};
use super::facts::{Chain, Fact};
use super::request::Request;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::entry::{Action, Statement};
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Chain,
    name: "chain",
    description: "The entry is the next one of its ledger, has seen every ledger that it is judged by, and its tree and commit follow from it.",
    faced_by: RequestKinds::ENTRIES.with(&[RequestKind::UnknownEnvironment]),
    hotfix_skip: None,
    reads: &[],
    needs: needs_nothing,
    check,
};

fn check(ctx: &Context<'_>) -> Vec<Check> {
    let Request::Entry { statement, .. } = ctx.request else {
        return Vec::new();
    };
    let found = read_chain(ctx).map(|chain| {
        let mut against: Vec<Check> = check_position(ctx, statement, chain)
            .into_iter()
            .map(fail)
            .collect();
        against.extend(check_seen(ctx, statement));
        against.extend(check_environments_seen(ctx, statement));
        if let Some(Err(what)) = &ctx.facts.stored_as_computed {
            against.push(fail(format!(
                "the pushed commit does not match its entry: {}",
                sanitize(what)
            )));
        }
        pass_if_none(Rule::Chain, against)
    });
    or_unknown(Rule::Chain, found)
}

fn fail(why: impl Into<String>) -> Check {
    Check::fail(Rule::Chain, why)
}

fn read_chain<'a>(ctx: &Context<'a>) -> Fact<&'a Chain> {
    ctx.facts
        .chain
        .as_ref()
        .ok_or_else(|| "the ledger's end was not read".to_owned())
}

fn check_position(ctx: &Context<'_>, statement: &Statement, chain: &Chain) -> Vec<String> {
    let mut against = Vec::new();
    if statement.project != chain.project {
        against.push(format!(
            "it belongs to another project: this is {}",
            chain.project.short()
        ));
    }
    if let Some(name) = statement.environment() {
        match ctx.policy.ledger_of(&name) {
            // It ends a run that began there: the state says whether there is one.
            None if statement.action.ends_a_run() => {}
            None => against.push(format!("the policy has no environment {name}")),
            Some(ledger) if ledger != statement.ledger => {
                against.push(format!(
                    "the ledger of {name} is {ledger}, not {}",
                    statement.ledger
                ));
            }
            Some(_) => {}
        }
    }
    if statement.previous != chain.tip {
        against.push(format!(
            "{} has moved on to {}: try again",
            statement.ledger,
            chain.tip.short()
        ));
    }
    if chain.sequence.checked_add(1) != Some(statement.sequence) {
        against.push(format!(
            "it is numbered {}, after {}",
            statement.sequence, chain.sequence
        ));
    }
    against
}

fn check_seen(ctx: &Context<'_>, statement: &Statement) -> Vec<Check> {
    let mut against = Vec::new();
    for ledger in &ctx.ledgers_read {
        if ctx.facts.tips.contains_key(ledger) && !statement.seen.contains_key(ledger) {
            against.push(fail(format!(
                "`seen` does not name {ledger}, which its rules depend on"
            )));
        }
    }
    // Once seen, always named: else an entry between could hide that the next one has seen less.
    let before = ctx.facts.chain.iter().flat_map(|chain| chain.seen.keys());
    for ledger in before.filter(|ledger| !statement.seen.contains_key(*ledger)) {
        against.push(fail(format!(
            "`seen` leaves out {ledger}, which the entry before it has seen"
        )));
    }
    for ledger in statement.seen.keys() {
        if !ctx.facts.tips.contains_key(ledger) {
            against.push(fail(format!(
                "`seen` names {ledger}, a ledger that does not exist"
            )));
            continue;
        }
        against.extend(match ctx.facts.seen.get(ledger) {
            None => Some(Check::unknown(
                Rule::Chain,
                format!("the {ledger} it has seen was not looked up"),
            )),
            Some(Err(why)) => Some(Check::unknown(Rule::Chain, sanitize(why))),
            Some(Ok(fact)) if !fact.reachable => Some(fail(format!(
                "what it has seen of {ledger} is not in {ledger}"
            ))),
            Some(Ok(fact)) if !fact.forward => Some(fail(format!(
                "it has seen less of {ledger} than the entry before it"
            ))),
            Some(Ok(fact)) if ledger.is_policy() && !fact.is_tip => {
                Some(fail("another policy has come into force: try again"))
            }
            Some(Ok(_)) => None,
        });
    }
    against
}

/// Checks that a `publish` has seen the tip of every environment: no entry under the old policy may
/// appear after the new one.
fn check_environments_seen(ctx: &Context<'_>, statement: &Statement) -> Vec<Check> {
    let Action::Publish(_) = statement.action else {
        return Vec::new();
    };
    let moved = ctx
        .facts
        .environments_seen
        .iter()
        .filter(|(_, seen)| !**seen);
    let mut against: Vec<Check> = moved
        .map(|(ledger, _)| fail(format!("{ledger} has moved: try again")))
        .collect();
    let mut environments = ctx
        .facts
        .tips
        .keys()
        .filter(|ledger| ledger.is_environment());
    if let Some(ledger) =
        environments.find(|ledger| !ctx.facts.environments_seen.contains_key(*ledger))
    {
        against.push(Check::unknown(
            Rule::Chain,
            format!("whether it has seen {ledger} was not looked up"),
        ));
    }
    against
}

#[cfg(test)]
mod tests;
