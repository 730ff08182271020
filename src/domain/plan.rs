//! Plans: what a component's plan command says it would change, without changing anything.
//!
//! A plan may contain secrets. Of a terraform plan only actions, addresses and output names are
//! kept; of any other plan the printed text, in which the caller has masked the secrets. Both are
//! untrusted text: whatever shows them must sanitize them first.

mod terraform;

pub use terraform::{
    Action, Change, LIMIT, Output, Summary, Terraform, TerraformError, is_terraform,
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
    pub planned: Planned,
}

/// The result of planning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// There is a plan.
    Made(Made),
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
    },
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The digest that approvals bind. Two plans with the same effect have the same digest,
    /// whenever they were made.
    pub digest: Digest,
    /// What is known about the plan apart from its text.
    pub what: What,
    /// The output of the plan command with secrets masked; for a long output only its end.
    pub text: String,
}

/// What is known about a plan apart from its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A terraform plan.
    Terraform(Terraform),
    /// A plan of any other tool. Nothing is known about its effect: it may change nothing, or
    /// destroy something.
    Text,
}

impl Plan {
    /// Returns the plan, if there is one.
    pub fn made(&self) -> Option<&Made> {
        match &self.planned {
            Planned::Made(made) => Some(made),
            Planned::Failed { .. } | Planned::Deferred { .. } => None,
        }
    }

    /// Returns the digest that approvals bind, if there is a plan.
    pub fn digest(&self) -> Option<&Digest> {
        self.made().map(|made| &made.digest)
    }

    /// Returns the terraform plan, if it is one.
    pub fn terraform(&self) -> Option<&Terraform> {
        match &self.made()?.what {
            What::Terraform(terraform) => Some(terraform),
            What::Text => None,
        }
    }

    /// Returns whether it is certain that there is nothing to apply.
    pub fn is_empty(&self) -> bool {
        self.terraform().is_some_and(Terraform::is_empty)
    }
}

impl Made {
    /// Returns the terraform plan, if it is one.
    pub fn of_terraform(&self) -> Option<&Terraform> {
        match &self.what {
            What::Terraform(terraform) => Some(terraform),
            What::Text => None,
        }
    }

    /// Returns whether it is certain that the plan changes nothing. Only terraform states this.
    pub fn is_empty(&self) -> bool {
        self.of_terraform().is_some_and(Terraform::is_empty)
    }

    /// Creates a terraform plan with the output of the plan command.
    pub fn terraform(terraform: Terraform, text: String) -> Self {
        Self {
            digest: terraform.digest().clone(),
            what: What::Terraform(terraform),
            text,
        }
    }
}
