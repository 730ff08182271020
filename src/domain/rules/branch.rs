//! Branch: a branch that stands for an environment only fast-forwards, is never deleted, and with `deploy_on = "approval"` moves only
//! to what runs there.
//!
//! With `deploy_on = "merge"` the environment's other rules judge the new commit as if it were deployed: the table says so.

use super::findings::{Against, Found};
use super::{Context, Known, Request, answer};
use crate::domain::id::CommitId;
use crate::domain::name::ComponentName;
use crate::domain::policy::DeployOn;
use crate::domain::verdict::{Check, Rule};

const RULE: Rule = Rule::Branch;

pub(super) fn check(ctx: &Context<'_>) -> Vec<Check> {
    answer(RULE, judge(ctx))
}

fn judge(ctx: &Context<'_>) -> Known<Vec<Check>> {
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
            RULE,
            format!("it stands for {environment} and is never deleted"),
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
        return Ok(vec![Check::fail(RULE, detail)]);
    }
    if ctx.environment()?.deploy_on == DeployOn::Merge {
        return Ok(vec![Check::pass(RULE, "")]);
    }
    let mut found = Found::new(RULE);
    for component in ctx.policy.component_names() {
        found.add(&component, touched(ctx, old, new, &component));
    }
    Ok(found.checks())
}

fn touched(
    ctx: &Context<'_>,
    old: Option<CommitId>,
    new: CommitId,
    component: &ComponentName,
) -> Known<Option<Against>> {
    let unchanged = match old {
        Some(old) => ctx.content(old, component)? == ctx.content(new, component)?,
        None => false,
    };
    if unchanged {
        Ok(None)
    } else {
        runs(ctx, new, component)
    }
}

/// Whether the environment runs a component as a commit has it: what is absent in one must be absent in the other.
pub(super) fn runs(
    ctx: &Context<'_>,
    commit: CommitId,
    component: &ComponentName,
) -> Known<Option<Against>> {
    let (here, environment) = (ctx.here()?, ctx.shown());
    if here.unknown_since(component).is_some() {
        return Err(format!(
            "nobody knows what {environment} runs since a deployment failed"
        ));
    }
    if let Some(run) = here.run_changing(component) {
        return Err(format!(
            "{environment} is being changed by run {}",
            run.sequence
        ));
    }
    let (there, content) = (here.commit(component), ctx.content(commit, component)?);
    let same = match there {
        None => content.is_none(),
        Some(_) => content.is_some() && here.content(component) == content,
    };
    let detail = match (there, content) {
        (_, None) => format!("{environment} still has it"),
        (None, _) => format!("{environment} does not run it"),
        (Some(there), _) => format!(
            "{environment} runs {}, which has other content",
            there.short()
        ),
    };
    let command = format!("git deploy record {environment} {}", commit.short());
    Ok((!same).then(|| Against::new(detail).remedy(command)))
}

#[cfg(test)]
mod tests;
