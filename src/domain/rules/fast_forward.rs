//! The rule `fast-forward`: the new commit contains the running one. A rollback
//! instead returns to content that was a verified success here.

use std::sync::Arc;

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::RuleDefinition;
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::key_trust::has_listed_key;
use super::request::RequestContext;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::entry::{
    Action, ComponentChange, Deployment, DeploymentKind, Outcome, StoredEntry, VerificationResult,
};
use crate::domain::name::ComponentName;
use crate::domain::state::EnvState;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::FastForward,
    name: "fast-forward",
    description: "The new commit, or one in its history, is the running one or has the running content of the component, if the environment has a `branch` or the deployment is a hotfix. A hotfix is only for components that run. A rollback returns to content that succeeded in this environment (verified, if the component has a `verify` command), and not of a component that was removed since. A run that was signed with a removed key does not count.",
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
        judge(ctx).map(|violations| pass_if_none(Rule::FastForward, violations)),
    )
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    let (deployment, env_state) = (ctx.deployment()?, ctx.environment_state()?);
    let mut violations = Vec::new();
    for change in deployment.changed() {
        let result = match deployment.kind {
            DeploymentKind::Rollback => check_rollback(ctx, change),
            _ => check_forward(ctx, env_state, deployment, change),
        };
        violations.extend(result.unwrap_or_else(|why| {
            Some(Check::unknown(
                Rule::FastForward,
                crate::domain::text::sanitize(&why),
            ))
        }));
    }
    Ok(violations)
}

fn fail(why: impl Into<String>) -> Check {
    Check::fail(Rule::FastForward, why)
}

/// Checks that the new commit, or one in its history, is the running one or has its content: always
/// for a hotfix, otherwise if the environment has a branch.
fn check_forward(
    ctx: &Context<'_>,
    env_state: EnvState<'_>,
    deployment: &Deployment,
    change: &ComponentChange,
) -> Fact<Option<Check>> {
    let (component, commit) = (&change.target.component, change.target.commit);
    let is_hotfix = deployment.kind == DeploymentKind::Hotfix;
    let Some(running) = env_state.commit(component) else {
        // A renamed component still runs under an old name. The deployment also removes the old
        // name, and that removal is compared with the running commit.
        let mut old_names = ctx.policy.former_names(component).iter();
        let runs_as_old = old_names.any(|old| env_state.commit(old).is_some());
        return Ok((is_hotfix && !runs_as_old).then(|| refuse_absent_hotfix(ctx, change)));
    };
    let is_undeclared = !ctx.policy.has_component(component);
    if is_undeclared && !is_hotfix && ctx.policy.renamed_to(component).is_none() {
        // No commit has a component that the policy does not declare, so none is further ahead.
        return Ok(None);
    }
    let has_running_content = env_state.unknown_since(component).is_none()
        && env_state.content(component) == change.target.content;
    let is_required = is_hotfix || ctx.environment()?.branch.is_some() && !has_running_content;
    if !is_required
        || ctx.contains(commit, running)?
        || ctx.history_has_running_content(commit, component)?
    {
        return Ok(None);
    }
    let environment_label = ctx.environment_label();
    let check = fail(format!(
        "{} contains neither {}, the running commit of {component} in {environment_label}, nor its content",
        commit.short(),
        running.short()
    ));
    // A commit behind the running one goes back: only a release that ran there can be restored.
    Ok(Some(match ctx.contains(running, commit) {
        Ok(true) if is_hotfix => check,
        Ok(true) => check.remedy(format!("git deploy rollback {environment_label} --list")),
        _ => check.remedy(format!("git merge {}", running.short())),
    }))
}

/// Refuses a hotfix of a component that does not run: there is nothing to fix, and a hotfix may skip
/// rules that a first deployment faces.
fn refuse_absent_hotfix(ctx: &Context<'_>, change: &ComponentChange) -> Check {
    let (component, environment_label) = (&change.target.component, ctx.environment_label());
    let check = fail(format!(
        "{component} does not run in {environment_label}, so there is nothing to fix: deploy it without --hotfix"
    ));
    let commit = change.target.commit.short();
    check.remedy(format!(
        "git deploy check {environment_label} {commit} --component {component}"
    ))
}

/// The success of an earlier deployment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PastSuccess {
    Verified,
    Unverified,
}

impl PastSuccess {
    fn new(is_verified: bool) -> Self {
        if is_verified {
            Self::Verified
        } else {
            Self::Unverified
        }
    }
}

/// Checks that a rollback goes to content that ran here and was a verified success.
fn check_rollback(ctx: &Context<'_>, change: &ComponentChange) -> Fact<Option<Check>> {
    let (component, environment_label) = (&change.target.component, ctx.environment_label());
    if change.is_removal() {
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
    let trusted =
        |entry: &&Arc<StoredEntry>| has_listed_key(ctx.policy, entry) || reports_failure(entry);
    // From oldest to newest. `None` until an entry deploys the content: a verification alone does
    // not show that it ran.
    let oldest_first = entries.iter().rev().filter(trusted);
    let success = oldest_first.fold(None, |success, entry| match &entry.statement.action {
        Action::Verification(it)
            if it
                .components
                .iter()
                .any(|verified| verified.component == *component) =>
        {
            let has_passed = it.verification == VerificationResult::Passed;
            success.map(|_| PastSuccess::new(has_passed))
        }
        _ => past_success(ctx, change, entry).or(success),
    });
    let label = format!("{component} at {}", change.target.commit.short());
    Ok(match success {
        Some(PastSuccess::Verified) if ctx.environment_state()?.commit(component).is_none() => {
            return Ok(Some(refuse_removed(ctx, change)));
        }
        Some(PastSuccess::Verified) => None,
        Some(PastSuccess::Unverified) => Some(fail(format!(
            "{label} was not a verified success in {environment_label}"
        ))),
        None => match entries.iter().find(|entry| !trusted(entry)) {
            Some(entry) => return Ok(Some(refuse_removed_key(ctx, change, entry))),
            None => Some(fail(format!("{label} never ran in {environment_label}"))),
        },
    }
    .map(|check| check.remedy(format!("git deploy log {environment_label}"))))
}

/// Returns whether an entry reports a failed verification. Such an entry counts even if its key was
/// removed.
fn reports_failure(entry: &StoredEntry) -> bool {
    matches!(&entry.statement.action, Action::Verification(it)
        if it.verification == VerificationResult::Failed)
}

/// Refuses a rollback to a release that ran here only according to an entry whose key was removed.
fn refuse_removed_key(ctx: &Context<'_>, change: &ComponentChange, entry: &StoredEntry) -> Check {
    let (target, environment_label) = (&change.target, ctx.environment_label());
    let (component, commit) = (&target.component, target.commit.short());
    let check = fail(format!(
        "{} signed the run of {component} at {commit} in {environment_label} with a key that was removed, so a rollback cannot go back to it: deploy it again",
        entry.statement.by
    ));
    check.remedy(format!(
        "git deploy check {environment_label} {commit} --component {component}"
    ))
}

/// Refuses a rollback of a component that ran here and was removed since: the rollback would bring
/// the component back without any approval.
fn refuse_removed(ctx: &Context<'_>, change: &ComponentChange) -> Check {
    let (component, environment_label) = (&change.target.component, ctx.environment_label());
    let check = fail(format!(
        "{component} was removed from {environment_label} after its last success there: a rollback cannot bring it back, a deployment can"
    ));
    let commit = change.target.commit.short();
    check.remedy(format!(
        "git deploy check {environment_label} {commit} --component {component}"
    ))
}

/// Returns the success of an entry that deployed the content of the change here. Returns `None` for
/// any other entry.
fn past_success(
    ctx: &Context<'_>,
    change: &ComponentChange,
    entry: &StoredEntry,
) -> Option<PastSuccess> {
    let component = &change.target.component;
    let result = entry.statement.component_result(component)?;
    let deploys_content =
        result.outcome == Outcome::Succeeded && result.target.content == change.target.content;
    // A baseline is an admin's statement and needs no verification.
    let is_baseline = matches!(entry.statement.action, Action::Baseline(_));
    deploys_content
        .then(|| PastSuccess::new(is_baseline || is_verified(ctx, component, result.verification)))
}

/// Returns whether a result counts as verified. A missing verification counts only if the
/// policy in force has no `verify` for the component.
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
