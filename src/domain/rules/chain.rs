//! The rule `chain`: the entry directly follows the last entry of its ledger, and its `seen` is
//! complete.
//!
//! `seen` names, for each other ledger, the tip that the signer had read, and so orders the ledgers
//! relative to each other. It must name every ledger that the rules read, never an older tip than
//! the previous entry, and always the current policy.

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::{RuleDefinition, needs_nothing};
use super::facts::Chain;
use super::request::Request;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::entry::{Action, Statement};
use crate::domain::text::sanitize;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Chain,
    name: "chain",
    description: "The entry directly follows the last entry of its ledger. Its field `seen` names the current policy and a tip of every other ledger that the rules read. Its stored tree and commit are exactly those computed from the entry.",
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
    let checks = ctx.chain().map(|chain| {
        let mut violations: Vec<Check> = check_position(ctx, statement, chain)
            .into_iter()
            .map(fail)
            .collect();
        violations.extend(check_seen(ctx, statement));
        violations.extend(check_environments_seen(ctx, statement));
        if let Some(Err(difference)) = &ctx.facts.stored_as_computed {
            violations.push(fail(format!(
                "the pushed commit does not match its entry: {}",
                sanitize(difference)
            )));
        }
        pass_if_none(Rule::Chain, violations)
    });
    or_unknown(Rule::Chain, checks)
}

fn fail(why: impl Into<String>) -> Check {
    Check::fail(Rule::Chain, why)
}

fn check_position(ctx: &Context<'_>, statement: &Statement, chain: &Chain) -> Vec<String> {
    let mut violations = Vec::new();
    if statement.project != chain.project {
        violations.push(format!(
            "it belongs to another project than this one, {}",
            chain.project.short()
        ));
    }
    if let Some(name) = statement.environment() {
        match ctx.policy.ledger_of(&name) {
            // An entry may end a run in a removed environment. The rule `state` checks that the run
            // exists.
            None if statement.action.ends_a_run() => {}
            None => violations.push(format!("the policy has no environment {name}")),
            Some(ledger) if ledger != statement.ledger => {
                violations.push(format!(
                    "the ledger of {name} is {ledger}, not {}",
                    statement.ledger
                ));
            }
            Some(_) => {}
        }
    }
    if statement.previous != chain.tip {
        violations.push(format!(
            "{} has moved on to {}: try again",
            statement.ledger,
            chain.tip.short()
        ));
    }
    if chain.sequence.checked_add(1) != Some(statement.sequence) {
        violations.push(format!(
            "its sequence number is {}, but the previous entry has {}",
            statement.sequence, chain.sequence
        ));
    }
    violations
}

fn check_seen(ctx: &Context<'_>, statement: &Statement) -> Vec<Check> {
    let mut violations = Vec::new();
    for ledger in &ctx.ledgers_read {
        if ctx.facts.tips.contains_key(ledger) && !statement.seen.contains_key(ledger) {
            violations.push(fail(format!(
                "`seen` does not name {ledger}, which the entry's rules read"
            )));
        }
    }
    // A ledger that was named once must always be named. Otherwise the next entry could name an
    // older tip unnoticed.
    let previously_named = ctx.facts.chain.iter().flat_map(|chain| chain.seen.keys());
    for ledger in previously_named.filter(|ledger| !statement.seen.contains_key(*ledger)) {
        violations.push(fail(format!(
            "`seen` lacks {ledger}, which the previous entry names"
        )));
    }
    for ledger in statement.seen.keys() {
        if !ctx.facts.tips.contains_key(ledger) {
            violations.push(fail(format!(
                "`seen` names {ledger}, a ledger that does not exist"
            )));
            continue;
        }
        violations.extend(match ctx.facts.seen.get(ledger) {
            None => Some(Check::unknown(
                Rule::Chain,
                format!("the tip of {ledger} in `seen` was not looked up"),
            )),
            Some(Err(why)) => Some(Check::unknown(Rule::Chain, sanitize(why))),
            Some(Ok(fact)) if !fact.is_reachable => Some(fail(format!(
                "`seen` names a commit that is not in {ledger}"
            ))),
            Some(Ok(fact)) if !fact.is_forward => Some(fail(format!(
                "`seen` names an older tip of {ledger} than the previous entry"
            ))),
            Some(Ok(fact)) if ledger.is_policy() && !fact.is_tip => {
                Some(fail("another policy has come into force: try again"))
            }
            Some(Ok(_)) => None,
        });
    }
    violations
}

/// Checks that a `publish` has seen the tip of every environment: no entry under the old policy may
/// appear after the new one.
fn check_environments_seen(ctx: &Context<'_>, statement: &Statement) -> Vec<Check> {
    let Action::Publish(_) = statement.action else {
        return Vec::new();
    };
    let not_seen = ctx
        .facts
        .environments_seen
        .iter()
        .filter(|(_, seen)| !**seen);
    let mut violations: Vec<Check> = not_seen
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
        violations.push(Check::unknown(
            Rule::Chain,
            format!("whether `seen` names the tip of {ledger} was not looked up"),
        ));
    }
    violations
}

#[cfg(test)]
mod tests;
