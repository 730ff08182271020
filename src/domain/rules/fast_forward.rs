//! The rule `fast-forward`: the new commit contains the running one. A rollback instead returns to what ran here and was healthy.

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::RuleDefinition;
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::request::RequestContext;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::entry::{
    Action, ComponentChange, Deployment, DeploymentKind, Intent, Outcome, StoredEntry,
    VerificationResult,
};
use crate::domain::name::ComponentName;
use crate::domain::state::EnvState;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::FastForward,
    name: "fast-forward",
    description: "The new commit contains the running one, if the environment has a branch or for a hotfix; a rollback goes to content that was a verified success here.",
    faced_by: RequestKinds::of(&[
        RequestKind::Deploy,
        RequestKind::Hotfix,
        RequestKind::Rollback,
        RequestKind::Merge,
    ]),
    hotfix_skip: None,
    reads: &[],
    needs,
    check,
};

fn needs(subject: &RequestContext<'_>) -> Vec<FactNeed> {
    match subject.kind {
        RequestKind::Rollback => vec![FactNeed::EarlierRuns],
        RequestKind::Hotfix => vec![FactNeed::RunningAncestry],
        _ if subject.environment.is_some_and(|it| it.branch.is_some()) => {
            vec![FactNeed::RunningAncestry]
        }
        _ => Vec::new(),
    }
}

fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(
        Rule::FastForward,
        judge(ctx).map(|against| pass_if_none(Rule::FastForward, against)),
    )
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    let (deployment, here) = (ctx.deployment()?, ctx.environment_state()?);
    let mut against = Vec::new();
    for change in deployment.changed() {
        let found = match deployment.kind {
            DeploymentKind::Rollback => check_rollback(ctx, change),
            _ => check_forward(ctx, here, deployment, change),
        };
        against.extend(found.unwrap_or_else(|why| {
            Some(Check::unknown(
                Rule::FastForward,
                crate::domain::text::sanitize(&why),
            ))
        }));
    }
    Ok(against)
}

fn fail(why: impl Into<String>) -> Check {
    Check::fail(Rule::FastForward, why)
}

/// Checks that the new commit contains the running one: always for a hotfix, otherwise if the
/// environment has a branch.
fn check_forward(
    ctx: &Context<'_>,
    here: EnvState<'_>,
    deployment: &Deployment,
    change: &ComponentChange,
) -> Fact<Option<Check>> {
    let (component, commit) = (&change.target.component, change.target.commit);
    let Some(runs) = here.commit(component) else {
        return Ok(None);
    };
    let equal =
        here.unknown_since(component).is_none() && here.content(component) == change.target.content;
    let hotfix = deployment.kind == DeploymentKind::Hotfix;
    let asked = hotfix || ctx.environment()?.branch.is_some() && !equal;
    if !asked || ctx.contains(commit, runs)? {
        return Ok(None);
    }
    let place = ctx.environment_label();
    let check = fail(format!(
        "{} does not contain {}, which runs of {component} in {place}",
        commit.short(),
        runs.short()
    ));
    Ok(Some(if hotfix {
        check
    } else {
        check.remedy(format!(
            "git deploy record {place} {} --rollback",
            commit.short()
        ))
    }))
}

/// Checks that a rollback goes to content that ran here and was a verified success.
fn check_rollback(ctx: &Context<'_>, change: &ComponentChange) -> Fact<Option<Check>> {
    let (component, place) = (&change.target.component, ctx.environment_label());
    if change.intent == Intent::Destroy {
        // Otherwise an old commit without the component would remove it without any approval.
        return Ok(Some(fail(format!(
            "a rollback cannot remove a component: {component} is absent at its commit"
        ))));
    }
    let entries = match ctx.facts.earlier_runs.get(component) {
        Some(Ok(entries)) => entries,
        Some(Err(why)) => return Err(why.clone()),
        None => {
            return Err(format!(
                "whether {component} ran here before was not looked up"
            ));
        }
    };
    // Oldest first; a verification alone is no stay.
    let good = entries
        .iter()
        .rev()
        .fold(None, |good, kept| match &kept.statement.action {
            Action::Verification(it)
                if it
                    .components
                    .iter()
                    .any(|other| other.component == *component) =>
            {
                good.map(|_| it.verification == VerificationResult::Passed)
            }
            _ => verified_success(ctx, change, kept).or(good),
        });
    let what = format!("{component} at {}", change.target.commit.short());
    Ok(match good {
        Some(true) => None,
        Some(false) => Some(fail(format!(
            "{what} was not a verified success in {place}"
        ))),
        None => Some(fail(format!("{what} never ran in {place}"))),
    }
    .map(|check| check.remedy(format!("git deploy log {place}"))))
}

/// Returns whether the success of an entry was verified; `None` if the entry did not deploy the
/// wanted content here.
fn verified_success(
    ctx: &Context<'_>,
    change: &ComponentChange,
    kept: &StoredEntry,
) -> Option<bool> {
    let component = &change.target.component;
    let ended = kept.statement.component_result(component)?;
    let this = ended.outcome == Outcome::Succeeded && ended.target.content == change.target.content;
    // A baseline is an admin's word, and asks for no verification.
    let baseline = matches!(kept.statement.action, Action::Baseline(_));
    this.then(|| baseline || is_verified(ctx, component, ended.verification))
}

/// Returns whether a result counts as verified. A missing verification does only if the policy in
/// force has no `verify`.
fn is_verified(ctx: &Context<'_>, component: &ComponentName, result: VerificationResult) -> bool {
    match result {
        VerificationResult::Passed => true,
        VerificationResult::Failed => false,
        VerificationResult::None => ctx
            .policy
            .component(component)
            .is_none_or(|it| it.verify.is_none()),
    }
}

#[cfg(test)]
mod tests;
