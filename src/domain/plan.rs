//! What a plan says: what a component's plan command would do, without doing it.
//!
//! A plan may hold secrets: of terraform's only actions, addresses and names of outputs are kept, of any other tool the text that it
//! printed, in which whoever gives it has masked what is secret. Both were chosen by strangers; what shows them makes them harmless.

mod terraform;

pub use terraform::{
    Action, Change, LIMIT, Output, Summary, Terraform, TerraformError, is_terraform,
};

use super::id::{CommitId, Digest};
use super::name::ComponentName;

/// What came of planning one component at one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The component.
    pub component: ComponentName,
    /// The commit that would be deployed.
    pub commit: CommitId,
    /// How it went.
    pub planned: Planned,
}

/// How planning went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Planned {
    /// There is a plan.
    Made(Made),
    /// The plan command failed, or what it left cannot be read.
    Failed {
        /// Why, in one sentence without a full stop: `it ended with exit code 1`.
        reason: String,
        /// The end of what it printed, masked.
        output: String,
    },
    /// It cannot be planned before others are applied, whose results it needs.
    Deferred {
        /// The components that it waits for.
        waits_for: Vec<ComponentName>,
    },
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// What approvals bind: equal for two plans of the same, whenever they were made.
    pub digest: Digest,
    /// What is known of it besides its text.
    pub what: What,
    /// What the plan command printed, masked, or the end of it where that is long.
    pub text: String,
}

/// What is known of a plan besides its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A terraform plan.
    Terraform(Terraform),
    /// Of any other tool nothing is known: neither that it changes nothing, nor that it destroys nothing.
    Text,
}

impl Plan {
    /// The plan, if there is one.
    pub fn made(&self) -> Option<&Made> {
        match &self.planned {
            Planned::Made(made) => Some(made),
            Planned::Failed { .. } | Planned::Deferred { .. } => None,
        }
    }

    /// What approvals bind, if there is a plan.
    pub fn digest(&self) -> Option<&Digest> {
        self.made().map(|made| &made.digest)
    }

    /// The terraform plan, if it is one.
    pub fn terraform(&self) -> Option<&Terraform> {
        match &self.made()?.what {
            What::Terraform(terraform) => Some(terraform),
            What::Text => None,
        }
    }

    /// Whether it is certain that there is nothing to apply.
    pub fn is_empty(&self) -> bool {
        self.terraform().is_some_and(Terraform::is_empty)
    }
}

impl Made {
    /// The plan, if it is terraform's.
    pub fn of_terraform(&self) -> Option<&Terraform> {
        match &self.what {
            What::Terraform(terraform) => Some(terraform),
            What::Text => None,
        }
    }

    /// Whether it would do nothing: only terraform says that of itself.
    pub fn is_empty(&self) -> bool {
        self.of_terraform().is_some_and(Terraform::is_empty)
    }

    /// A terraform plan with what the plan command printed.
    pub fn terraform(terraform: Terraform, text: String) -> Self {
        Self {
            digest: terraform.digest().clone(),
            what: What::Terraform(terraform),
            text,
        }
    }
}
