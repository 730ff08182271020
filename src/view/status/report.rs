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
    /// The components whose last attempt failed, so that its content is on hold until a person
    /// releases it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HeldComponent>,
    /// The components that run or are being deployed, by name.
    pub components: Vec<ComponentStatus>,
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

/// A component whose content is on hold after its last attempt.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldComponent {
    /// The component.
    pub component: ComponentName,
    /// The attempted commit.
    pub commit: CommitId,
    /// The outcome: it failed or was rolled back.
    pub outcome: Outcome,
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
    /// The number of commits on the branch that touch the component and are not running; absent if
    /// unknown.
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
    /// The reason.
    pub reason: Line,
}
