//! The document `git-deploy/plan/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use super::component::ComponentPlan;
use super::difference::PlanComparison;
use crate::domain::id::CommitId;
use crate::domain::name::EnvName;

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
    /// How the plans differ from those of an earlier document, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<PlanComparison>,
}
