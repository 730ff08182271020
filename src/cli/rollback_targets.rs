//! Finds the good releases of an environment, to which components can be rolled back.
//!
//! A release is good if it succeeded, its newest verification passed, and it is neither on hold nor
//! yanked. A run that was signed with a removed key does not count. Components without a verify command only need to have succeeded.

use std::collections::{BTreeMap, BTreeSet};

use super::read_context::{self, EnvironmentSnapshot};
use super::workspace::Workspace;
use super::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::entry::{Target, VerificationResult};
use crate::domain::history::RunPeriod;
use crate::domain::id::Content;
use crate::domain::name::{ComponentName, Person};
use crate::domain::rules::has_listed_key;
use crate::domain::time::Time;
use crate::ledger::deployment_history::find_newest_accepted;
use crate::view::good;

/// A good release of a component.
#[derive(Debug, Clone)]
pub struct GoodRelease {
    /// The target, with the commit at which the release was last recorded.
    pub target: Target,
    /// Its content.
    pub content: Content,
    /// Whether a verification passed.
    pub verified: bool,
    /// When it began to run.
    pub from: Time,
    /// When it stopped running; `None` if it still runs.
    pub to: Option<Time>,
    /// Who deployed it.
    pub by: Person,
    /// The sequence number of the entry that deployed it.
    pub sequence: u64,
}

impl GoodRelease {
    /// Converts the release to the form that `git deploy good` shows.
    pub fn into_view(self) -> good::GoodReleaseRow {
        good::GoodReleaseRow {
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
    let state = snapshot.state();
    let mut all: BTreeSet<ComponentName> = state.components().into_keys().cloned().collect();
    all.extend(
        workspace
            .policy
            .component_names()
            .into_iter()
            .filter(|name| state.last_attempt(name).is_some()),
    );
    all
}

/// Finds, for each component, the newest good release for which `accepts` returns true. Leaves out
/// components that have none.
pub fn find_newest(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    components: &BTreeSet<ComponentName>,
    accepts: &dyn Fn(&ComponentName, &GoodRelease) -> bool,
) -> Result<BTreeMap<ComponentName, GoodRelease>, CliError> {
    let gatherer = workspace.gatherer();
    let find_release = |component: &ComponentName, period: &RunPeriod<'_>| {
        Ok(to_release(workspace, snapshot, component, period)?
            .filter(|release| accepts(component, release)))
    };
    // A component that was removed has no release to go back to.
    let attempted = find_attempted(workspace, snapshot);
    let searched = components
        .iter()
        .filter(|name| attempted.contains(*name))
        .cloned()
        .collect();
    match workspace.tips.get(snapshot.env.ledger()) {
        Some(tip) => find_newest_accepted(
            gatherer.history(),
            &snapshot.env,
            *tip,
            searched,
            &|entry| has_listed_key(&workspace.policy, entry),
            &find_release,
        )
        .context(
            ErrorKind::CannotTell,
            "cannot determine the last good releases",
        ),
        None => Ok(BTreeMap::new()),
    }
}

/// Finds the newest good releases in the form that is shown, including the components that have
/// none.
pub fn build_good_view(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    components: BTreeSet<ComponentName>,
    accepts: &dyn Fn(&ComponentName, &GoodRelease) -> bool,
) -> Result<good::GoodReleases, CliError> {
    let mut releases = find_newest(workspace, snapshot, &components, accepts)?;
    let component = |component: ComponentName| {
        let release = releases.remove(&component).map(GoodRelease::into_view);
        good::ComponentRelease { component, release }
    };
    let components = components.into_iter().map(component).collect();
    Ok(good::GoodReleases {
        environment: snapshot.name().clone(),
        components,
    })
}

/// Converts a period in which a component ran to a release. Returns `None` if the release is not
/// good.
fn to_release(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    component: &ComponentName,
    period: &RunPeriod<'_>,
) -> crate::git::Result<Option<GoodRelease>> {
    let verification_optional = workspace
        .policy
        .component(component)
        .is_none_or(|it| it.verify.is_none());
    let commit = period.commit;
    let Some(content) = period.content else {
        return Ok(None);
    };
    let is_held = snapshot.state().hold(component, content).is_some();
    if is_held || period.untrusted.is_some() || !period.is_verified(verification_optional) {
        return Ok(None);
    }
    let yanks = read_context::read_yanks(workspace, [commit], [(component.clone(), content)])?;
    if yanks.yanked_commit(commit).is_some() || yanks.yanked_content(component, content).is_some() {
        return Ok(None);
    }
    let Some(target) = period
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
        verified: period.last_verification() == VerificationResult::Passed,
        from: period.from,
        to: period.to,
        by: period.entry.statement.by.clone(),
        sequence: period.entry.statement.sequence,
    }))
}
