//! The components of one environment, as `git deploy status` shows them: computed from the state at
//! the ledger's tip alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::entry::{
    Action, Deployment, DeploymentKind, Intent, Outcome, StoredEntry, Target, VerificationResult,
};
use crate::domain::id::Content;
use crate::domain::name::ComponentName;
use crate::domain::state::{EnvState, OpenRun};
use crate::domain::text::Line;
use crate::view::status::{ComponentState, ComponentStatus, HeldComponent, LockInfo};

/// Returns who set a lock, when and why.
pub(super) fn describe_lock(kept: &Arc<StoredEntry>) -> Option<LockInfo> {
    let statement = &kept.statement;
    match &statement.action {
        Action::Lock(it) => Some(LockInfo {
            by: statement.by.clone(),
            at: statement.at,
            reason: it.reason.clone(),
        }),
        _ => None,
    }
}

/// Returns the components whose last attempt failed or was rolled back and is still on hold.
pub(super) fn find_holds(here: EnvState<'_>) -> Vec<HeldComponent> {
    let attempted_last = |(component, content, _): (&ComponentName, Content, &Arc<StoredEntry>)| {
        let ended = here
            .last_attempt(component)?
            .statement
            .component_result(component)?;
        let bad = matches!(ended.outcome, Outcome::Failed | Outcome::RolledBack);
        let held = bad && ended.target.content == Some(content);
        held.then(|| HeldComponent {
            component: component.clone(),
            commit: ended.target.commit,
            outcome: ended.outcome,
        })
    };
    here.holds().filter_map(attempted_last).collect()
}

/// Returns every component that runs in an environment or is being deployed there.
pub(super) fn list_components(here: EnvState<'_>) -> Vec<ComponentStatus> {
    let runs = here.runs();
    let changed = runs
        .iter()
        .filter_map(|run| run.start.statement.deployment())
        .flat_map(Deployment::changed);
    let mut names: BTreeSet<&ComponentName> =
        changed.map(|change| &change.target.component).collect();
    // A component whose first deployment failed never ran, but is listed as well.
    names.extend(here.present_commits().into_keys());
    names
        .into_iter()
        .filter_map(|name| describe_component(here, name))
        .collect()
}

fn describe_component(here: EnvState<'_>, name: &ComponentName) -> Option<ComponentStatus> {
    let target = here
        .live_entry(name)
        .and_then(|kept| kept.statement.component_result(name))
        .map(|ended| ended.target);
    let run = here.run_changing(name);
    let (state, kept, to) = determine_state(here, name, run)?;
    Some(ComponentStatus {
        component: name.clone(),
        commit: here.commit(name),
        version: target.and_then(|target| target.version),
        state,
        target: to,
        since: kept.statement.at,
        by: kept.statement.by.clone(),
        behind: None,
        missing_commits: Vec::new(),
        lock: here.component_lock(name).and_then(describe_lock),
        yanked: None,
    })
}

/// Returns the state of a component, the entry that caused it, and the release that is being
/// deployed. The most urgent state wins.
fn determine_state<'a>(
    here: EnvState<'a>,
    name: &ComponentName,
    run: Option<OpenRun<'a>>,
) -> Option<(ComponentState, &'a Arc<StoredEntry>, Option<String>)> {
    if let Some(run) = run {
        let deployment = run.start.statement.deployment()?;
        let change = deployment
            .changed()
            .find(|change| change.target.component == *name)?;
        let state = match (deployment.kind, change.intent) {
            (_, Intent::Destroy) => ComponentState::Destroying,
            (DeploymentKind::Rollback, _) => ComponentState::RollingBack,
            _ => ComponentState::Deploying,
        };
        return Some((state, run.owner, Some(format_release(&change.target))));
    }
    if let Some(unknown) = here.unknown_since(name) {
        return Some((ComponentState::Unknown, unknown, None));
    }
    let live = here.live_entry(name)?;
    if here.newest_verification(name) == Some(VerificationResult::Failed) {
        return Some((
            ComponentState::Unhealthy,
            here.later_verification(name).unwrap_or(live),
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
