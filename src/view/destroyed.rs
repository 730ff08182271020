//! The result of destroying ephemeral environments: the document `git-deploy/destroyed/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::id::EntryId;
use crate::domain::name::EnvName;
use crate::domain::time::Time;

/// The body of the document.
#[derive(Debug, Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DestroyReport {
    /// Whether nothing was destroyed, because this was a preview or only a notification.
    pub dry_run: bool,
    /// The environments that were to be destroyed, or whose expiry was announced, sorted by expiry.
    pub environments: Vec<DestroyedEnvironment>,
}

/// One environment.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DestroyedEnvironment {
    /// Its name.
    pub name: EnvName,
    /// When it expires or expired; absent if the environment does not exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// What happened to it.
    pub outcome: DestroyOutcome,
    /// Why it still exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The entry that ended the deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
}

/// What happened to an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DestroyOutcome {
    /// It was destroyed.
    Destroyed,
    /// Some of its components could not be destroyed; the next attempt continues with them.
    Failed,
    /// Nothing was changed, because the rules refuse it, or it is unknown whether they do.
    Refused,
    /// Nothing was changed, because another run works on it, or its expiry was changed.
    Skipped,
    /// It did not exist.
    Absent,
    /// It would be destroyed.
    WouldDestroy,
    /// It expires soon, and the recipients named in the policy were notified.
    Notified,
}
