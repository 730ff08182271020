//! The rule `lock`: neither the environment nor a component that the deployment touches is locked
//! or has an unfinished run. A lock that has ended does not count.
//!
//! A rollback ignores locks that a machine set, so that an automatic lock after an alert never
//! blocks it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::{RuleDefinition, needs_nothing};
use super::facts::Fact;
use super::request_kind::{RequestKind, RequestKinds};
use super::suggestions::find_unlockers;
use crate::domain::entry::{Action, ComponentChange, Deployment, DeploymentKind, StoredEntry};
use crate::domain::name::ComponentName;
use crate::domain::state::OpenRun;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Lock,
    name: "lock",
    description: "Neither the environment nor a deployed component is locked, and no unfinished run changes the same components. A lock with an end (`git deploy lock --until`) holds until then. A rollback ignores locks that a machine set.",
    faced_by: RequestKinds::of(&[
        RequestKind::Deploy,
        RequestKind::Hotfix,
        RequestKind::Rollback,
        RequestKind::Destroy,
        RequestKind::Exec,
        RequestKind::BreakGlass,
        RequestKind::Merge,
    ]),
    hotfix_skip: None,
    reads: &[],
    needs: needs_nothing,
    check,
};

fn check(ctx: &Context<'_>) -> Vec<Check> {
    or_unknown(
        Rule::Lock,
        judge(ctx).map(|violations| pass_if_none(Rule::Lock, violations)),
    )
}

fn judge(ctx: &Context<'_>) -> Fact<Vec<Check>> {
    let (deployment, env_state, environment_label) = (
        ctx.deployment()?,
        ctx.environment_state()?,
        ctx.environment_label(),
    );
    let blocks = |lock: &&Arc<StoredEntry>| {
        deployment.kind != DeploymentKind::Rollback || is_by_person(ctx, lock)
    };
    let mut violations = Vec::new();
    if let Some(lock) = env_state.lock(None, ctx.now).filter(blocks) {
        violations.push(
            refuse_locked(ctx, &environment_label, lock)
                .remedy(format!("git deploy unlock {environment_label}")),
        );
    }
    // A lock of a renamed component's old name holds, too.
    let changes = deployment.components.iter();
    let components: BTreeSet<&ComponentName> = changes
        .flat_map(|change| ctx.policy.names_of(&change.target.component))
        .collect();
    for component in &components {
        let lock = env_state.lock(Some(component), ctx.now);
        if let Some(lock) = lock.filter(blocks) {
            let object = format!("{component} in {environment_label}");
            violations.push(refuse_locked(ctx, &object, lock).remedy(format!(
                "git deploy unlock {environment_label} --component {component}"
            )));
        }
    }
    let conflicting = env_state
        .runs()
        .into_iter()
        .filter(|run| conflicts(run, deployment, &components));
    violations.extend(conflicting.map(|run| refuse_unfinished(ctx, run)));
    Ok(violations)
}

/// Refuses a deployment while this run is unfinished. Its owner can end it. Deployers may abort it
/// once it is stale, and admins before: but a live run is waited for.
fn refuse_unfinished(ctx: &Context<'_>, run: OpenRun<'_>) -> Check {
    let (start, owner, number) = (&run.start.statement, &run.owner.statement, run.sequence);
    let (environment, by) = (ctx.environment_label(), &owner.by);
    let why = format!("run {number} of {by} is unfinished since {}", start.at);
    let abort = format!("git deploy abort {environment} --run {number} -m REASON");
    // Only the owner can continue a run, and only one that git-deploy carries out. If the job of
    // another system was killed, no one knows what it deployed, so its end must not be recorded as a
    // success: an abort leaves that open.
    if ctx.statement.is_some_and(|statement| statement.by == *by) {
        let is_exec = run
            .deployment()
            .is_none_or(|it| it.kind == DeploymentKind::Exec);
        return Check::fail(Rule::Lock, why).remedy(if has_apply(ctx, run) && !is_exec {
            format!("git deploy resume {environment} --run {number}")
        } else {
            abort
        });
    }
    let stale_at = ctx.environment.map(|it| owner.at.plus(it.stale_after));
    if let Some(at) = stale_at.filter(|at| *at > ctx.now) {
        return Check::fail(
            Rule::Lock,
            format!("{why}: wait until {by} finishes it, or until it is stale at {at}"),
        );
    }
    let mut able = ctx.admins().unwrap_or_default();
    let deployers = ctx.environment.map(|it| it.deployers.persons());
    able.extend(deployers.into_iter().flatten().cloned());
    Check::fail(Rule::Lock, why).remedy(abort).remedy_by(able)
}

/// Returns whether the policy has an `apply` command for a component that the run changes.
/// Otherwise another system deploys the components.
fn has_apply(ctx: &Context<'_>, run: OpenRun<'_>) -> bool {
    let carried_out = run.deployment().filter(|it| !it.external);
    let mut changed = carried_out.into_iter().flat_map(Deployment::changed);
    changed.any(|change| {
        ctx.policy
            .component(&change.target.component)
            .is_some_and(|it| it.apply.is_some())
    })
}

/// Returns whether an unfinished run blocks a deployment: it changes the same component, or one of
/// the two destroys the whole environment.
fn conflicts(
    run: &OpenRun<'_>,
    deployment: &Deployment,
    touched: &BTreeSet<&ComponentName>,
) -> bool {
    // Every accepted run has a deployment. A run without one would block, to be safe.
    let Some(other) = run.start.statement.deployment() else {
        return true;
    };
    let is_touched = |change: &ComponentChange| touched.contains(&change.target.component);
    other.kind == DeploymentKind::Destroy
        || deployment.kind == DeploymentKind::Destroy
        || other.changed().any(is_touched)
}

/// Returns whether a person made a lock. A signer that the policy no longer lists counts as a
/// person, so that the lock holds.
fn is_by_person(ctx: &Context<'_>, lock: &StoredEntry) -> bool {
    ctx.policy
        .people
        .get(&lock.statement.by)
        .is_none_or(|spec| !spec.machine)
}

/// Refuses a deployment because of a lock. Others may unlock, too, but the person who made the lock
/// knows whether its reason still holds, and so is asked first.
fn refuse_locked(ctx: &Context<'_>, object: &str, lock: &StoredEntry) -> Check {
    let statement = &lock.statement;
    let (reason, until) = match &statement.action {
        Action::Lock(it) => (it.reason.as_str(), it.until),
        _ => ("", None),
    };
    let until = until.map_or_else(String::new, |until| format!(" until {until}"));
    let check = Check::fail(
        Rule::Lock,
        format!(
            "{object} is locked by {} since {}{until}: {reason}",
            statement.by, statement.at
        ),
    );
    let is_reader = ctx.statement.is_some_and(|it| it.by == statement.by);
    let unlockers = ctx.environment().map(|it| find_unlockers(ctx, it));
    match unlockers {
        Ok(unlockers) if !is_reader && unlockers.contains(&statement.by) => {
            check.remedy_by([statement.by.clone()])
        }
        _ => check,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::{Lock, Outcome, VerificationResult};
    use crate::domain::rules::testing::{
        Case, change, deploy, deployment, finish, parse, ran, record, start,
    };
    use crate::domain::time::{Span, Time};

    const POLICY: &str = "[environments]\nprod = {}\n[environments.\"pr-*\"]\nephemeral = { ttl = \"8h\", limit = 2 }\n[components]\napi = { paths = [\"api/**\"] }\nweb = { paths = [\"web/**\"] }\n";

    fn lock(component: Option<&str>) -> Action {
        Action::Lock(Lock {
            component: component.map(parse),
            until: None,
            reason: parse("incident 4711"),
        })
    }

    /// A locked environment takes no deployment; a locked component blocks only itself.
    #[test]
    fn locks() {
        Case::new(POLICY, "prod", "alice", deploy("api", 1, None)).passes(Rule::Lock);
        let whole = Case::after(
            POLICY,
            "prod",
            vec![("bob", lock(None))],
            "alice",
            deploy("api", 1, None),
        );
        let check = whole.fails(
            Rule::Lock,
            "prod is locked by bob since 2026-03-05T09:59:00Z: incident 4711",
        );
        assert_eq!(check.remedy.as_deref(), Some("git deploy unlock prod"));
        let part = |to| {
            Case::after(
                POLICY,
                "prod",
                vec![("bob", lock(Some("api")))],
                "alice",
                deploy(to, 1, None),
            )
        };
        let check = part("api").fails(Rule::Lock, "api in prod is locked by bob");
        assert_eq!(
            check.remedy.as_deref(),
            Some("git deploy unlock prod --component api")
        );
        part("web").passes(Rule::Lock);
        // A lock of each former name holds for the renamed component, and for no other.
        for former in ["api", "backend"] {
            let policy =
                POLICY.replace("api = {", "core = { renamed_from = [\"backend\", \"api\"],");
            let lock = || vec![("bob", lock(Some(former)))];
            Case::after(&policy, "prod", lock(), "alice", deploy("core", 1, None))
                .fails(Rule::Lock, &format!("{former} in prod is locked by bob"));
            Case::after(&policy, "prod", lock(), "alice", deploy("web", 1, None))
                .passes(Rule::Lock);
            let running = vec![("bob", deploy(former, 1, None))];
            Case::after(&policy, "prod", running, "alice", deploy("core", 1, None))
                .fails(Rule::Lock, "is unfinished");
        }
        let mut blind = part("web");
        blind.facts.state = Some(Err("unreadable".to_owned()));
        blind.unknown(Rule::Lock, "unreadable");
    }

    /// A lock with an end holds before it and not from then on, by the clock of the evaluation and not
    /// by the time that the entry states.
    #[test]
    fn ends() {
        let until: Time = parse("2026-03-05T10:00:00Z");
        let second = Span::from_seconds(1);
        for component in [None, Some("api")] {
            let mut lock = lock(component);
            if let Action::Lock(lock) = &mut lock {
                lock.until = Some(until);
            }
            let history = vec![("bob", lock)];
            for (now, holds) in [
                (until.minus(second), true),
                (until, false),
                (until.plus(second), false),
            ] {
                let mut case = Case::after(
                    POLICY,
                    "prod",
                    history.clone(),
                    "alice",
                    deploy("api", 1, None),
                );
                case.now = now;
                case.statement.at = until;
                if holds {
                    let words = "is locked by bob since 2026-03-05T09:59:00Z until 2026-03-05T10:00:00Z: incident 4711";
                    drop(case.fails(Rule::Lock, words));
                } else {
                    case.passes(Rule::Lock);
                }
            }
        }
    }

    /// A rollback ignores a machine's lock, but not that of a person, listed or not.
    #[test]
    fn rollback_ignores_machines() {
        let back = || {
            start(
                1,
                deployment(DeploymentKind::Rollback, vec![change("api", 1, Some(2))]),
            )
        };
        for (by, stops) in [("ci", false), ("bob", true), ("mallory", true)] {
            let history = vec![
                ("alice", ran("api", 2, None)),
                (by, lock(None)),
                (by, lock(Some("api"))),
            ];
            let case = Case::after(POLICY, "prod", history.clone(), "alice", back());
            if stops {
                drop(case.fails(Rule::Lock, "locked by"));
            } else {
                case.passes(Rule::Lock);
            }
            Case::after(POLICY, "prod", history, "alice", deploy("api", 3, Some(2)))
                .fails(Rule::Lock, "locked by");
        }
    }

    /// A second run of a component waits for the first one, even if it is a rollback.
    #[test]
    fn one_at_a_time() {
        let history = || vec![("ci", deploy("api", 1, None))];
        let check = Case::after(
            POLICY,
            "prod",
            history(),
            "alice",
            start(
                2,
                deployment(DeploymentKind::Deploy, vec![change("api", 2, None)]),
            ),
        )
        .fails(
            Rule::Lock,
            "run 1 of ci is unfinished since 2026-03-05T09:59:00Z: wait until ci finishes it, or until it is stale at 2026-03-05T",
        );
        assert_eq!(check.remedy, None);
        let mut stale = Case::after(POLICY, "prod", history(), "alice", deploy("api", 2, None));
        stale.now = stale.now.plus(crate::domain::time::Span::from_days(2));
        let check = stale.fails(Rule::Lock, "run 1 of ci is unfinished");
        assert_eq!(
            check.remedy.as_deref(),
            Some("git deploy abort prod --run 1 -m REASON")
        );
        let own = Case::after(POLICY, "prod", history(), "ci", deploy("api", 2, None))
            .fails(Rule::Lock, "run 1 of ci");
        assert_eq!(
            own.remedy.as_deref(),
            Some("git deploy abort prod --run 1 -m REASON")
        );
        Case::after(POLICY, "prod", history(), "alice", deploy("web", 2, None)).passes(Rule::Lock);
        let back = start(
            2,
            deployment(DeploymentKind::Rollback, vec![change("api", 2, None)]),
        );
        Case::after(POLICY, "prod", history(), "alice", back).fails(Rule::Lock, "unfinished");
        let written = record(
            deployment(DeploymentKind::Deploy, vec![change("api", 2, None)]),
            Outcome::Succeeded,
            VerificationResult::None,
        );
        Case::after(POLICY, "prod", history(), "alice", written).fails(Rule::Lock, "unfinished");
        let mut done = history();
        done.push((
            "ci",
            finish(
                1,
                &deploy("api", 1, None),
                Outcome::Succeeded,
                VerificationResult::Passed,
            ),
        ));
        Case::after(POLICY, "prod", done, "alice", deploy("api", 2, Some(1))).passes(Rule::Lock);
    }

    /// Nothing is deployed to an environment that is being destroyed, and none is destroyed during
    /// a run.
    #[test]
    fn destruction_is_alone() {
        let destroy = || start(1, deployment(DeploymentKind::Destroy, Vec::new()));
        let within = |before, action| {
            Case::within(
                POLICY,
                "pr",
                Some("pr-7"),
                vec![("alice", before)],
                "alice",
                action,
            )
        };
        within(destroy(), deploy("api", 1, None)).fails(Rule::Lock, "unfinished");
        within(deploy("api", 1, None), destroy()).fails(Rule::Lock, "unfinished");
        // Another environment of the same pattern does not block.
        let mut other = within(destroy(), deploy("api", 1, None));
        other.statement.environment = Some(parse("pr-8"));
        other.passes(Rule::Lock);
    }

    /// A command in the environment waits for a run that changes its components.
    #[test]
    fn commands() {
        let api = change("api", 1, None);
        let exec = || start(9, deployment(DeploymentKind::Exec, vec![api.clone()]));
        let history = vec![
            ("alice", ran("api", 1, None)),
            ("alice", deploy("api", 2, Some(1))),
        ];
        Case::after(POLICY, "prod", history, "alice", exec()).fails(Rule::Lock, "unfinished");
        Case::after(
            POLICY,
            "prod",
            vec![("alice", ran("api", 1, None))],
            "alice",
            exec(),
        )
        .passes(Rule::Lock);
    }
}
