//! The rule `up to date`: the commit contains the tip of the environment's branch, or is on the branch, as the environment requires.
//!
//! The entry names the tip, so that an audit can ask again when the branch has moved on. The rule holds for that tip and for the
//! branch's present one.

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::RuleDefinition;
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::request::RequestContext;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::entry::Deployment;
use crate::domain::id::CommitId;
use crate::domain::policy::{BranchName, DeployOn};
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::UpToDate,
    name: "up to date",
    description: "The commit contains the tip of the environment's branch (`up_to_date`) or is on the branch (`deploy_on = \"merge\"`).",
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
    let merged = environment.deploy_on == DeployOn::Merge;
    if !merged && !environment.up_to_date {
        return Vec::new();
    }
    let found = ctx
        .deployment()
        .and_then(|deployment| judge(ctx, deployment, branch, merged, environment.up_to_date));
    or_unknown(
        Rule::UpToDate,
        found.map(|against| pass_if_none(Rule::UpToDate, against)),
    )
}

fn judge(
    ctx: &Context<'_>,
    deployment: &Deployment,
    branch: &BranchName,
    merged: bool,
    up_to_date: bool,
) -> Fact<Vec<Check>> {
    let now = match &ctx.facts.branch_tip {
        Some(Ok(tip)) => *tip,
        Some(Err(why)) => return Err(why.clone()),
        None => return Err(format!("the branch {branch} was not read")),
    };
    let Some(now) = now else {
        // Nothing to contain; and nothing that could contain.
        let why = format!("there is no branch {branch}");
        return Ok(merged
            .then(|| Check::fail(Rule::UpToDate, why))
            .into_iter()
            .collect());
    };
    let Some(said) = deployment.branch_tip else {
        return Ok(vec![Check::fail(
            Rule::UpToDate,
            format!("the entry does not state the tip of {branch}"),
        )]);
    };
    let tips = if said == now {
        vec![now]
    } else {
        vec![now, said]
    };
    let mut against = Vec::new();
    for commit in deployed_commits(deployment) {
        for tip in &tips {
            let (short, tip_short) = (commit.short(), tip.short());
            if up_to_date && !ctx.contains(commit, *tip)? {
                let why = format!("{short} does not contain {tip_short}, the tip of {branch}");
                against
                    .push(Check::fail(Rule::UpToDate, why).remedy(format!("git merge {branch}")));
            }
            if merged && !ctx.contains(*tip, commit)? {
                let why = format!("{short} is not on {branch}, whose tip is {tip_short}");
                against.push(Check::fail(Rule::UpToDate, why));
            }
        }
    }
    Ok(against)
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
        case.facts.contains.insert((commit(2), commit(1)), Ok(true));
        case.passes(Rule::UpToDate);
        // The branch has moved on since: still on it, by both tips.
        case.facts.branch_tip = Some(Ok(Some(commit(3))));
        case.facts.contains.insert((commit(3), commit(1)), Ok(true));
        case.passes(Rule::UpToDate);
        case.facts
            .contains
            .insert((commit(3), commit(1)), Ok(false));
        case.fails(Rule::UpToDate, "is not on main");
        case.facts.branch_tip = Some(Ok(None));
        case.fails(Rule::UpToDate, "no branch main");
    }

    /// A commit without the branch's newest commits is refused if the policy requires them.
    #[test]
    fn contains_the_tip() {
        let mut case = case(APPROVAL);
        case.facts.contains.insert((commit(1), commit(2)), Ok(true));
        case.passes(Rule::UpToDate);
        case.facts
            .contains
            .insert((commit(1), commit(2)), Ok(false));
        case.fails(
            Rule::UpToDate,
            "does not contain 020202020202, the tip of main",
        );
        // An old tip in the entry does not help against a new one.
        case.deployment().branch_tip = Some(commit(1));
        case.fails(Rule::UpToDate, "does not contain");
        case.facts.branch_tip = Some(Ok(None));
        case.passes(Rule::UpToDate);
    }

    /// An audit needs the tip in the entry.
    #[test]
    fn the_entry_says_the_tip() {
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
