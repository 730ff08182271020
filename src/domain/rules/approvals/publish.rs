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

/// The approvals of a policy.
pub(super) struct PolicyApprovals {
    /// The number of admins, other than the publisher, who must approve the policy.
    required: u32,
    /// The admins whose approval counts.
    pub approvers: BTreeSet<Person>,
}

/// Returns the approvals that a policy needs and has.
pub(super) fn policy_approvals(ctx: &Context<'_>, publish: &Publish) -> Fact<PolicyApprovals> {
    let chain = ctx
        .facts
        .chain
        .as_ref()
        .ok_or("the policy's ledger was not read")?;
    let required = ctx.policy.admin_rules.approvals;
    // Before the first policy, no policy is in force that could require approvals. Before a
    // recovery, no admin is left. The rule `authorization` decides who may publish these.
    if chain.sequence == 0 || publish.recovered || required == 0 {
        return Ok(PolicyApprovals {
            required: 0,
            approvers: BTreeSet::new(),
        });
    }
    let eligible = exclude_ineligible(ctx, ctx.policy.admins(&chain.root_keys));
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
    Ok(PolicyApprovals {
        required,
        approvers,
    })
}

/// Returns the persons whose approval can count: those who are not machines and who neither sign nor
/// request the entry.
fn exclude_ineligible(ctx: &Context<'_>, persons: BTreeSet<Person>) -> BTreeSet<Person> {
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
    let PolicyApprovals {
        required,
        approvers,
    } = policy_approvals(ctx, publish)?;
    let mut violations: Vec<Check> = check_approved_by(&publish.approved_by, &approvers)
        .into_iter()
        .chain(check_next_approvals(ctx))
        .collect();
    if required == 0 {
        return Ok(violations);
    }
    let tally = describe_tally(required, &approvers);
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
    let eligible = exclude_ineligible(ctx, ctx.policy.admins(root_keys));
    let remaining: BTreeSet<Person> = eligible.difference(&approvers).cloned().collect();
    let missing = usize::try_from(required).unwrap_or(usize::MAX) - approvers.len();
    violations.push(refuse_missing(&tally, missing, remaining));
    Ok(violations)
}

/// Describes how many of the required approvals there are, and whose.
fn describe_tally(required: u32, approvers: &BTreeSet<Person>) -> String {
    let filled: Vec<String> = approvers
        .iter()
        .map(|person| format!("{person} ✓"))
        .collect();
    let tally = format!("{} of {required}", filled.len());
    if filled.is_empty() {
        tally
    } else {
        format!("{tally}: {}", join_names(filled))
    }
}

/// Refuses a policy for which approvals are missing, and names the admins who may give them.
fn refuse_missing(tally: &str, missing: usize, remaining: BTreeSet<Person>) -> Check {
    if remaining.len() < missing {
        let left = match remaining.len() {
            0 => "no other admin is left who may approve".to_owned(),
            1 => format!("only {} is left", join_names(&remaining)),
            _ => format!("only {} are left", join_names(&remaining)),
        };
        Check::fail(
            Rule::Approvals,
            format!("{tally}, needs {missing} more, but {left}"),
        )
    } else {
        let needs = match (missing, remaining.len()) {
            (1, 1) => format!("{tally}, needs {}", join_names(&remaining)),
            (1, _) => format!("{tally}, needs one of {}", join_names(&remaining)),
            _ => format!(
                "{tally}, needs {missing} more, of {}",
                join_names(&remaining)
            ),
        };
        let check = Check::fail(Rule::Approvals, needs).remedy("git deploy policy approve");
        check.remedy_by(remaining)
    }
}

/// Checks that the admins of the proposed policy can approve the one after it. The validation of
/// `deploy.toml` cannot check this if the admins follow from the root keys, which are not in the
/// file. An invalid `deploy.toml` passes here: the rule `authorization` refuses it.
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
