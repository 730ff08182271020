//! The components of one environment for `git deploy status`, computed from the state at the
//! ledger's tip alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::entry::{
    Action, Deployment, DeploymentKind, StoredEntry, Target, VerificationResult,
};
use crate::domain::name::ComponentName;
use crate::domain::policy::Policy;
use crate::domain::state::{EnvState, OpenRun};
use crate::domain::text::Line;
use crate::domain::time::Time;
use crate::view::status::{ComponentState, ComponentStatus, LockInfo};

/// Returns who set a lock, when and why.
pub(super) fn describe_lock(lock: &Arc<StoredEntry>) -> Option<LockInfo> {
    let statement = &lock.statement;
    match &statement.action {
        Action::Lock(it) => Some(LockInfo {
            by: statement.by.clone(),
            at: statement.at,
            until: it.until,
            reason: it.reason.clone(),
        }),
        _ => None,
    }
}

/// Returns every component that runs in an environment or is being deployed there.
pub(super) fn list_components(env_state: EnvState<'_>, now: Time) -> Vec<ComponentStatus> {
    let runs = env_state.runs();
    let changed = runs
        .iter()
        .filter_map(|run| run.start.statement.deployment())
        .flat_map(Deployment::changed);
    let mut names: BTreeSet<&ComponentName> =
        changed.map(|change| &change.target.component).collect();
    // A component whose first deployment failed never ran, but is listed as well.
    names.extend(env_state.present_commits().into_keys());
    names
        .into_iter()
        .filter_map(|name| describe_component(env_state, name, now))
        .collect()
}

/// Returns the components that the policy declares and that were never deployed to an environment.
/// Leaves out a component that still runs there under a former name.
pub(super) fn list_not_deployed(
    policy: &Policy,
    env_state: EnvState<'_>,
    listed: &[ComponentStatus],
) -> Vec<ComponentName> {
    let is_present = |name: &ComponentName| {
        env_state.present_commit(name).is_some() || listed.iter().any(|it| it.component == *name)
    };
    let mut names = policy.component_names();
    // The files that belong to no component are declared nowhere.
    names.retain(|name| *name != ComponentName::rest() && !policy.names_of(name).any(is_present));
    names.into_iter().collect()
}

/// Returns the status of a component, except for the parts that need its branch or the yanks.
fn describe_component(
    env_state: EnvState<'_>,
    name: &ComponentName,
    now: Time,
) -> Option<ComponentStatus> {
    let running = env_state
        .live_entry(name)
        .and_then(|entry| entry.statement.component_result(name))
        .map(|result| result.target);
    let run = env_state.run_changing(name);
    let (version, artifacts) = running.map_or((None, Vec::new()), |target| {
        (target.version, target.artifacts)
    });
    let (state, cause, deploying) = determine_state(env_state, name, run)?;
    Some(ComponentStatus {
        component: name.clone(),
        commit: env_state.commit(name),
        version,
        state,
        target: deploying,
        since: cause.statement.at,
        by: cause.statement.by.clone(),
        behind: None,
        missing_commits: Vec::new(),
        lock: env_state.lock(Some(name), now).and_then(describe_lock),
        yanked: None,
        placement: None,
        artifacts: artifacts.iter().map(ToString::to_string).collect(),
    })
}

/// Returns the state of a component, the entry that caused it, and the release that is being
/// deployed. The most urgent state wins.
fn determine_state<'a>(
    env_state: EnvState<'a>,
    name: &ComponentName,
    run: Option<OpenRun<'a>>,
) -> Option<(ComponentState, &'a Arc<StoredEntry>, Option<String>)> {
    if let Some(run) = run {
        let deployment = run.start.statement.deployment()?;
        let change = deployment
            .changed()
            .find(|change| change.target.component == *name)?;
        let state = match (deployment.kind, change.is_removal()) {
            (_, true) => ComponentState::Destroying,
            (DeploymentKind::Rollback, _) => ComponentState::RollingBack,
            _ => ComponentState::Deploying,
        };
        return Some((state, run.owner, Some(format_release(&change.target))));
    }
    if let Some(unknown) = env_state.unknown_since(name) {
        return Some((ComponentState::Unknown, unknown, None));
    }
    let live = env_state.live_entry(name)?;
    if env_state.newest_verification(name) == Some(VerificationResult::Failed) {
        return Some((
            ComponentState::Unhealthy,
            env_state.later_verification(name).unwrap_or(live),
            None,
        ));
    }
    Some((ComponentState::Live, live, None))
}

/// Returns the name of a release: its version, else its abbreviated commit.
fn format_release(target: &Target) -> String {
    target
        .version
        .as_ref()
        .map_or_else(|| target.commit.0.prefix(7), Line::to_string)
}
