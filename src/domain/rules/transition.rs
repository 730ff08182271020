//! It fits what the ledger holds: a finish has its open run, a lock is the only one, an end is within its bounds.

mod runs;

use super::{Context, Known, Request, answer, unless};
use crate::domain::entry::{
    Action, Deployment, DeploymentKind, Revoke, Statement, Target, Unlock, Yank,
};
use crate::domain::name::EnvName;
use crate::domain::policy::Ephemeral;
use crate::domain::state::{EnvState, State};
use crate::domain::time::Time;
use crate::domain::verdict::{Check, Rule};

pub(super) fn check(ctx: &Context<'_>) -> Vec<Check> {
    let Request::Entry { statement, .. } = ctx.request else {
        return Vec::new();
    };
    answer(
        Rule::State,
        judge(ctx, statement).map(|against| unless(Rule::State, against)),
    )
}

fn judge(ctx: &Context<'_>, statement: &Statement) -> Known<Vec<Check>> {
    let (state, here) = (ctx.state()?, ctx.here()?);
    let mut against = Vec::new();
    let mut require = |good: bool, why: &str| {
        if !good {
            against.push(Check::fail(Rule::State, why));
        }
    };
    match &statement.action {
        Action::Start(it) => {
            require(
                runs::fresh(here, it.run),
                "its `run` is that of an unfinished run",
            );
            against.extend(deployment(ctx, statement, &it.deployment, here)?);
        }
        Action::Record(it) => {
            against.extend(deployment(ctx, statement, &it.deployment, here)?);
            against.extend(runs::rolled_back(
                &it.deployment,
                &statement.component_results(),
            ));
        }
        Action::Resume(it) => against.extend(runs::resume(here, it)),
        Action::Finish(it) => against.extend(runs::finish(here, it)),
        Action::Abort(it) => against.extend(runs::abort(here, it)),
        Action::Expire(it) => against.extend(renewal(ctx, statement, it.expires)?),
        Action::Revoke(it) => require(approved(here, it), "there is no such approval to revoke"),
        Action::Lock(it) => {
            let lock = it
                .component
                .as_ref()
                .map_or(here.lock(), |component| here.component_lock(component));
            require(lock.is_none(), "it is locked already");
        }
        Action::Unlock(it) => require(unlocks(here, it), "there is no such lock or hold to lift"),
        Action::Baseline(it) => {
            require(
                statement.environment.is_none(),
                "an ephemeral environment has no baseline",
            );
            let entered = it
                .components
                .iter()
                .find(|target| here.has_history(&target.component));
            against.extend(entered.map(|target| begun(ctx, target)));
        }
        Action::Yank(it) => require(!yanked(state, it), "it is yanked already"),
        Action::Unyank(it) => require(yanked(state, &it.0), "it is not yanked"),
        Action::PolicyRevoke(it) => {
            let own = state.policy_approvals().any(|kept| {
                let digest = match &kept.statement.action {
                    Action::PolicyApprove(approve) => Some(&approve.digest),
                    _ => None,
                };
                kept.statement.by == it.approver && digest == Some(&it.digest)
            });
            require(own, "there is no such approval to revoke");
        }
        // Whether what was verified runs is asked by the content's rule.
        Action::Verification(_)
        | Action::Approve(_)
        | Action::Build(_)
        | Action::Artifact(_)
        | Action::Attestation(_)
        | Action::Publish(_)
        | Action::PolicyApprove(_) => {}
    }
    Ok(against)
}

fn fail(why: impl Into<String>) -> Check {
    Check::fail(Rule::State, why)
}

fn begun(ctx: &Context<'_>, target: &Target) -> Check {
    let (component, place) = (&target.component, ctx.shown());
    let why = format!(
        "{component} has a history in {place}: it has a baseline once, before its first deployment"
    );
    fail(why).remedy(format!(
        "git deploy record {place} {} --component {component}",
        target.commit.short()
    ))
}

fn approved(here: EnvState<'_>, revoke: &Revoke) -> bool {
    here.approvals()
        .any(|(commit, _, kept)| commit == revoke.commit && kept.statement.by == revoke.approver)
}

fn unlocks(here: EnvState<'_>, unlock: &Unlock) -> bool {
    if unlock.commit.is_some() {
        return unlock
            .holds
            .iter()
            .all(|hold| here.hold(&hold.component, hold.content).is_some());
    }
    unlock
        .component
        .as_ref()
        .map_or(here.lock(), |component| here.component_lock(component))
        .is_some()
}

fn yanked(state: &State, yank: &Yank) -> bool {
    yank.commit
        .is_some_and(|commit| state.yanked_commit(commit).is_some())
        || yank
            .digest
            .as_ref()
            .is_some_and(|digest| state.yanked_digest(digest).is_some())
}

fn deployment(
    ctx: &Context<'_>,
    statement: &Statement,
    deployment: &Deployment,
    here: EnvState<'_>,
) -> Known<Vec<Check>> {
    let Some(bounds) = ctx.environment()?.ephemeral else {
        let whole = deployment.kind == DeploymentKind::Destroy;
        return Ok(whole
            .then(|| fail("only an ephemeral environment is destroyed as a whole"))
            .into_iter()
            .collect());
    };
    let mut against = Vec::new();
    if deployment.kind == DeploymentKind::Destroy {
        let named = deployment
            .components
            .iter()
            .map(|change| &change.target.component);
        if !here.present_commits().into_keys().eq(named) {
            against
                .push(fail("a whole environment is destroyed: every component that runs or was tried, and no other"));
        }
        if !here.exists() {
            against.push(fail(format!(
                "there is no environment {} to destroy",
                ctx.shown()
            )));
        }
        return Ok(against);
    }
    match deployment.expires {
        Some(expires) => {
            let again = format!("git deploy run {} --ttl {}", ctx.shown(), bounds.ttl);
            against.extend(too_late(statement, expires, bounds).map(|check| check.remedy(again)));
        }
        None if !here.exists() => against.push(fail(
            "an ephemeral environment begins with an end: `expires`",
        )),
        None => {}
    }
    if !here.exists() {
        let state = ctx.state()?;
        let all = state.environments();
        let others: Vec<&EnvName> = all
            .iter()
            .filter(|other| state.environment(Some(other)).exists())
            .collect();
        if u32::try_from(others.len()).unwrap_or(u32::MAX) >= bounds.limit {
            against.push(full(state, &others, bounds, statement.at));
        }
    }
    Ok(against)
}

/// No more environments may exist: the one that ends first makes room.
fn full(state: &State, others: &[&EnvName], bounds: Ephemeral, now: Time) -> Check {
    let why = format!(
        "{} of at most {} environments exist",
        others.len(),
        bounds.limit
    );
    let ends = |name: &EnvName| state.environment(Some(name)).expires();
    match others.iter().min_by_key(|name| ends(name)) {
        None => fail(why),
        Some(first) if ends(first).is_some_and(|end| end <= now) => {
            fail(format!("{why}, and {first} has expired")).remedy("git deploy reap")
        }
        Some(first) => fail(format!("{why}: {first} expires first"))
            .remedy(format!("git deploy destroy {first}")),
    }
}

fn too_late(statement: &Statement, expires: Time, bounds: Ephemeral) -> Option<Check> {
    let latest = statement.at.plus(bounds.ttl);
    (expires > latest).then(|| fail(format!("it may live until {latest}, for {}", bounds.ttl)))
}

fn renewal(ctx: &Context<'_>, statement: &Statement, expires: Time) -> Known<Vec<Check>> {
    let Some(bounds) = ctx.environment()?.ephemeral else {
        return Ok(vec![fail(format!(
            "{} is not ephemeral: it does not expire",
            ctx.shown()
        ))]);
    };
    if !ctx.here()?.exists() {
        return Ok(vec![fail(format!(
            "there is no environment {} to renew",
            ctx.shown()
        ))]);
    }
    let again = format!("git deploy expire {} +{}", ctx.shown(), bounds.ttl);
    Ok(too_late(statement, expires, bounds)
        .map(|check| check.remedy(again))
        .into_iter()
        .collect())
}

#[cfg(test)]
mod tests;
