//! Carries out a deployment: makes the plans, applies them in dependency order, verifies, and rolls
//! back failed components.
//!
//! The result is how each component ended, as the `finish` entry records it. Nothing here writes to
//! a ledger.

mod apply;
mod apply_component;
mod changes;
mod deploy_task;
mod rollback;
mod unordered;

pub use apply::apply_deployment;
pub use changes::{make_result, prepare_job};
pub use deploy_task::{DeployTask, RunCallbacks, RunReport, StopReason};
pub use unordered::{make_plans, verify_components};
