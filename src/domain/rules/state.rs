//! The rule `state`: the entry fits the ledger's state. For example, a finish belongs to an
//! unfinished run, a lock is for something that is not locked yet, and an expiry is within the
//! allowed time.

mod runs;

use std::collections::BTreeSet;

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::RuleDefinition;
use super::fact_need::FactNeed;
use super::facts::Fact;
use super::request::{Request, RequestContext};
use super::request_kind::RequestKinds;
use crate::domain::count::{choose, count};
use crate::domain::deploy_command::DeployCommand;
use crate::domain::entry::{
    Action, Baseline, Deployment, DeploymentKind, Lock, PolicyRevoke, Revoke, Statement, Target,
    Unlock, Yank, YankedContent,
};
use crate::domain::name::{ComponentName, EnvName};
use crate::domain::policy::Ephemeral;
use crate::domain::state::{EnvState, State};
use crate::domain::time::Time;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::State,
    name: "state",
    description: "The entry fits the ledger's state. For example, a `finish` belongs to an unfinished run, a `lock` is for something that is not locked yet, and an expiry is within the time that the policy allows.",
    faced_by: RequestKinds::ENTRIES,
    hotfix_skip: None,
    reads: &[],
    needs,
    check,
};

fn needs(subject: &RequestContext<'_>) -> Vec<FactNeed> {
    let action = subject.statement.map(|it| &it.action);
    let is_resume = matches!(action, Some(Action::Resume(_)));
    is_resume.then_some(FactNeed::RunIds).into_iter().collect()
}

fn check(ctx: &Context<'_>) -> Vec<Check> {
    let Request::Entry { statement, .. } = ctx.request else {
        return Vec::new();
    };
    or_unknown(
        Rule::State,
        judge(ctx, statement).map(|violations| pass_if_none(Rule::State, violations)),
    )
}

/// Returns the reasons why the state does not allow the entry.
fn judge(ctx: &Context<'_>, statement: &Statement) -> Fact<Vec<Check>> {
    let (state, env_state) = (ctx.state()?, ctx.environment_state()?);
    Ok(match &statement.action {
        Action::Start(it) => {
            let is_new = runs::is_new_run(env_state, it.run);
            let mut violations = require(is_new, "its `run` is the id of an unfinished run");
            violations.extend(check_deployment(ctx, statement, &it.deployment, env_state)?);
            violations
        }
        Action::Record(it) => {
            let mut violations = check_deployment(ctx, statement, &it.deployment, env_state)?;
            let results = statement.component_results();
            violations.extend(runs::check_results(&it.deployment, &results));
            violations
        }
        Action::Resume(it) => runs::check_resume(ctx, env_state, it)?,
        Action::Finish(it) => runs::check_finish(env_state, it),
        Action::Abort(it) => Vec::from_iter(runs::check_abort(env_state, it)),
        Action::Expire(it) => check_renewal(ctx, statement, it.expires)?,
        Action::Revoke(it) => check_revoke(ctx, env_state, it),
        Action::Lock(it) => check_lock(ctx, env_state, it),
        Action::Unlock(it) => check_unlock(ctx, env_state, it),
        Action::Baseline(it) => check_baseline(ctx, statement, it, env_state),
        Action::Yank(it) => require(
            !is_yanked(state, it) || extends_yank(state, it),
            &format!("{} is already yanked", describe_yanked(it)),
        ),
        Action::Unyank(it) => check_unyank(state, &it.0),
        Action::PolicyRevoke(it) => require(
            has_policy_approval(state, it),
            &format!("{} has no approval of this policy", it.approver),
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

/// Checks that the approval that is to be revoked exists.
fn check_revoke(ctx: &Context<'_>, env_state: EnvState<'_>, revoke: &Revoke) -> Vec<Check> {
    let missing = format!(
        "{} has no approval of {} in {}",
        revoke.approver,
        revoke.commit.short(),
        ctx.environment_label()
    );
    require(has_approval(env_state, revoke), &missing)
}

/// Checks that nothing is locked a second time.
fn check_lock(ctx: &Context<'_>, env_state: EnvState<'_>, lock: &Lock) -> Vec<Check> {
    let locked = describe_lock(ctx, lock.component.as_ref());
    require(
        env_state.lock(lock.component.as_ref(), ctx.now).is_none(),
        &format!("{locked} is already locked"),
    )
}

/// Checks that the lock or holds that are to be removed exist.
fn check_unlock(ctx: &Context<'_>, env_state: EnvState<'_>, unlock: &Unlock) -> Vec<Check> {
    if let Some(commit) = unlock.commit {
        let mut holds = unlock.holds.iter();
        let missing = format!(
            "{} is not on hold in {}",
            commit.short(),
            ctx.environment_label()
        );
        return require(
            holds.all(|hold| env_state.hold(&hold.component, hold.content).is_some()),
            &missing,
        );
    }
    let component = unlock.component.as_ref();
    let object = describe_lock(ctx, component);
    match env_state.lock_entry(component).map(|it| &it.statement) {
        None => vec![fail(format!("{object} is not locked"))],
        Some(locked) => match &locked.action {
            Action::Lock(lock) => Vec::from_iter(lock.ended(ctx.now).map(|until| {
                fail(format!(
                    "{object} is no longer locked: the lock of {} ended at {until}",
                    locked.by
                ))
            })),
            _ => Vec::new(),
        },
    }
}

/// Names what a lock is for: an environment, or a component in it.
fn describe_lock(ctx: &Context<'_>, component: Option<&ComponentName>) -> String {
    let environment = ctx.environment_label();
    component.map_or_else(
        || environment.clone(),
        |component| format!("{component} in {environment}"),
    )
}

/// Names what a yank is for: a commit or an artifact.
fn describe_yanked(yank: &Yank) -> String {
    match (&yank.commit, &yank.digest) {
        (Some(commit), _) => commit.short(),
        (None, Some(digest)) => digest.to_string(),
        (None, None) => "it".to_owned(),
    }
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

/// Checks that a baseline is in a permanent environment, and for components without a history.
fn check_baseline(
    ctx: &Context<'_>,
    statement: &Statement,
    baseline: &Baseline,
    env_state: EnvState<'_>,
) -> Vec<Check> {
    let is_permanent = statement.environment.is_none();
    let mut violations = require(
        is_permanent,
        "an ephemeral environment cannot have a baseline",
    );
    let mut targets = baseline.components.iter();
    let with_history = targets.find(|target| env_state.has_history(&target.component));
    violations.extend(with_history.map(|target| refuse_baseline(ctx, target, env_state)));
    violations
}

fn refuse_baseline(ctx: &Context<'_>, target: &Target, env_state: EnvState<'_>) -> Check {
    let (component, environment_label) = (&target.component, ctx.environment_label());
    let why = format!(
        "{component} already has a history in {environment_label}: a baseline is only allowed before the first deployment"
    );
    let command = DeployCommand::new(ctx.policy, environment_label)
        .commit(target.commit)
        .deployed_in(env_state);
    fail(why).remedy(command.only([component]).to_string())
}

/// Returns whether the policy approval that is to be revoked exists.
fn has_policy_approval(state: &State, revoke: &PolicyRevoke) -> bool {
    state.policy_approvals().any(|entry| {
        let approved_digest = match &entry.statement.action {
            Action::PolicyApprove(approve) => Some(&approve.digest),
            _ => None,
        };
        entry.statement.by == revoke.approver && approved_digest == Some(&revoke.digest)
    })
}

fn has_approval(env_state: EnvState<'_>, revoke: &Revoke) -> bool {
    env_state
        .approvals()
        .any(|(commit, _, entry)| commit == revoke.commit && entry.statement.by == revoke.approver)
}

fn is_yanked(state: &State, yank: &Yank) -> bool {
    yank.commit
        .is_some_and(|commit| state.yanked_commit(commit).is_some())
        || yank
            .digest
            .as_ref()
            .is_some_and(|digest| state.yanked_digest(digest).is_some())
}

/// Returns the contents that the open yank of a commit covers.
fn yanked_contents(state: &State, yank: &Yank) -> BTreeSet<YankedContent> {
    let open_yank = yank.commit.and_then(|commit| state.yanked_commit(commit));
    match open_yank.map(|entry| &entry.statement.action) {
        Some(Action::Yank(it)) => it.contents.iter().cloned().collect(),
        _ => BTreeSet::new(),
    }
}

/// Returns whether a yank of a yanked commit covers all contents of the open yank and more, so that
/// it replaces it. A yank that was written by another program may cover none.
fn extends_yank(state: &State, yank: &Yank) -> bool {
    let contents: BTreeSet<YankedContent> = yank.contents.iter().cloned().collect();
    let yanked = yanked_contents(state, yank);
    yank.commit.is_some() && yanked.is_subset(&contents) && yanked.len() < contents.len()
}

fn check_unyank(state: &State, yank: &Yank) -> Vec<Check> {
    if !is_yanked(state, yank) {
        return vec![fail(format!("{} is not yanked", describe_yanked(yank)))];
    }
    let contents: BTreeSet<YankedContent> = yank.contents.iter().cloned().collect();
    require(
        contents == yanked_contents(state, yank),
        "its contents are not those that the yank covers",
    )
}

/// Checks the limits of an ephemeral environment, and that no other environment is destroyed.
fn check_deployment(
    ctx: &Context<'_>,
    statement: &Statement,
    deployment: &Deployment,
    env_state: EnvState<'_>,
) -> Fact<Vec<Check>> {
    let Some(bounds) = ctx.environment()?.ephemeral else {
        let is_destroy = deployment.kind == DeploymentKind::Destroy;
        return Ok(is_destroy
            .then(|| fail("only an ephemeral environment can be destroyed as a whole"))
            .into_iter()
            .collect());
    };
    let mut violations = Vec::new();
    if deployment.kind == DeploymentKind::Destroy {
        let named_components = deployment
            .components
            .iter()
            .map(|change| &change.target.component);
        if !env_state.present_commits().into_keys().eq(named_components) {
            violations.push(fail(
                "a destroy must name every component that runs or was attempted, and no other",
            ));
        }
        if !env_state.exists() {
            violations.push(fail(format!(
                "there is no environment {} to destroy",
                ctx.environment_label()
            )));
        }
        return Ok(violations);
    }
    match deployment.expires {
        Some(expires) => {
            let remedy = format!(
                "git deploy run {} --ttl {}",
                ctx.environment_label(),
                bounds.ttl
            );
            violations
                .extend(check_expiry(statement, expires, bounds).map(|check| check.remedy(remedy)));
        }
        None if !env_state.exists() => violations.push(fail(
            "a new ephemeral environment needs an expiry (`expires`)",
        )),
        None => {}
    }
    if !env_state.exists() {
        let state = ctx.state()?;
        let environments = state.environments();
        let existing: Vec<&EnvName> = environments
            .iter()
            .filter(|name| state.environment(Some(name)).exists())
            .collect();
        if u32::try_from(existing.len()).unwrap_or(u32::MAX) >= bounds.limit {
            violations.push(refuse_over_limit(state, &existing, bounds, statement.at));
        }
    }
    Ok(violations)
}

/// Refuses a new environment when the limit is reached, and suggests destroying the one that
/// expires first.
fn refuse_over_limit(state: &State, existing: &[&EnvName], bounds: Ephemeral, now: Time) -> Check {
    let why = format!(
        "{} of at most {} {}",
        existing.len(),
        count(bounds.limit, "environment"),
        choose(bounds.limit, "exists", "exist")
    );
    let expiry_of = |name: &EnvName| state.environment(Some(name)).expires();
    match existing.iter().min_by_key(|name| expiry_of(name)) {
        None => fail(why),
        Some(first) if expiry_of(first).is_some_and(|expires| expires <= now) => {
            fail(format!("{why}, and {first} has expired")).remedy("git deploy reap")
        }
        Some(first) => fail(format!("{why}: {first} expires first"))
            .remedy(format!("git deploy destroy {first}")),
    }
}

fn check_expiry(statement: &Statement, expires: Time, bounds: Ephemeral) -> Option<Check> {
    let latest = statement.at.plus(bounds.ttl);
    (expires > latest).then(|| {
        fail(format!(
            "it may expire at {latest} at the latest (ttl {})",
            bounds.ttl
        ))
    })
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
    let remedy = format!(
        "git deploy expire {} +{}",
        ctx.environment_label(),
        bounds.ttl
    );
    Ok(check_expiry(statement, expires, bounds)
        .map(|check| check.remedy(remedy))
        .into_iter()
        .collect())
}

#[cfg(test)]
mod tests;
