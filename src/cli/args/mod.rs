//! Arguments shared by several commands, and their resolution in a repository.

pub mod command_line;
pub mod deployment;
pub mod environment;
pub mod global;
pub mod inputs;
pub mod metadata;
pub mod moment;
pub mod outcome;
pub mod reason;
pub mod run;
pub mod yank;
