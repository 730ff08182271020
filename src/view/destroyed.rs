//! What became of ephemeral environments that were to be taken down: the document `git-deploy/destroyed/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::id::EntryId;
use crate::domain::name::EnvName;
use crate::domain::time::Time;

/// The body of the document.
#[derive(Debug, Default, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Destroyed {
    /// Whether nothing was done, because it was only asked what would be, or those were told whom the policy names.
    pub dry_run: bool,
    /// Those that were to be taken down, or warned of, in the order in which they expire.
    pub environments: Vec<Environment>,
}

/// One environment.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// Its name.
    pub name: EnvName,
    /// When it expires or did; absent where it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it is not gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The entry that says how it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
}

/// What became of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It is gone.
    Destroyed,
    /// Something of it could not be destroyed; the next attempt goes on with what is left.
    Failed,
    /// It was not touched: the rules refuse it, or it cannot be told whether they do.
    Refused,
    /// It was left alone: somebody else is at it, or has given it another end.
    Left,
    /// It was not there.
    Absent,
    /// It would be destroyed.
    Due,
    /// It expires soon, and those whom the policy names were told.
    Expiring,
}
