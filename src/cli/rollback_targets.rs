//! Finds the good releases of an environment, to which components can be rolled back.
//!
//! A release is good if it succeeded, its newest verification passed, and it is neither on hold nor
//! yanked. A release of a component without a verify command only needs to have succeeded. A run that
//! was signed with a removed key does not count.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::read_context::{self, EnvironmentSnapshot};
use super::workspace::Workspace;
use super::{CliError, ErrorContext as _, ErrorKind};
use crate::domain::entry::{Action, Outcome, Target, VerificationResult};
use crate::domain::history::RunPeriod;
use crate::domain::id::{CommitId, Content};
use crate::domain::name::{ComponentName, Person};
use crate::domain::rules::has_listed_key;
use crate::domain::text::Line;
use crate::domain::time::Time;
use crate::ledger::deployment_history::find_newest_accepted;
use crate::view::good;

/// The maximum number of rejected releases to list.
const MAX_REJECTED: usize = 3;

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
    pub fn into_row(self) -> good::GoodReleaseRow {
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
    let mut attempted: BTreeSet<ComponentName> = state.components().into_keys().cloned().collect();
    attempted.extend(
        workspace
            .policy
            .component_names()
            .into_iter()
            .filter(|name| state.last_attempt(name).is_some()),
    );
    attempted
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
    match workspace.tips().get(snapshot.env.ledger()) {
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

/// Finds the newest good releases in the form that is displayed. Also lists components without a good
/// release, with the reason. `accepts` selects releases by their contents.
pub fn build_good_releases(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    components: BTreeSet<ComponentName>,
    accepts: &dyn Fn(&ComponentName, Option<Content>) -> bool,
) -> Result<good::GoodReleases, CliError> {
    let accepts_release = |component: &ComponentName, release: &GoodRelease| {
        accepts(component, Some(release.content))
    };
    let mut releases = find_newest(workspace, snapshot, &components, &accepts_release)?;
    let mut rows = Vec::new();
    for component in components {
        let release = releases.remove(&component).map(GoodRelease::into_row);
        let reason = match &release {
            Some(_) => None,
            None => explain_no_good_release(workspace, snapshot, &component, accepts)?,
        };
        rows.push(good::ComponentRelease {
            component,
            release,
            reason,
        });
    }
    Ok(good::GoodReleases {
        environment: snapshot.name().clone(),
        components: rows,
    })
}

/// Returns why none of the releases of a component is good: `8f3c2a1 is on hold`. Returns `None` if
/// there is no such release.
fn explain_no_good_release(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    component: &ComponentName,
    accepts: &dyn Fn(&ComponentName, Option<Content>) -> bool,
) -> Result<Option<String>, CliError> {
    let is_candidate = |period: &RunPeriod<'_>| accepts(component, period.content);
    let rejected = find_rejected(workspace, snapshot, component, &is_candidate)?;
    let last_attempt = snapshot.state().last_attempt(component);
    let failed = last_attempt
        .and_then(|entry| entry.statement.component_result(component))
        .filter(|result| matches!(result.outcome, Outcome::Failed | Outcome::RolledBack))
        .map(|result| format!("{} failed", result.target.commit.0.prefix(7)));
    let rejected = rejected
        .iter()
        .map(|it| format!("{} is {}", it.commit.0.prefix(7), it.reason));
    let reasons: Vec<String> = failed.into_iter().chain(rejected).collect();
    Ok((!reasons.is_empty()).then(|| format!("{component}: {}", reasons.join(", "))))
}

/// Why a release is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Its content is on hold.
    #[error("on hold")]
    OnHold,
    /// It was not verified, or its newest verification failed.
    #[error("not verified")]
    NotVerified,
    /// Its run was signed with a key that the policy no longer lists.
    #[error("signed with a removed key")]
    RemovedKey,
    /// It is yanked.
    #[error("yanked: \"{0}\"")]
    Yanked(Line),
}

/// An earlier release to which a component cannot be rolled back.
pub struct RejectedRelease {
    /// The commit of the release.
    pub commit: CommitId,
    /// Why it is not good.
    pub reason: Rejection,
}

/// Finds earlier releases to which a component cannot be rolled back, newest first and each commit
/// once. Examines only run periods for which `is_candidate` returns true.
pub fn find_rejected(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    component: &ComponentName,
    is_candidate: &dyn Fn(&RunPeriod<'_>) -> bool,
) -> Result<Vec<RejectedRelease>, CliError> {
    let rejected: RefCell<Vec<RejectedRelease>> = RefCell::default();
    let collect = |component: &ComponentName, period: &RunPeriod<'_>| {
        let mut rejected = rejected.borrow_mut();
        if is_candidate(period)
            && rejected.iter().all(|it| it.commit != period.commit)
            && let Some(reason) = find_rejection(workspace, snapshot, component, period)?
        {
            rejected.push(RejectedRelease {
                commit: period.commit,
                reason,
            });
        }
        Ok((rejected.len() >= MAX_REJECTED).then_some(()))
    };
    let Some(tip) = workspace.tips().get(snapshot.env.ledger()) else {
        return Ok(Vec::new());
    };
    find_newest_accepted(
        workspace.gatherer().history(),
        &snapshot.env,
        *tip,
        [component.clone()].into(),
        &|entry| has_listed_key(&workspace.policy, entry),
        &collect,
    )
    .context(
        ErrorKind::CannotTell,
        "cannot determine the last good releases",
    )?;
    Ok(rejected.into_inner())
}

/// Returns why the release of a period is not good. Returns `None` if it is good, or if the component
/// was absent in that period.
fn find_rejection(
    workspace: &Workspace,
    snapshot: &EnvironmentSnapshot<'_>,
    component: &ComponentName,
    period: &RunPeriod<'_>,
) -> crate::git::Result<Option<Rejection>> {
    let Some(content) = period.content else {
        return Ok(None);
    };
    let verification_optional = workspace
        .policy
        .component(component)
        .is_none_or(|it| it.verify.is_none());
    let yanks =
        read_context::read_yanks(workspace, [period.commit], [(component.clone(), content)])?;
    if let Some(Action::Yank(yank)) = yanks
        .yanked_commit(period.commit)
        .or_else(|| yanks.yanked_content(component, content))
        .map(|entry| &entry.statement.action)
    {
        return Ok(Some(Rejection::Yanked(yank.reason.clone())));
    }
    Ok(if snapshot.state().hold(component, content).is_some() {
        Some(Rejection::OnHold)
    } else if period.untrusted.is_some() {
        Some(Rejection::RemovedKey)
    } else if period.is_verified(verification_optional) {
        None
    } else {
        Some(Rejection::NotVerified)
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
    let commit = period.commit;
    let Some(content) = period.content else {
        return Ok(None);
    };
    if find_rejection(workspace, snapshot, component, period)?.is_some() {
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
