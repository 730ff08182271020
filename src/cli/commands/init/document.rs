//! The JSON document of `git deploy init`.

use schemars::JsonSchema;
use serde::Serialize;

use super::baselines::BaselineDocument;
use crate::domain::id::{EntryId, PublicKey};
use crate::domain::name::{Person, ProjectName};

/// What was set up.
#[derive(JsonSchema, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct InitDocument {
    /// The project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) project: Option<ProjectName>,
    /// The project's id: the commit of its genesis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) root: Option<EntryId>,
    /// The public key that signs here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) public_key: Option<PublicKey>,
    /// The remote that holds the ledgers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remote: Option<String>,
    /// Who may change the policy.
    pub(super) admins: Vec<Person>,
    /// What was created: `key`, `pre-push`, `deploy.toml`, `policy`.
    #[serde(rename = "made")]
    pub(super) created: Vec<&'static str>,
    /// The baselines that were recorded.
    pub(super) baselines: Vec<BaselineDocument>,
}
