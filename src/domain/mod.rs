//! The pure core, without Git, clock or I/O: names, ids, entries, state, policy, rules and history.

pub mod address;
pub mod command_line;
pub mod count;
pub mod deploy_command;
pub mod email;
pub mod entry;
pub mod env_ref;
pub mod history;
pub mod id;
pub mod input_name;
pub mod name;
pub mod next_version;
pub mod plan;
pub mod policy;
pub mod rules;
mod serde_str;
pub mod state;
pub mod success_tags;
pub mod text;
pub mod time;
pub mod verdict;
