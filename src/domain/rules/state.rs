//! The rule `state`: the entry fits the ledger's state. A finish has its open run, a lock is not there twice, an expiry is within bounds.

mod runs;

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::{RuleDefinition, needs_nothing};
use super::facts::Fact;
use super::request::Request;
use super::request_kind::RequestKinds;
use crate::domain::entry::{
    Action, Baseline, Deployment, DeploymentKind, Lock, PolicyRevoke, Revoke, Statement, Target,
    Unlock, Yank,
};
use crate::domain::name::EnvName;
use crate::domain::policy::Ephemeral;
use crate::domain::state::{EnvState, State};
use crate::domain::time::Time;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::State,
    name: "state",
    description: "The ledger's state allows the entry: a finish has its open run, a lock is not there yet, an expiry is within its bounds.",
    faced_by: RequestKinds::ENTRIES,
    hotfix_skip: None,
    reads: &[],
    needs: needs_nothing,
    check,
};

fn check(ctx: &Context<'_>) -> Vec<Check> {
    let Request::Entry { statement, .. } = ctx.request else {
        return Vec::new();
    };
    or_unknown(
        Rule::State,
        judge(ctx, statement).map(|against| pass_if_none(Rule::State, against)),
    )
}

/// Returns the reasons why the state does not allow the entry.
fn judge(ctx: &Context<'_>, statement: &Statement) -> Fact<Vec<Check>> {
    let (state, here) = (ctx.state()?, ctx.environment_state()?);
    Ok(match &statement.action {
        Action::Start(it) => {
            let is_new = runs::is_new_run(here, it.run);
            let mut against = require(is_new, "its `run` is that of an unfinished run");
            against.extend(check_deployment(ctx, statement, &it.deployment, here)?);
            against
        }
        Action::Record(it) => {
            let mut against = check_deployment(ctx, statement, &it.deployment, here)?;
            let results = statement.component_results();
            against.extend(runs::check_results(&it.deployment, &results));
            against
        }
        Action::Resume(it) => runs::check_resume(here, it),
        Action::Finish(it) => runs::check_finish(here, it),
        Action::Abort(it) => Vec::from_iter(runs::check_abort(here, it)),
        Action::Expire(it) => check_renewal(ctx, statement, it.expires)?,
        Action::Revoke(it) => require(
            has_approval(here, it),
            "there is no such approval to revoke",
        ),
        Action::Lock(it) => require(!is_locked(here, it), "it is already locked"),
        Action::Unlock(it) => require(
            has_lock_or_hold(here, it),
            "there is no such lock or hold to lift",
        ),
        Action::Baseline(it) => check_baseline(ctx, statement, it, here),
        Action::Yank(it) => require(!is_yanked(state, it), "it is already yanked"),
        Action::Unyank(it) => require(is_yanked(state, &it.0), "it is not yanked"),
        Action::PolicyRevoke(it) => require(
            has_policy_approval(state, it),
            "there is no such approval to revoke",
        ),
        // The rule `content` checks that the verified components run.
        Action::Verification(_)
        | Action::Approve(_)
        | Action::Build(_)
        | Action::Artifact(_)
        | Action::Attestation(_)
        | Action::Publish(_)
        | Action::PolicyApprove(_) => Vec::new(),
    })
}

/// Returns a refusal for this reason unless the condition holds.
fn require(condition: bool, why: &str) -> Vec<Check> {
    if condition {
        Vec::new()
    } else {
        vec![fail(why)]
    }
}

fn fail(why: impl Into<String>) -> Check {
    Check::fail(Rule::State, why)
}

/// Checks that a baseline is for a permanent environment, and for components without a history.
fn check_baseline(
    ctx: &Context<'_>,
    statement: &Statement,
    baseline: &Baseline,
    here: EnvState<'_>,
) -> Vec<Check> {
    let is_permanent = statement.environment.is_none();
    let mut against = require(
        is_permanent,
        "an ephemeral environment cannot have a baseline",
    );
    let mut targets = baseline.components.iter();
    let entered = targets.find(|target| here.has_history(&target.component));
    against.extend(entered.map(|target| refuse_baseline(ctx, target)));
    against
}

fn refuse_baseline(ctx: &Context<'_>, target: &Target) -> Check {
    let (component, place) = (&target.component, ctx.environment_label());
    let why = format!(
        "{component} already has a history in {place}: a baseline is only allowed before the first deployment"
    );
    fail(why).remedy(format!(
        "git deploy record {place} {} --component {component}",
        target.commit.short()
    ))
}

/// Returns whether a policy was approved by the person whose approval is revoked.
fn has_policy_approval(state: &State, revoke: &PolicyRevoke) -> bool {
    state.policy_approvals().any(|kept| {
        let digest = match &kept.statement.action {
            Action::PolicyApprove(approve) => Some(&approve.digest),
            _ => None,
        };
        kept.statement.by == revoke.approver && digest == Some(&revoke.digest)
    })
}

fn has_approval(here: EnvState<'_>, revoke: &Revoke) -> bool {
    here.approvals()
        .any(|(commit, _, kept)| commit == revoke.commit && kept.statement.by == revoke.approver)
}

/// Checks whether the environment or component that a lock is for is locked already.
fn is_locked(here: EnvState<'_>, lock: &Lock) -> bool {
    lock.component
        .as_ref()
        .map_or(here.lock(), |component| here.component_lock(component))
        .is_some()
}

fn has_lock_or_hold(here: EnvState<'_>, unlock: &Unlock) -> bool {
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

fn is_yanked(state: &State, yank: &Yank) -> bool {
    yank.commit
        .is_some_and(|commit| state.yanked_commit(commit).is_some())
        || yank
            .digest
            .as_ref()
            .is_some_and(|digest| state.yanked_digest(digest).is_some())
}

fn check_deployment(
    ctx: &Context<'_>,
    statement: &Statement,
    deployment: &Deployment,
    here: EnvState<'_>,
) -> Fact<Vec<Check>> {
    let Some(bounds) = ctx.environment()?.ephemeral else {
        let whole = deployment.kind == DeploymentKind::Destroy;
        return Ok(whole
            .then(|| fail("only an ephemeral environment can be destroyed as a whole"))
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
                ctx.environment_label()
            )));
        }
        return Ok(against);
    }
    match deployment.expires {
        Some(expires) => {
            let again = format!(
                "git deploy run {} --ttl {}",
                ctx.environment_label(),
                bounds.ttl
            );
            against
                .extend(check_expiry(statement, expires, bounds).map(|check| check.remedy(again)));
        }
        None if !here.exists() => against.push(fail(
            "a new ephemeral environment needs an expiry (`expires`)",
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
            against.push(refuse_over_limit(state, &others, bounds, statement.at));
        }
    }
    Ok(against)
}

/// Refuses a new environment when the limit is reached, and suggests the one that expires first.
fn refuse_over_limit(state: &State, others: &[&EnvName], bounds: Ephemeral, now: Time) -> Check {
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

fn check_expiry(statement: &Statement, expires: Time, bounds: Ephemeral) -> Option<Check> {
    let latest = statement.at.plus(bounds.ttl);
    (expires > latest).then(|| fail(format!("it may live until {latest}, for {}", bounds.ttl)))
}

fn check_renewal(ctx: &Context<'_>, statement: &Statement, expires: Time) -> Fact<Vec<Check>> {
    let Some(bounds) = ctx.environment()?.ephemeral else {
        return Ok(vec![fail(format!(
            "{} is not ephemeral, so it does not expire",
            ctx.environment_label()
        ))]);
    };
    if !ctx.environment_state()?.exists() {
        return Ok(vec![fail(format!(
            "there is no environment {} to renew",
            ctx.environment_label()
        ))]);
    }
    let again = format!(
        "git deploy expire {} +{}",
        ctx.environment_label(),
        bounds.ttl
    );
    Ok(check_expiry(statement, expires, bounds)
        .map(|check| check.remedy(again))
        .into_iter()
        .collect())
}

#[cfg(test)]
mod tests;
