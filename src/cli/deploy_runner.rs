//! Runs deployments from the first check of the rules to the finish entry. Shared by `run`,
//! `promote`, `rollback` and, in part, `resume`.
//!
//! The start entry is the lock. A run with a start entry always ends with a finish entry, unless
//! another client takes the run over.

mod checks;
mod completion;
mod deploy;
mod destroy;
mod entry_notices;
mod execution;
mod isolation;
mod notices;
mod notifications;
mod planning;
mod preparation;
mod run_ownership;
mod runner;
mod scripts;
mod start;

pub use destroy::{Destruction, build_destruction, make_gone_error};
pub use entry_notices::{SharedNotice, notify_environments, notify_refusal, report_recorded};
pub use planning::PlanProgress;
pub use preparation::{Preparation, explain_config_change};
pub use runner::{ComponentPlans, DeployRunner, StartedRun, handle_interrupts};
