//! Approvals of a policy: a `publish` needs approvals by other admins, as many as the policy in
//! force requires.

use std::collections::BTreeSet;

use super::approved_by::check_approved_by;
use crate::domain::entry::{Action, Publish};
use crate::domain::name::Person;
use crate::domain::policy::Policy;
use crate::domain::rules::context::Context;
use crate::domain::rules::facts::Fact;
use crate::domain::rules::findings::join_names;
use crate::domain::rules::key_trust;
use crate::domain::rules::request::Request;
use crate::domain::verdict::{Check, Rule};

/// Returns the number of admins, other than the publisher, who must approve a policy, and the
/// admins who did.
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
    // For the first policy there is none in force that could require approvals, and for a recovery
    // no admin is left. The rule `authorization` decides who may publish these.
    if chain.sequence == 0 || publish.recovered || required == 0 {
        return Ok((0, BTreeSet::new()));
    }
    let eligible = exclude_signers(ctx, ctx.policy.admins(&chain.root_keys));
    let mut approvers = BTreeSet::new();
    for entry in ctx.state()?.policy_approvals() {
        let approves_this = matches!(&entry.statement.action, Action::PolicyApprove(it) if it.digest == publish.digest);
        if approves_this
            && eligible.contains(&entry.statement.by)
            && key_trust::has_listed_key(ctx.policy, entry)
        {
            approvers.insert(entry.statement.by.clone());
        }
    }
    Ok((required, approvers))
}

/// Returns the persons who are not machines and who neither sign nor request the entry.
fn exclude_signers(ctx: &Context<'_>, persons: BTreeSet<Person>) -> BTreeSet<Person> {
    let is_involved = |person: &Person| {
        ctx.statement
            .is_some_and(|it| it.by == *person || it.requested_by.as_ref() == Some(person))
    };
    persons
        .into_iter()
        .filter(|person| !ctx.policy.is_machine(person) && !is_involved(person))
        .collect()
}

/// Checks that enough admins approved a policy, and that `approvedBy` names exactly them.
pub(super) fn check_publish(ctx: &Context<'_>, publish: &Publish) -> Fact<Vec<Check>> {
    let (required, approvers) = consenting_admins(ctx, publish)?;
    let mut violations: Vec<Check> = check_approved_by(&publish.approved_by, &approvers)
        .into_iter()
        .chain(check_next_approvals(ctx))
        .collect();
    if required == 0 {
        return Ok(violations);
    }
    let filled: Vec<String> = approvers
        .iter()
        .map(|person| format!("{person} ✓"))
        .collect();
    let tally = format!("{} of {required}", filled.len());
    let tally = if filled.is_empty() {
        tally
    } else {
        format!("{tally}: {}", join_names(filled))
    };
    if usize::try_from(required).is_ok_and(|required| approvers.len() >= required) {
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
    let eligible = exclude_signers(ctx, ctx.policy.admins(root_keys));
    let remaining = eligible.difference(&approvers);
    let needs = format!("{tally}, needs {}", join_names(remaining));
    violations.push(Check::fail(Rule::Approvals, needs).remedy("git deploy policy approve"));
    Ok(violations)
}

/// Checks that the admins of the proposed policy can approve the one after it. The policy's own
/// validation cannot know the admins if they follow from the root keys. A text that is no policy
/// has no admins: the rule `authorization` refuses it.
fn check_next_approvals(ctx: &Context<'_>) -> Option<Check> {
    let Request::Entry { policy_text, .. } = ctx.request else {
        return None;
    };
    let (chain, text) = (ctx.facts.chain.as_ref()?, policy_text?);
    let proposed = Policy::from_bytes(text).ok()?;
    let shortage = proposed.describe_admin_shortage(&proposed.admins(&chain.root_keys))?;
    let hint = "name more people in `admins` or ask for fewer `approvals`, under [policy]";
    Some(Check::fail(
        Rule::Approvals,
        format!("policy.approvals: {shortage}; {hint}"),
    ))
}
