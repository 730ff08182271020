//! Who may end a run of another person, or take it over.

use super::{Objection, check_deployer, check_member};
use crate::domain::entry::{Abort, Resume};
use crate::domain::name::Person;
use crate::domain::rules::context::Context;
use crate::domain::rules::facts::Fact;
use crate::domain::state::OpenRun;

fn find_run<'a>(ctx: &Context<'a>, start: u64) -> Fact<Option<OpenRun<'a>>> {
    Ok(ctx.environment_state()?.run(start))
}

/// Returns whether a person owns an open run: started it or was the last to resume it.
pub(super) fn owns_run(ctx: &Context<'_>, start: u64, by: &Person) -> Fact<bool> {
    Ok(find_run(ctx, start)?.is_some_and(|run| run.owner.statement.by == *by))
}

/// Checks that a run is aborted by its owner, by an admin or, once the run is stale, by a deployer.
pub(super) fn check_abort(ctx: &Context<'_>, abort: &Abort, by: &Person) -> Fact<Objection> {
    if owns_run(ctx, abort.start, by)? || ctx.admins()?.contains(by) {
        return Ok(None);
    }
    let Some(environment) = ctx.environment else {
        let why = format!(
            "the policy no longer has {}: only the run's owner or an admin may abort it",
            ctx.environment_label()
        );
        return Ok(Some(why));
    };
    let stale_at =
        find_run(ctx, abort.start)?.map(|run| run.owner.statement.at.plus(environment.stale_after));
    Ok(match stale_at {
        Some(at) if at > ctx.now => Some(format!(
            "run {} is not stale: until {at} only its owner or an admin may abort it",
            abort.start
        )),
        _ => check_member(by, &environment.deployers, || {
            format!("abort a run in {}", ctx.environment_label())
        }),
    })
}

/// Checks that a run is resumed by a deployer, or by someone who may start such a run (for example,
/// by one of `rollback_by` if it is a rollback). Someone who does not own the run must state a reason
/// or wait until the run is stale.
pub(super) fn check_resume(ctx: &Context<'_>, resume: &Resume, by: &Person) -> Fact<Objection> {
    let (environment, label) = (ctx.environment()?, ctx.environment_label());
    let run = find_run(ctx, resume.start)?;
    let may_start = run
        .and_then(|run| run.deployment())
        .is_some_and(|deployment| check_deployer(ctx, environment, by, deployment).is_none());
    let objection = check_member(by, &environment.deployers, || format!("deploy to {label}"))
        .filter(|_| !may_start);
    if objection.is_some() || resume.reason.is_some() {
        return Ok(objection);
    }
    // The rule `state` refuses to resume a run that is not open.
    Ok(run.and_then(|run| {
        let owner = &run.owner.statement;
        let stale_at = owner.at.plus(environment.stale_after);
        (owner.by != *by && stale_at > ctx.now).then(|| {
            format!(
                "run {} is {}'s and not stale until {stale_at}: to take it over now, state a reason (--take-over -m REASON)",
                resume.start, owner.by
            )
        })
    }))
}
