//! The document `git-deploy/plan/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use super::component::ComponentPlan;
use super::difference::PlanComparison;
use crate::domain::id::CommitId;
use crate::domain::name::EnvName;
use crate::domain::verdict::Verdict;
use crate::view::announcement::Announcement;
use crate::view::check::LeftOutComponent;
use crate::view::verdict;

/// The body of the document.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentPlan {
    /// The target environment.
    pub environment: EnvName,
    /// The commit to deploy.
    pub commit: CommitId,
    /// Every component of the deployment.
    pub components: Vec<ComponentPlan>,
    /// The components that differ but that a run would leave out for now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOutComponent>,
    /// What a person should know before the deployment, although no rule forbids it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub announcements: Vec<Announcement>,
    /// What the rules say about the deployment with these plans.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "verdict::serialize_some"
    )]
    #[schemars(with = "Option<verdict::VerdictDocument<'_>>")]
    pub verdict: Option<Verdict>,
    /// How the plans differ from those of an earlier document, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<PlanComparison>,
}
