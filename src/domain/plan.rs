//! Plans: the output of a component's plan command, which describes the changes that a deployment
//! would make.
//!
//! A plan may contain secrets. From terraform's JSON, only actions, addresses and output names are
//! kept. The caller masks the secrets in the printed text. All of it is untrusted: sanitize it
//! before showing it.

mod created_resources;
mod terraform;

pub use created_resources::CreatedResources;
pub use terraform::{
    ActionCounts, MAX_JSON_BYTES, PlannedAction, TerraformError, TerraformPlan,
    is_saved_terraform_plan, list_warnings,
};

use super::id::{CommitId, Digest};
use super::name::ComponentName;

/// The result of planning one component at one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The component.
    pub component: ComponentName,
    /// The commit to deploy.
    pub commit: CommitId,
    /// The result.
    pub result: PlanResult,
}

/// The result of planning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanResult {
    /// There is a plan.
    Planned(PlanOutput),
    /// The plan command failed, or its output cannot be read.
    Failed {
        /// Why, as a sentence without a full stop: `it ended with exit code 1`.
        reason: String,
        /// The end of its output, with secrets masked.
        output: String,
    },
    /// It cannot be planned before other components are applied, because it needs their results.
    Deferred {
        /// The components that must be applied first.
        waits_for: Vec<ComponentName>,
        /// How the attempt to plan it now ended.
        reason: String,
        /// The end of the attempt's output, with secrets masked.
        output: String,
    },
}

/// The plan of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOutput {
    /// The digest that approvals bind. Two plans with the same effect have the same digest,
    /// whenever they were made.
    pub digest: Digest,
    /// What is known about the plan apart from its text.
    pub kind: PlanKind,
    /// The output of the plan command with secrets masked; for a long output only its end.
    pub text: String,
}

/// What is known about a plan apart from its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanKind {
    /// A terraform plan.
    Terraform(TerraformPlan),
    /// A plan of any other tool. Nothing is known about its effect: it may change nothing, or
    /// destroy something.
    Text,
}

impl Plan {
    /// Returns the plan, if there is one.
    pub fn output(&self) -> Option<&PlanOutput> {
        match &self.result {
            PlanResult::Planned(output) => Some(output),
            PlanResult::Failed { .. } | PlanResult::Deferred { .. } => None,
        }
    }

    /// Returns the digest that approvals bind, if there is a plan.
    #[cfg(any(test, feature = "testing"))]
    pub fn digest(&self) -> Option<&Digest> {
        self.output().map(|output| &output.digest)
    }

    /// Returns whether it is certain that there is nothing to apply.
    pub fn is_empty(&self) -> bool {
        self.output().is_some_and(PlanOutput::is_empty)
    }
}

impl PlanOutput {
    /// Returns the terraform plan, if it is one.
    pub fn as_terraform(&self) -> Option<&TerraformPlan> {
        match &self.kind {
            PlanKind::Terraform(terraform) => Some(terraform),
            PlanKind::Text => None,
        }
    }

    /// Returns whether it is certain that the plan changes nothing. Only terraform states this.
    pub fn is_empty(&self) -> bool {
        self.as_terraform().is_some_and(TerraformPlan::is_empty)
    }

    /// Creates a terraform plan with the output of the plan command.
    pub fn from_terraform(terraform: TerraformPlan, text: String) -> Self {
        Self {
            digest: terraform.digest().clone(),
            kind: PlanKind::Terraform(terraform),
            text,
        }
    }
}
