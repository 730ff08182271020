//! Works out what a deployment consists of, carries it out, and sends notifications about it.

pub mod build_deployment;
pub mod caller_env;
pub mod cancellation;
pub mod command_env;
pub mod command_log;
mod component_checkout;
pub mod component_steps;
pub mod deployment_inputs;
pub mod digest;
pub mod execute;
pub mod graph;
pub mod isolation;
pub mod junit;
pub mod new_commits;
pub mod notify;
pub mod outcome;
pub mod preview;
pub mod process;
pub mod proposed_approval;
pub mod replay;
mod saved_plan;
pub mod schedule;
pub mod script_check;
pub mod work_dirs;

#[cfg(test)]
mod tests;
