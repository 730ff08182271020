//! Tag: a tag of an environment's form is made once, for a commit whose content runs there, and never moves.
//!
//! A tag whose form names a component speaks of that component only; any other of everything that runs.

use super::findings::Findings;
use super::{Context, Fact, Request, branch, or_unknown};
use crate::domain::name::ComponentName;
use crate::domain::policy::Placeholder;
use crate::domain::verdict::{Check, Rule};

const RULE: Rule = Rule::Tag;

pub(super) fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(RULE, judge(ctx))
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
            RULE,
            format!("it says what ran in {environment}, and never moves or goes away"),
        )]);
    };
    let template = ctx
        .environment()?
        .tag
        .as_ref()
        .filter(|template| template.holds(Placeholder::Component));
    let speaks_of = |component: &ComponentName| {
        template.is_none_or(|template| template.could_make_of(name, environment, component))
    };
    let running = ctx.environment_state()?.components();
    let mut found = Findings::new(RULE);
    let mut none = true;
    for component in running.into_keys().filter(|component| speaks_of(component)) {
        none = false;
        found.add(component, branch::check_runs(ctx, new, component));
    }
    let nothing = || {
        Check::fail(
            RULE,
            format!("nothing that it speaks of runs in {environment}"),
        )
    };
    Ok(if none {
        vec![nothing()]
    } else {
        found.checks()
    })
}

#[cfg(test)]
mod tests;
