//! What a deployment would do, component by component: the text of `git deploy plan`, and the
//! document `git-deploy/plan/v1`.
//!
//! The texts are the output of commands, and addresses and names are untrusted. This module
//! sanitizes both for every format.

mod component;
mod difference;
mod document;
mod markdown;
mod text;

#[cfg(test)]
mod tests;

pub use component::{ComponentPlan, ComponentTransition, PlanState};
pub use difference::{compare_plans, read_plans};
pub use document::DeploymentPlan;
pub use markdown::render_markdown;
pub use text::{PlanDetail, render_text};

/// The largest document that is read again, in bytes. It contains the output of the commands.
pub const MAX_DOCUMENT_BYTES: u64 = 256 << 20;
