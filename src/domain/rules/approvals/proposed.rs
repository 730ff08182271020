//! Judges an approval before it is written.

use super::commit_approvals::{CommitApprovals, GivenApproval};
use super::excluded::ExcludedPersons;
use super::refusal::ApprovalRefusal;
use crate::domain::entry::Approve;
use crate::domain::name::Person;
use crate::domain::policy::DeployOn;
use crate::domain::rules::context::Context;
use crate::domain::rules::facts::Fact;

/// Returns why an approval would count for no requirement that names its approver, whoever starts
/// the deployment. Returns `None` if it would count. Also returns `None` if no requirement names the
/// approver: the rule `authorization` then refuses the approval.
///
/// The request is the deployment that is approved. Its plans are not known yet, so a component with
/// a `plan` command has the plan that the approval names.
pub(in crate::domain::rules) fn refuse_proposed_approval(
    ctx: &Context<'_>,
    by: &Person,
    approve: &Approve,
) -> Fact<Option<ApprovalRefusal>> {
    let requirements = &ctx.environment()?.approvals;
    let mut deployment = ctx.deployment()?.clone();
    for change in &mut deployment.components {
        let component = ctx.policy.component(&change.target.component);
        let has_plan_command = component.is_some_and(|it| it.plan.is_some());
        change.plan = has_plan_command
            .then(|| approve.plans.get(&change.target.component).cloned())
            .flatten();
    }
    let excluded = ExcludedPersons::find_before_start(ctx, requirements)?;
    // An `exec` changes nothing, but its approval is for the components that it names.
    let changes = deployment.components.iter().collect();
    let purpose = approve.purpose.clone();
    let approvals = CommitApprovals::new(approve.commit, purpose, changes, requirements);
    let approval = GivenApproval {
        by,
        at: ctx.now,
        approve,
    };
    let matched = approvals.match_requirements(ctx, &approval, &excluded);
    let is_other_plan = matched.refusal == Some(ApprovalRefusal::OtherPlan);
    let counts = !matched.counting.is_empty() || (is_other_plan && needs_no_plan(ctx, approve));
    Ok(matched.refusal.filter(|_| !counts))
}

/// Returns whether an approval without plans counts for the branch update before the deployment.
fn needs_no_plan(ctx: &Context<'_>, approve: &Approve) -> bool {
    let deploys_on_merge = ctx
        .environment
        .is_some_and(|it| it.branch.is_some() && it.deploy_on == DeployOn::Merge);
    approve.plans.is_empty() && deploys_on_merge
}
