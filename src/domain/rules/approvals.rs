//! The rule `approvals`: each required approval is given by a different person who may give it.
//!
//! People are matched to the required slots, so that no one fills two slots even if groups overlap.
//! Each commit is approved separately: a deployment of components at several commits needs
//! approvals for each.

mod approved_by;
mod commit_approvals;
mod excluded;
mod missing;
mod proposed;
mod publish;
mod refusal;

use std::collections::BTreeSet;

use super::context::{Context, or_unknown};
use super::definition::{OtherLedger, RuleDefinition};
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::findings::join_names;
use super::request::RequestContext;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::command_line::{component_options, is_quoted_for_shell};
use crate::domain::entry::{Action, ApprovalPurpose, ComponentChange, Deployment, DeploymentKind};
use crate::domain::name::Person;
use crate::domain::policy::{Environment, PreventSelf};
use crate::domain::verdict::{Check, Rule};

use approved_by::check_approved_by;
use commit_approvals::{CommitApprovals, approvers, commit_approvals, is_exempt};
pub(super) use proposed::refuse_proposed_approval;
use publish::{check_publish, policy_approvals};
pub use refusal::ApprovalRefusal;

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Approvals,
    name: "approvals",
    description: "The required number of different people approved the changed components at their commits (or the policy), and the entry's field `approvedBy` names exactly the people whose approvals count. A policy is refused if its own admins could not approve the next one. An approval is for a deployment, a removal or one command, and counts for nothing else. It stops counting 5 minutes (the tolerance for clocks) before it expires. A rollback and break glass need no approval.",
    faced_by: RequestKinds::of(&[
        RequestKind::Deploy,
        RequestKind::Hotfix,
        RequestKind::Destroy,
        RequestKind::Exec,
        RequestKind::Merge,
        RequestKind::Publish,
        // These need no approval, so their `approvedBy` must be empty.
        RequestKind::Rollback,
        RequestKind::BreakGlass,
    ]),
    hotfix_skip: None,
    reads: &[OtherLedger::PreviousEnvironments],
    needs,
    check,
};

fn needs(subject: &RequestContext<'_>) -> Vec<FactNeed> {
    match (subject.kind, subject.environment) {
        (RequestKind::Publish | RequestKind::Rollback | RequestKind::BreakGlass, _) | (_, None) => {
            Vec::new()
        }
        (_, Some(environment)) => {
            let required = &environment.approvals;
            let mut settings = required.iter().map(|requirement| requirement.prevent_self);
            if settings.any(PreventSelf::excludes_authors) {
                // The authors of the commits as which the content ran in a previous environment are
                // excluded too, even for a hotfix that skips the promotion.
                vec![FactNeed::Authors, FactNeed::PreviousLog]
            } else {
                Vec::new()
            }
        }
    }
}

fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(Rule::Approvals, judge(ctx))
}

/// Returns everyone whose approval counts for a `start`, `record` or `publish`. Returns an empty set
/// if a fact is missing.
pub(super) fn counting_approvers(ctx: &Context<'_>) -> BTreeSet<Person> {
    let counting = match ctx.statement.map(|statement| &statement.action) {
        Some(Action::Publish(publish)) => {
            policy_approvals(ctx, publish).map(|approvals| approvals.approvers)
        }
        Some(Action::Start(_) | Action::Record(_)) => {
            commit_approvals(ctx).map(|approvals| approvers(&approvals))
        }
        _ => Ok(BTreeSet::new()),
    };
    counting.unwrap_or_default()
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    if let Some(Action::Publish(publish)) = ctx.statement.map(|statement| &statement.action) {
        return check_publish(ctx, publish);
    }
    let (approvals, deployment) = (commit_approvals(ctx)?, ctx.deployment()?);
    let mut violations = Vec::new();
    if ctx.statement.is_some() {
        violations.extend(check_approved_by(
            &deployment.approved_by,
            &approvers(&approvals),
        ));
    }
    let is_required = !ctx.environment()?.approvals.is_empty() && !is_exempt(deployment);
    if deployment.kind == DeploymentKind::Exec && approvals.is_empty() && is_required {
        // Approvals are for components, so a command that names none would need no approval.
        violations.push(Check::fail(
            Rule::Approvals,
            "a command that names no component cannot be approved: name the components it runs in",
        ));
    }
    let mut filled = Vec::new();
    for group in &approvals {
        match group.describe_missing(ctx)? {
            Some(missing) => {
                let detail = group.prefix_commit(&approvals, missing.detail);
                let check = Check::fail(Rule::Approvals, detail);
                let command = approve_command(ctx, deployment, group);
                let eligible = missing.eligible;
                violations.push(match (missing.policy_command, command) {
                    (Some(command), _) => check
                        .remedy(command)
                        .remedy_by(ctx.admins().unwrap_or_default()),
                    (None, Some(command)) if !eligible.is_empty() => {
                        check.remedy(command).remedy_by(eligible)
                    }
                    (None, _) => check.remedy_by(eligible),
                });
            }
            None => filled.push(group.prefix_commit(&approvals, group.describe_tally())),
        }
    }
    Ok(if violations.is_empty() && is_required {
        vec![Check::pass(Rule::Approvals, join_names(filled))]
    } else {
        violations
    })
}

/// Returns whether the approvals that a failed check of this rule lacks can still be given.
pub fn can_be_approved(check: &Check) -> bool {
    check.remedy.as_ref().map_or_else(
        || !check.remedy_by.is_empty(),
        |command| command.contains(APPROVE),
    )
}

/// The beginning of the commands that approve.
const APPROVE: &str = "git deploy approve ";

/// Returns the command that gives a missing approval at one commit. Returns `None` for the approval
/// of an `exec` whose command line a shell would not take literally.
fn approve_command(
    ctx: &Context<'_>,
    deployment: &Deployment,
    approvals: &CommitApprovals<'_>,
) -> Option<String> {
    let components = || component_options(approvals.changes.iter().map(|it| &it.target.component));
    let options = match (&approvals.purpose, &deployment.command) {
        // The commit still has the component, so the approval of its removal must name it.
        (ApprovalPurpose::Destroy, _) if deployment.kind == DeploymentKind::Destroy => {
            format!("{} --destroy", components())
        }
        (ApprovalPurpose::Destroy, _) => " --destroy".to_owned(),
        (ApprovalPurpose::Exec { .. }, Some(command)) if is_quoted_for_shell(command) => {
            format!("{} --exec -- {command}", components())
        }
        (ApprovalPurpose::Exec { .. }, _) => return None,
        (ApprovalPurpose::Deploy, _) => String::new(),
    };
    let (environment, commit) = (ctx.environment_label(), approvals.commit.short());
    let command = format!("{APPROVE}{environment} {commit}{options}");
    let binds_plans = ctx
        .environment
        .is_some_and(Environment::binds_approvals_to_plans);
    let has_plan = |change: &&ComponentChange| {
        let component = ctx.policy.component(&change.target.component);
        !change.is_removal() && component.is_some_and(|it| it.plan.is_some())
    };
    let needs_plans = binds_plans
        && approvals.purpose == ApprovalPurpose::Deploy
        && approvals.changes.iter().any(has_plan);
    // Such an approval must name the plans, which the approver makes and reviews.
    Some(if needs_plans {
        format!(
            "git deploy plan {environment} {commit} --json > plans.json && {command} --plans plans.json"
        )
    } else {
        command
    })
}

#[cfg(test)]
mod tests;
