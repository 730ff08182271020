//! Every access to git: this level moves bytes, and knows nothing of what an entry means.
//!
//! Reading goes through gix, in process; fetching, pushing and configuration go through `git`, by plumbing and exit code. Whatever
//! is read here was written by others: sizes are bounded, and what cannot be established is an error, never a "no".

pub mod ancestry;
pub mod branch_window;
pub mod branches;
pub mod cache;
pub mod changed_components;
mod checkout;
pub mod command;
mod config_env;
pub mod content;
pub mod error;
pub mod fetch_time;
mod missing_commits;
pub mod object;
pub mod patch_id;
pub mod quarantine;
pub mod refs;
pub mod remote;
pub mod repo;
pub mod revision;
pub mod temp_repo;
pub mod tree;

pub use error::{Error, Result};
pub use object::Commit;
pub use remote::PushOutcome;
pub use repo::{HashKind, Repository, Shared};
pub use tree::{Found, Leaf};

/// Lets an interrupted process remove its lock files before it dies. `main` calls it once, before anything else.
///
/// Without it a Ctrl-C between the lock and the rename leaves a `.lock` file that stops every later writer.
pub fn clean_up_on_signals() {
    gix::tempfile::signal::setup(
        gix::tempfile::signal::handler::Mode::DeleteTempfilesOnTerminationAndRestoreDefaultBehaviour,
    );
}

#[cfg(test)]
pub(crate) mod tests;
