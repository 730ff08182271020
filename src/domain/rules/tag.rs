//! The rule `tag`: a tag that matches an environment's `tag` template is created once, on a commit
//! whose content runs there, and never moves.
//!
//! If the template contains the component, the tag is about that component only. Otherwise it is
//! about all running components.

use super::branch;
use super::context::{Context, or_unknown};
use super::definition::{RuleDefinition, needs_nothing};
use super::facts::Fact;
use super::findings::Findings;
use super::request::Request;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::name::ComponentName;
use crate::domain::policy::Placeholder;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Tag,
    name: "tag",
    description: "A tag that matches an environment's `tag` template is created only on a commit whose content the environment runs, and cannot be moved or deleted.",
    faced_by: RequestKinds::of(&[RequestKind::Tag]),
    hotfix_skip: None,
    reads: &[],
    needs: needs_nothing,
    check,
};

fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(Rule::Tag, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    let Request::Tag {
        environment,
        name,
        old,
        new,
    } = ctx.request
    else {
        return Ok(Vec::new());
    };
    let (None, Some(new)) = (old, new) else {
        return Ok(vec![Check::fail(
            Rule::Tag,
            format!("it records what ran in {environment} and cannot be moved or deleted"),
        )]);
    };
    let template = ctx
        .environment()?
        .tag
        .as_ref()
        .filter(|template| template.contains(Placeholder::Component));
    let is_about = |component: &ComponentName| {
        template.is_none_or(|template| template.could_produce_for(name, environment, component))
    };
    let running = ctx.environment_state()?.components();
    let mut findings = Findings::new(Rule::Tag);
    let mut has_components = false;
    for component in running.into_keys().filter(|component| is_about(component)) {
        has_components = true;
        findings.add(component, branch::check_runs(ctx, new, component));
    }
    Ok(if has_components {
        findings.checks()
    } else {
        vec![Check::fail(
            Rule::Tag,
            format!("none of its components runs in {environment}"),
        )]
    })
}

#[cfg(test)]
mod tests;
