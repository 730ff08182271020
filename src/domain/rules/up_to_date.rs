//! The rule `up to date`: the commit contains the tip of the environment's branch, or is on the
//! branch, as the policy requires.
//!
//! The entry states the tip, so that an audit can repeat the check after the branch has moved on.
//! The check is made for that tip and for the current one.

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::RuleDefinition;
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::request::RequestContext;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::entry::Deployment;
use crate::domain::id::CommitId;
use crate::domain::policy::{BranchName, DeployOn, Environment};
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::UpToDate,
    name: "up to date",
    description: "With `up_to_date`, the commit contains the tip of the environment's branch. With `deploy_on = \"merge\"`, the commit is on that branch.",
    faced_by: RequestKinds::of(&[RequestKind::Deploy]),
    hotfix_skip: None,
    reads: &[],
    needs,
    check,
};

fn needs(subject: &RequestContext<'_>) -> Vec<FactNeed> {
    let has_branch = subject.environment.is_some_and(|it| it.branch.is_some());
    has_branch
        .then_some(FactNeed::BranchTip)
        .into_iter()
        .collect()
}

fn check(ctx: &Context<'_>) -> Vec<Check> {
    let Some(environment) = ctx.environment else {
        return vec![Check::unknown(
            Rule::UpToDate,
            "the policy has no such environment",
        )];
    };
    let Some(branch) = &environment.branch else {
        return Vec::new();
    };
    if environment.deploy_on != DeployOn::Merge && !environment.up_to_date {
        return Vec::new();
    }
    let violations = ctx
        .deployment()
        .and_then(|deployment| judge(ctx, deployment, environment, branch));
    or_unknown(
        Rule::UpToDate,
        violations.map(|violations| pass_if_none(Rule::UpToDate, violations)),
    )
}

fn judge(
    ctx: &Context<'_>,
    deployment: &Deployment,
    environment: &Environment,
    branch: &BranchName,
) -> Fact<Vec<Check>> {
    let must_be_merged = environment.deploy_on == DeployOn::Merge;
    let current_tip = match &ctx.facts.branch_tip {
        Some(Ok(tip)) => *tip,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err(format!("the branch {branch} was not read")),
    };
    let Some(current_tip) = current_tip else {
        // Without a branch, there is no tip to contain, and no commit can be on it.
        let why = format!("there is no branch {branch}");
        return Ok(must_be_merged
            .then(|| Check::fail(Rule::UpToDate, why))
            .into_iter()
            .collect());
    };
    let Some(stated_tip) = deployment.branch_tip else {
        return Ok(vec![Check::fail(
            Rule::UpToDate,
            format!("the entry does not state the tip of {branch}"),
        )]);
    };
    let tips = if stated_tip == current_tip {
        vec![current_tip]
    } else {
        vec![current_tip, stated_tip]
    };
    let mut violations = Vec::new();
    for commit in deployed_commits(deployment) {
        for tip in &tips {
            let (short, tip_short) = (commit.short(), tip.short());
            if environment.up_to_date && !ctx.contains(commit, *tip)? {
                let why = format!("{short} does not contain {tip_short}, the tip of {branch}");
                violations.push(
                    Check::fail(Rule::UpToDate, why).remedy(format!("git merge {tip_short}")),
                );
            }
            if must_be_merged && !ctx.contains(*tip, commit)? {
                let why = format!("{short} is not on {branch}, whose tip is {tip_short}");
                violations.push(Check::fail(Rule::UpToDate, why));
            }
        }
    }
    Ok(violations)
}

fn deployed_commits(deployment: &Deployment) -> std::collections::BTreeSet<CommitId> {
    deployment
        .components
        .iter()
        .map(|change| change.target.commit)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rules::testing::{Case, commit, deploy};

    const MERGE: &str = "[environments]\nprod = { branch = \"main\" }\n";
    const APPROVAL: &str = "[environments]\nprod = { branch = \"main\", deploy_on = \"approval\", up_to_date = true }\n";

    fn case(rest: &str) -> Case {
        let mut case = Case::new(rest, "prod", "alice", deploy("catalogue", 1, None));
        case.deployment().branch_tip = Some(commit(2));
        case.facts.branch_tip = Some(Ok(Some(commit(2))));
        case
    }

    /// With `deploy_on = "merge"` only merged commits are deployed.
    #[test]
    fn on_the_branch() {
        let mut case = case(MERGE);
        case.unknown(Rule::UpToDate, "not looked up");
        case.facts
            .containment
            .insert((commit(2), commit(1)), Ok(true));
        case.passes(Rule::UpToDate);
        // The branch has moved on, and the commit is on it for both tips.
        case.facts.branch_tip = Some(Ok(Some(commit(3))));
        case.facts
            .containment
            .insert((commit(3), commit(1)), Ok(true));
        case.passes(Rule::UpToDate);
        case.facts
            .containment
            .insert((commit(3), commit(1)), Ok(false));
        case.fails(Rule::UpToDate, "is not on main");
        case.facts.branch_tip = Some(Ok(None));
        case.fails(Rule::UpToDate, "no branch main");
    }

    /// A commit without the branch's newest commits is refused if the policy requires them.
    #[test]
    fn contains_the_tip() {
        let mut case = case(APPROVAL);
        case.facts
            .containment
            .insert((commit(1), commit(2)), Ok(true));
        case.passes(Rule::UpToDate);
        case.facts
            .containment
            .insert((commit(1), commit(2)), Ok(false));
        case.fails(
            Rule::UpToDate,
            "does not contain 020202020202, the tip of main",
        );
        // An old tip in the entry does not replace the check of the current tip.
        case.deployment().branch_tip = Some(commit(1));
        case.fails(Rule::UpToDate, "does not contain");
        case.facts.branch_tip = Some(Ok(None));
        case.passes(Rule::UpToDate);
    }

    /// An audit needs the tip in the entry.
    #[test]
    fn entry_states_the_tip() {
        let mut case = case(MERGE);
        case.deployment().branch_tip = None;
        case.fails(Rule::UpToDate, "does not state");
        case.facts.branch_tip = None;
        case.unknown(Rule::UpToDate, "not read");
        let free = case_without_branch();
        assert!(free.checks(Rule::UpToDate).is_empty());
    }

    fn case_without_branch() -> Case {
        case("[environments]\nprod = {}\n")
    }
}
