//! Approvals of a policy: a publish needs those of as many other admins as the policy in force requires.

use std::collections::BTreeSet;

use super::approved_by::check_approved_by;
use crate::domain::entry::{Action, Publish};
use crate::domain::name::Person;
use crate::domain::rules::context::Context;
use crate::domain::rules::facts::Fact;
use crate::domain::rules::findings::join_names;
use crate::domain::rules::key_trust;
use crate::domain::verdict::{Check, Rule};

/// Returns how many admins must approve a policy besides its publisher, and those who did.
pub(super) fn consenting_admins(
    ctx: &Context<'_>,
    publish: &Publish,
) -> Fact<(u32, BTreeSet<Person>)> {
    let chain = ctx
        .facts
        .chain
        .as_ref()
        .ok_or("the policy's ledger was not read")?;
    let required = ctx.policy.admin_rules.approvals;
    // The first has no policy in force that could require any, and for a recovery no admin is left. The rule `authorization` guards both.
    if chain.sequence == 0 || publish.recovered || required == 0 {
        return Ok((0, BTreeSet::new()));
    }
    let may = exclude_signers(ctx, ctx.policy.admins(&chain.root_keys));
    let mut consents = BTreeSet::new();
    for kept in ctx.state()?.policy_approvals() {
        let digest = matches!(&kept.statement.action, Action::PolicyApprove(it) if it.digest == publish.digest);
        if digest && may.contains(&kept.statement.by) && key_trust::has_listed_key(ctx, kept)? {
            consents.insert(kept.statement.by.clone());
        }
    }
    Ok((required, consents))
}

/// Returns the people among some who neither sign nor request the entry.
fn exclude_signers(ctx: &Context<'_>, all: BTreeSet<Person>) -> BTreeSet<Person> {
    let own = |person: &Person| {
        ctx.statement
            .is_some_and(|it| it.by == *person || it.requested_by.as_ref() == Some(person))
    };
    all.into_iter()
        .filter(|person| !ctx.policy.is_machine(person) && !own(person))
        .collect()
}

/// Checks that enough admins approved a policy, and that its `approvedBy` names exactly those.
pub(super) fn check_publish(ctx: &Context<'_>, publish: &Publish) -> Fact<Vec<Check>> {
    let (required, consents) = consenting_admins(ctx, publish)?;
    let mut violations: Vec<Check> = check_approved_by(&publish.approved_by, &consents)
        .into_iter()
        .collect();
    if required == 0 {
        return Ok(violations);
    }
    let filled: Vec<String> = consents
        .iter()
        .map(|person| format!("{person} ✓"))
        .collect();
    let tally = format!("{} of {required}", filled.len());
    let tally = if filled.is_empty() {
        tally
    } else {
        format!("{tally}: {}", join_names(filled))
    };
    if usize::try_from(required).is_ok_and(|required| consents.len() >= required) {
        return Ok(if violations.is_empty() {
            vec![Check::pass(Rule::Approvals, tally)]
        } else {
            violations
        });
    }
    let root_keys = ctx
        .facts
        .chain
        .as_ref()
        .map_or(&[][..], |chain| &chain.root_keys);
    let may = exclude_signers(ctx, ctx.policy.admins(root_keys));
    let left = may.difference(&consents);
    let needs = format!("{tally}, needs {}", join_names(left));
    violations.push(Check::fail(Rule::Approvals, needs).remedy("git deploy policy approve"));
    Ok(violations)
}
