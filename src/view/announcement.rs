//! What a person should know before a deployment, although no rule forbids it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::id::CommitId;

/// One thing to know before a deployment.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Announcement {
    /// What it is about.
    pub kind: AnnouncementKind,
    /// The announcement in words.
    pub message: String,
    /// The commits that it is about, hotfixes first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commits: Vec<CommitId>,
    /// Whether there are more such commits than `commits` lists.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub truncated: bool,
}

/// What an announcement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum AnnouncementKind {
    /// The deployment takes away commits that the environment runs.
    LostCommits,
    /// The work tree has changes that the deployed commit does not have.
    UncommittedChanges,
    /// A deployed commit is on no branch of the remote.
    UnpushedCommit,
    /// A deployed commit is not on the branch of the environment.
    OffBranchCommit,
    /// An approved plan has a warning or a failing check.
    PlanWarning,
}
