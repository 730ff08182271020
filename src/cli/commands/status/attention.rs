//! What needs attention in an environment: holds, failures, uses of break-glass, unfinished runs,
//! approvals that are still unused, and running commits that are not where they belong.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cli::pending_approvals::{UnusedApproval, list_pending_approvals};
use crate::domain::entry::{
    ApprovalPurpose, Approve, ComponentResult, Deployment, DeploymentKind, Outcome, Statement,
    StoredEntry,
};
use crate::domain::id::Content;
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::state::EnvState;
use crate::domain::time::Time;
use crate::ledger::facts::FactGatherer;
use crate::view::status::{
    BreakGlassUse, FailedComponent, HeldComponent, PendingApproval, UnfinishedRun,
};

/// What needs attention in an environment.
pub(super) struct Attention {
    pub holds: Vec<HeldComponent>,
    pub failures: Vec<FailedComponent>,
    pub break_glass: Vec<BreakGlassUse>,
    pub unfinished_runs: Vec<UnfinishedRun>,
    pub approvals: Vec<PendingApproval>,
}

impl Attention {
    /// Reads what needs attention. Leaves out what is only about components that are not shown.
    pub fn read(
        policy: &Policy,
        env_state: EnvState<'_>,
        gatherer: &FactGatherer<'_>,
        now: Time,
        is_shown: &dyn Fn(&ComponentName) -> bool,
        can_count: &dyn Fn(&StoredEntry, &Approve) -> bool,
    ) -> crate::git::Result<Self> {
        let mut attention = Self {
            holds: find_holds(env_state, gatherer)?,
            failures: find_failures(env_state),
            break_glass: find_break_glass(env_state),
            unfinished_runs: find_unfinished_runs(env_state),
            approvals: find_approvals(policy, env_state, now, can_count),
        };
        attention.holds.retain(|it| is_shown(&it.component));
        attention.failures.retain(|it| is_shown(&it.component));
        attention.break_glass.retain(|it| is_shown(&it.component));
        let any_shown = |components: &[ComponentName]| components.iter().any(is_shown);
        let has_shown =
            |run: &UnfinishedRun| run.components.is_empty() || any_shown(&run.components);
        attention.unfinished_runs.retain(has_shown);
        attention.approvals.retain(|it| any_shown(&it.components));
        Ok(attention)
    }
}

/// Returns every content that is on hold, newest first.
fn find_holds(
    env_state: EnvState<'_>,
    gatherer: &FactGatherer<'_>,
) -> crate::git::Result<Vec<HeldComponent>> {
    let mut entries: Vec<(&ComponentName, Content, &Arc<StoredEntry>)> =
        env_state.holds().collect();
    entries.sort_by_key(|(component, _, entry)| {
        (std::cmp::Reverse(entry.statement.sequence), *component)
    });
    let mut holds = Vec::new();
    let mut seen = BTreeSet::new();
    for (component, content, entry) in entries {
        let is_newest = seen.insert(component);
        let is_superseded = env_state.live_entry(component).is_some_and(|live| {
            live.statement.sequence > entry.statement.sequence
                && !(is_newest && live.statement.ended_kind() == Some(DeploymentKind::Rollback))
        });
        let described = describe_hold(component, content, &entry.statement, gatherer)?;
        holds.extend(described.map(|hold| HeldComponent {
            superseded: is_superseded,
            ..hold
        }));
    }
    Ok(holds)
}

/// Describes a hold by the entry that caused it: an attempt that failed, or a rollback of the version
/// that ran before.
fn describe_hold(
    component: &ComponentName,
    content: Content,
    cause: &Statement,
    gatherer: &FactGatherer<'_>,
) -> crate::git::Result<Option<HeldComponent>> {
    let Some(result) = cause.component_result(component) else {
        return Ok(None);
    };
    if result.target.content == Some(content) && has_failed(&result) {
        return Ok(Some(HeldComponent {
            component: component.clone(),
            commit: result.target.commit,
            outcome: result.outcome,
            rolled_back_by: None,
            cancelled: cause.was_cancelled(component),
            superseded: false,
        }));
    }
    let start = gatherer.history().start_of(cause)?;
    let deployment = cause.deployment().or_else(|| {
        start
            .as_ref()
            .and_then(|start| start.statement.deployment())
    });
    let changes = deployment.into_iter().flat_map(Deployment::changed);
    let from = changes
        .filter(|change| change.target.component == *component)
        .find_map(|change| change.from);
    Ok(from.map(|commit| HeldComponent {
        component: component.clone(),
        commit,
        outcome: Outcome::RolledBack,
        rolled_back_by: Some(cause.by.clone()),
        cancelled: false,
        superseded: false,
    }))
}

/// Returns the components whose last attempt failed.
fn find_failures(env_state: EnvState<'_>) -> Vec<FailedComponent> {
    let describe = |component: &ComponentName| {
        let statement = &env_state.last_attempt(component)?.statement;
        let result = statement.component_result(component)?;
        has_failed(&result).then(|| FailedComponent {
            component: component.clone(),
            commit: result.target.commit,
            outcome: result.outcome,
            cancelled: statement.was_cancelled(component),
            at: statement.at,
        })
    };
    let components = env_state.present_commits().into_keys();
    components.filter_map(describe).collect()
}

fn has_failed(result: &ComponentResult) -> bool {
    matches!(result.outcome, Outcome::Failed | Outcome::RolledBack)
}

/// Returns the running components that were deployed by overriding the rules.
fn find_break_glass(env_state: EnvState<'_>) -> Vec<BreakGlassUse> {
    let describe = |component: &ComponentName| {
        let statement = &env_state.live_entry(component)?.statement;
        Some(BreakGlassUse {
            component: component.clone(),
            by: statement.by.clone(),
            at: statement.at,
            reason: statement.break_glass()?.clone(),
        })
    };
    env_state
        .components()
        .into_keys()
        .filter_map(describe)
        .collect()
}

/// Returns the runs that have not ended, oldest first.
fn find_unfinished_runs(env_state: EnvState<'_>) -> Vec<UnfinishedRun> {
    let runs = env_state.runs().into_iter().filter_map(|run| {
        let deployment = run.deployment()?;
        let changes = deployment.components.iter();
        Some(UnfinishedRun {
            run: run.sequence,
            components: changes.map(|it| it.target.component.clone()).collect(),
            command: deployment.command.clone(),
            by: run.owner.statement.by.clone(),
            at: run.owner.statement.at,
        })
    });
    runs.collect()
}

/// Returns the approvals that no deployment has used that have not expired, and that can
/// still count.
fn find_approvals(
    policy: &Policy,
    env_state: EnvState<'_>,
    now: Time,
    can_count: &dyn Fn(&StoredEntry, &Approve) -> bool,
) -> Vec<PendingApproval> {
    let mut pending = list_pending_approvals(policy, env_state, now);
    pending.retain(|it| can_count(it.entry, it.approve));
    let describe = |it: UnusedApproval<'_>| PendingApproval {
        commit: it.approve.commit,
        components: it.components,
        purpose: match it.approve.purpose {
            ApprovalPurpose::Deploy => "deploy",
            ApprovalPurpose::Destroy => "destroy",
            ApprovalPurpose::Exec { .. } => "exec",
        },
        by: it.by.clone(),
        expires: it.approve.expires,
    };
    pending.into_iter().map(describe).collect()
}
