//! The arguments that several commands have, and what they mean in a repository.

pub mod environment;
pub mod global;
pub mod metadata;
pub mod outcome;
pub mod run;
pub mod yank;
