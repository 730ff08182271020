//! The good releases of an environment: what each component can be rolled back to.
//!
//! A release is good if it succeeded, its newest verification passed, and it is neither on hold nor
//! yanked. Components without a verify command only need to have succeeded.

use std::collections::{BTreeMap, BTreeSet};

use super::read_context::{self, EnvironmentSnapshot};
use super::workspace::Workspace;
use super::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::entry::{Target, VerificationResult};
use crate::domain::history::RunPeriod;
use crate::domain::id::Content;
use crate::domain::name::{ComponentName, Person};
use crate::domain::time::Time;
use crate::ledger::deployment_history::find_newest_accepted;
use crate::view::good;

/// A good release of a component.
#[derive(Debug, Clone)]
pub struct GoodRelease {
    /// The target. Its commit is the one that the release is, or was last, recorded at.
    pub target: Target,
    /// Its content.
    pub content: Content,
    /// Whether a verification passed.
    pub verified: bool,
    /// When it began to run.
    pub from: Time,
    /// When it ended; `None` if it still runs.
    pub to: Option<Time>,
    /// Who deployed it.
    pub by: Person,
    /// The sequence number of the entry that deployed it.
    pub sequence: u64,
}

impl GoodRelease {
    /// Converts the release to the form that `git deploy good` shows.
    pub fn into_view(self) -> good::HealthyRelease {
        good::HealthyRelease {
            commit: self.target.commit,
            version: self.target.version,
            verified: self.verified,
            running: self.to.is_none(),
            since: self.from,
            until: self.to,
            by: self.by,
            sequence: self.sequence,
        }
    }
}

/// Returns the components that run or whose deployment was attempted.
pub fn find_attempted(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
) -> BTreeSet<ComponentName> {
    let here = snapshot.state();
    let mut all: BTreeSet<ComponentName> = here.components().into_keys().cloned().collect();
    all.extend(
        workspace
            .policy
            .component_names()
            .into_iter()
            .filter(|name| here.last_attempt(name).is_some()),
    );
    all
}

/// Finds the newest good release of each component that `wanted` accepts. Leaves out components
/// that have none.
pub fn find_newest(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    components: &BTreeSet<ComponentName>,
    wanted: &dyn Fn(&ComponentName, &GoodRelease) -> bool,
) -> Result<BTreeMap<ComponentName, GoodRelease>, CliError> {
    let gatherer = workspace.gatherer();
    let judge = |component: &ComponentName, stay: &RunPeriod<'_>| {
        Ok(to_release(workspace, snapshot, component, stay)?
            .filter(|release| wanted(component, release)))
    };
    // A component that was never deployed would make the search walk the whole ledger.
    let known = find_attempted(workspace, snapshot);
    let open = components
        .iter()
        .filter(|name| known.contains(*name))
        .cloned()
        .collect();
    match workspace.tips.get(snapshot.env.ledger()) {
        Some(tip) => find_newest_accepted(gatherer.history(), &snapshot.env, *tip, open, &judge)
            .context(ErrorKind::CannotTell, "cannot tell what ran well"),
        None => Ok(BTreeMap::new()),
    }
}

/// Finds the newest good releases in the form that is shown, including the components that have
/// none.
pub fn build_view(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    components: BTreeSet<ComponentName>,
    wanted: &dyn Fn(&ComponentName, &GoodRelease) -> bool,
) -> Result<good::HealthyReleases, CliError> {
    let mut found = find_newest(workspace, snapshot, &components, wanted)?;
    let component = |component: ComponentName| {
        let good = found.remove(&component).map(GoodRelease::into_view);
        good::ComponentRelease {
            component,
            release: good,
        }
    };
    let components = components.into_iter().map(component).collect();
    Ok(good::HealthyReleases {
        environment: snapshot.name().clone(),
        components,
    })
}

/// Returns a period in which a component ran as a release, if it is good.
fn to_release(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    component: &ComponentName,
    stay: &RunPeriod<'_>,
) -> crate::git::Result<Option<GoodRelease>> {
    let none_counts = workspace
        .policy
        .component(component)
        .is_none_or(|it| it.verify.is_none());
    let (Some(commit), Some(content)) = (stay.last_commit(), stay.content) else {
        return Ok(None);
    };
    let held = snapshot.state().hold(component, content).is_some();
    if held
        || !stay.is_verified(none_counts)
        || read_context::read_yanks(workspace, [commit])?
            .yanked_commit(commit)
            .is_some()
    {
        return Ok(None);
    }
    let Some(target) = stay
        .entry
        .statement
        .component_result(component)
        .map(|it| it.target)
    else {
        return Ok(None);
    };
    Ok(Some(GoodRelease {
        target: Target { commit, ..target },
        content,
        verified: stay.last_verification() == VerificationResult::Passed,
        from: stay.from,
        to: stay.to,
        by: stay.entry.statement.by.clone(),
        sequence: stay.entry.statement.sequence,
    }))
}
