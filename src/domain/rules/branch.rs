//! The rule `branch`: the branch of an environment only fast-forwards and cannot be deleted. With
//! `deploy_on = "approval"` it moves only to content that the environment already runs.
//!
//! With `deploy_on = "merge"` the environment's other rules judge the new commit as if it were
//! deployed.

use super::context::{Context, or_unknown};
use super::definition::RuleDefinition;
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::findings::{Findings, Violation};
use super::request::{Request, RequestContext};
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::deploy_command::DeployCommand;
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::policy::DeployOn;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Branch,
    name: "branch",
    description: "The branch of an environment cannot be deleted and only fast-forwards. With `deploy_on = \"approval\"` it moves only to content that the environment already runs.",
    faced_by: RequestKinds::of(&[RequestKind::Merge, RequestKind::Branch]),
    hotfix_skip: None,
    reads: &[],
    needs,
    check,
};

fn needs(subject: &RequestContext<'_>) -> Vec<FactNeed> {
    let Request::Branch {
        old: Some(old),
        new: Some(new),
        ..
    } = subject.request
    else {
        return Vec::new();
    };
    let components = subject.policy.component_names().into_iter();
    let contents = components
        .filter(|_| subject.kind == RequestKind::Branch)
        .map(|component| FactNeed::Content(old, component));
    contents.chain([FactNeed::Containment(new, old)]).collect()
}

fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(Rule::Branch, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    let Request::Branch {
        environment,
        old,
        new,
        ..
    } = ctx.request
    else {
        return Ok(Vec::new());
    };
    let Some(new) = new else {
        return Ok(vec![Check::fail(
            Rule::Branch,
            format!("it belongs to {environment} and cannot be deleted"),
        )]);
    };
    if let Some(old) = old
        && !ctx.contains(new, old)?
    {
        let detail = format!(
            "{} does not contain {}: it may only fast-forward",
            new.short(),
            old.short()
        );
        return Ok(vec![Check::fail(Rule::Branch, detail)]);
    }
    if ctx.environment()?.deploy_on == DeployOn::Merge {
        return Ok(vec![Check::pass(Rule::Branch, "")]);
    }
    let mut findings = Findings::new(Rule::Branch);
    for component in ctx.policy.component_names() {
        findings.add(&component, check_component(ctx, old, new, &component));
    }
    Ok(findings.checks())
}

fn check_component(
    ctx: &Context<'_>,
    old: Option<CommitId>,
    new: CommitId,
    component: &ComponentName,
) -> Fact<Option<Violation>> {
    let is_unchanged = match old {
        Some(old) => ctx.content(old, component)? == ctx.content(new, component)?,
        None => false,
    };
    if is_unchanged {
        Ok(None)
    } else {
        check_runs(ctx, new, component)
    }
}

/// Checks that the environment runs the content that a component has at the commit. A component
/// that is absent at the commit must be absent in the environment.
pub(super) fn check_runs(
    ctx: &Context<'_>,
    commit: CommitId,
    component: &ComponentName,
) -> Fact<Option<Violation>> {
    let (env_state, environment) = (ctx.environment_state()?, ctx.environment_label());
    if env_state.unknown_since(component).is_some() {
        return Err(format!(
            "the running version in {environment} is unknown since a deployment failed"
        ));
    }
    if let Some(run) = env_state.run_changing(component) {
        return Err(format!(
            "{environment} is being changed by run {}",
            run.sequence
        ));
    }
    let (running, content) = (env_state.commit(component), ctx.content(commit, component)?);
    let is_same = match running {
        None => content.is_none(),
        Some(_) => content.is_some() && env_state.content(component) == content,
    };
    let detail = match (running, content) {
        (_, None) => format!("{environment} still has it"),
        (None, _) => format!("{environment} does not run it"),
        (Some(running), _) => format!(
            "{environment} runs {}, which has different content",
            running.short()
        ),
    };
    let command = DeployCommand::new(ctx.policy, environment)
        .commit(commit)
        .chosen_by([component])
        .deployed_in(env_state);
    Ok((!is_same).then(|| Violation::new(detail).remedy(command.to_string())))
}

#[cfg(test)]
mod tests;
