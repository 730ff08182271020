//! The rule `lock`: neither the environment nor a component that the deployment touches is locked
//! or has an unfinished run.
//!
//! A rollback ignores locks that a machine set, so that an automatic lock after an alert never
//! blocks it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::context::{Context, or_unknown, pass_if_none};
use super::definition::{RuleDefinition, needs_nothing};
use super::facts::Fact;
use super::request_kind::{RequestKind, RequestKinds};
use crate::domain::entry::{Action, ComponentChange, Deployment, DeploymentKind, StoredEntry};
use crate::domain::name::ComponentName;
use crate::domain::state::OpenRun;
use crate::domain::verdict::{Check, Rule};

pub(super) const DEFINITION: RuleDefinition = RuleDefinition {
    rule: Rule::Lock,
    name: "lock",
    description: "Neither the environment nor a deployed component is locked, and no unfinished run changes the same components. A rollback ignores locks that a machine set.",
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
    if let Some(lock) = env_state.lock().filter(blocks) {
        violations.push(
            refuse_locked(&environment_label, lock)
                .remedy(format!("git deploy unlock {environment_label}")),
        );
    }
    // A lock of a renamed component's old name holds, too.
    let changes = deployment.components.iter();
    let components: BTreeSet<&ComponentName> = changes
        .flat_map(|change| ctx.policy.names_of(&change.target.component))
        .collect();
    for component in &components {
        if let Some(lock) = env_state.component_lock(component).filter(blocks) {
            let object = format!("{component} in {environment_label}");
            violations.push(refuse_locked(&object, lock).remedy(format!(
                "git deploy unlock {environment_label} --component {component}"
            )));
        }
    }
    let conflicting = env_state
        .runs()
        .into_iter()
        .filter(|run| conflicts(run, deployment, &components));
    violations.extend(conflicting.map(|run| {
        let (start, by) = (&run.start.statement, &run.owner.statement.by);
        let why = format!(
            "run {} of {by} is unfinished since {}",
            run.sequence, start.at
        );
        let number = run.sequence;
        // Only the owner can continue a run, and only one that git-deploy carries out. If the job of
        // another system was killed, no one knows what it deployed, so its end must not be recorded
        // as a success: an abort leaves that open. Others may abort a run once it is stale.
        let is_own = ctx.statement.is_some_and(|statement| statement.by == *by);
        Check::fail(Rule::Lock, why).remedy(if is_own && has_apply(ctx, run) {
            format!("git deploy resume {environment_label} --run {number}")
        } else {
            format!("git deploy abort {environment_label} --run {number} -m REASON")
        })
    }));
    Ok(violations)
}

/// Returns whether the policy has an `apply` command for a component that the run changes.
/// Otherwise another system deploys the components.
fn has_apply(ctx: &Context<'_>, run: OpenRun<'_>) -> bool {
    let mut changed = run.deployment().into_iter().flat_map(Deployment::changed);
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

fn refuse_locked(object: &str, lock: &StoredEntry) -> Check {
    let statement = &lock.statement;
    let reason = match &statement.action {
        Action::Lock(it) => it.reason.as_str(),
        _ => "",
    };
    Check::fail(
        Rule::Lock,
        format!(
            "{object} is locked by {} since {}: {reason}",
            statement.by, statement.at
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::{Lock, Outcome, VerificationResult};
    use crate::domain::rules::testing::{
        Case, change, deploy, deployment, finish, parse, ran, record, start,
    };

    const POLICY: &str = "[environments]\nprod = {}\n[environments.\"pr-*\"]\nephemeral = { ttl = \"8h\", limit = 2 }\n[components]\napi = { paths = [\"api/**\"] }\nweb = { paths = [\"web/**\"] }\n";

    fn lock(component: Option<&str>) -> Action {
        Action::Lock(Lock {
            component: component.map(parse),
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
            "run 1 of ci is unfinished since 2026-03-05T09:59:00Z",
        );
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
