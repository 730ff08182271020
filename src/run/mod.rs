//! What a deployment consists of, worked out from what runs and from the commit; how it is carried out, and who is told of it.

pub mod build_deployment;
pub mod cancellation;
pub mod command_env;
pub mod component_steps;
pub mod default_description;
pub mod digest;
pub mod execute;
pub mod graph;
pub mod junit;
pub mod notify;
pub mod outcome;
pub mod preview;
pub mod process;
pub mod replay;
pub mod run_dirs;
pub mod schedule;

#[cfg(test)]
mod tests;
