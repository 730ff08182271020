//! The document `git-deploy/status/v1`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::entry::Outcome;
use crate::domain::id::CommitId;
use crate::domain::name::{ComponentName, EnvName, Person};
use crate::domain::text::Line;
use crate::domain::time::Time;
use crate::view::commit_count::CommitCount;

/// The body of the document.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    /// The environments in the order of promotion; a pattern is represented by its members.
    pub environments: Vec<EnvironmentStatus>,
    /// The branch that `behind` refers to, unless the environment has its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The remote that holds the ledgers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// When it was last fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched: Option<Time>,
    /// The problems of the remote's ledgers, one sentence each.
    pub problems: Vec<String>,
    /// Whether environments were left out, or may lack their newest entries, because of problems.
    #[serde(skip)]
    #[schemars(skip)]
    pub is_incomplete: bool,
}

/// One environment.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// Its name.
    pub name: EnvName,
    /// Its own branch for `behind`, if it differs from the document's `branch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Its lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockInfo>,
    /// When it expires, if it is ephemeral.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// Whether it has expired: the next `git deploy reap` destroys it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
    /// The contents of components that failed or were rolled back and are on hold until a person lifts
    /// the hold, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HeldComponent>,
    /// Who may lift the holds; `None` if the reader may.
    #[serde(skip)]
    #[schemars(skip)]
    pub hold_lifters: Option<Vec<Person>>,
    /// The components whose last attempt failed, whether or not its content is still on hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailedComponent>,
    /// The components whose running version was deployed by overriding the rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub break_glass: Vec<BreakGlassUse>,
    /// The runs that have not ended, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unfinished_runs: Vec<UnfinishedRun>,
    /// The approvals that no deployment has used and that have not expired.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<PendingApproval>,
    /// When a component was last released here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_released: Option<Time>,
    /// Who released it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released_by: Option<Person>,
    /// The status of all components together; absent if nothing was released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release_status: Option<ReleaseStatus>,
    /// The components that run or are being deployed, by name.
    pub components: Vec<ComponentStatus>,
    /// The components that the policy declares and that were never deployed here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_deployed: Vec<ComponentName>,
    /// The components that run but are no longer declared in the policy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undeclared: Vec<ComponentName>,
    /// The components that still run under their old name (`renamed_from` in the policy), with the
    /// new one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub renamed: BTreeMap<ComponentName, ComponentName>,
    /// With `--exit-code`: the components whose content differs from the branch; empty if there are
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differing_components: Option<Vec<ComponentName>>,
}

/// A component whose content is on hold.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldComponent {
    /// The component.
    pub component: ComponentName,
    /// The commit whose content is on hold.
    pub commit: CommitId,
    /// The outcome: it failed or was rolled back.
    pub outcome: Outcome,
    /// The person who rolled it back; absent if its deployment failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_back_by: Option<Person>,
    /// Whether its deployment was cancelled, so that nothing says that the content is bad.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
    /// Whether another version was deployed since, or a later one is on hold.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub superseded: bool,
}

/// A component whose last attempt failed.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedComponent {
    /// The component.
    pub component: ComponentName,
    /// The attempted commit.
    pub commit: CommitId,
    /// The outcome: it failed or was rolled back.
    pub outcome: Outcome,
    /// Whether it failed because the run was cancelled.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
    /// When it ended.
    pub at: Time,
}

/// A deployment that overrode the rules.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BreakGlassUse {
    /// The component.
    pub component: ComponentName,
    /// Who deployed it.
    pub by: Person,
    /// When it was deployed.
    pub at: Time,
    /// The reason.
    pub reason: Line,
}

/// A run that has not ended.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnfinishedRun {
    /// The sequence number of its start.
    pub run: u64,
    /// Its components.
    pub components: Vec<ComponentName>,
    /// The command of an `exec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Line>,
    /// Who started or resumed it.
    pub by: Person,
    /// When it was started or resumed.
    pub at: Time,
}

/// An approval that no deployment has used.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingApproval {
    /// The approved commit.
    pub commit: CommitId,
    /// The approved components.
    pub components: Vec<ComponentName>,
    /// What is approved.
    #[schemars(extend("enum" = ["deploy", "destroy", "exec"]))]
    pub purpose: &'static str,
    /// Who approved it.
    pub by: Person,
    /// When the approval expires.
    pub expires: Time,
}

/// The status of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ReleaseStatus {
    /// Everything was released.
    Complete,
    /// Something is being released.
    InProgress,
    /// The running version of a component is unknown or unhealthy, and nothing is being released.
    Failed,
}

/// Why a running commit needs attention, although it was deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum CommitPlacement {
    /// It is on no branch of the remote, as last fetched.
    Unpushed,
    /// It is not on the branch of the environment.
    OffBranch,
}

/// One component in an environment.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// Its name.
    pub component: ComponentName,
    /// The running commit; absent if nothing ran yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Line>,
    /// The state.
    pub state: ComponentState,
    /// The version or commit being deployed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Since when it is in this state.
    pub since: Time,
    /// Who brought it into this state.
    pub by: Person,
    /// The number of commits on the branch that touch the component and are not running; 0 if the
    /// running content is that of the branch; absent if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<CommitCount>,
    /// Those commits, so that a row for several components counts each only once.
    #[serde(skip)]
    pub missing_commits: Vec<CommitId>,
    /// The lock of this component alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockInfo>,
    /// Why the running commit was yanked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yanked: Option<Line>,
    /// Where the running commit is missing; absent if it is where it belongs, or if that is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placement: Option<CommitPlacement>,
    /// The artifacts of the running version, by name and digest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<String>,
}

impl ComponentState {
    /// Returns the status of a release that leaves a component in this state.
    pub fn release_status(self) -> ReleaseStatus {
        match self {
            Self::Live => ReleaseStatus::Complete,
            Self::Deploying | Self::RollingBack | Self::Destroying => ReleaseStatus::InProgress,
            Self::Unknown | Self::Unhealthy => ReleaseStatus::Failed,
        }
    }
}

impl ReleaseStatus {
    /// Returns the status in the words of `git deploy status all ENV`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "COMPLETE",
            Self::InProgress => "IN_PROGRESS",
            Self::Failed => "FAILED",
        }
    }

    /// Returns the status of several components together.
    pub fn combine(statuses: impl IntoIterator<Item = Self>) -> Option<Self> {
        statuses.into_iter().max_by_key(|status| match status {
            Self::Complete => 0,
            Self::Failed => 1,
            Self::InProgress => 2,
        })
    }
}

/// The state of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ComponentState {
    /// It runs.
    Live,
    /// A new version is being deployed.
    Deploying,
    /// A rollback is under way.
    RollingBack,
    /// It is being removed.
    Destroying,
    /// The running version is unknown after a failure or an abort.
    Unknown,
    /// It runs, and its last verification failed.
    Unhealthy,
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LockInfo {
    /// Who locked it.
    pub by: Person,
    /// When it was locked.
    pub at: Time,
    /// When the lock ends; absent if it holds until it is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// The reason.
    pub reason: Line,
}
