//! Access to git: reads and writes bytes, and knows nothing of what an entry means.
//!
//! Reads use gix, in process. Fetching, pushing and configuration run `git` and rely only on
//! plumbing output and exit codes. The data is untrusted, so sizes are bounded. A question that
//! cannot be answered is an error, never a "no".

pub mod ancestry;
pub mod branch_move;
pub mod branch_window;
pub mod branches;
pub mod cache;
pub mod changed_components;
pub mod checkout;
pub mod command;
pub mod commit;
mod commit_graph;
pub mod commits_ahead;
mod config;
mod config_env;
pub mod content;
pub mod declared_reverts;
mod durable;
pub mod error;
mod fetch;
mod file_history;
pub mod frozen_config;
mod frozen_folder;
mod lfs;
mod linked_files;
mod loose_refs;
mod missing_commits;
pub mod notes_tree;
pub mod object;
pub mod object_id;
mod object_store;
mod object_write;
mod open;
mod packed_refs;
pub mod patch_id;
pub mod private_files;
pub mod program_paths;
pub mod quarantine;
pub mod ref_listing;
pub mod refs;
pub mod remote;
pub mod repo;
mod repository_files;
pub mod revision;
mod sync_time;
pub mod temp_repo;
pub mod tree;
pub mod tree_edit;
pub mod tree_entries;

pub use commit::Commit;
pub use error::{Error, Result};
pub use missing_commits::MAX_GIVEN;
#[cfg(test)]
pub use object_id::HashKind;
pub use remote::PushOutcome;
pub use repo::Repository;
#[cfg(test)]
pub use tree::{Leaf, TreeItem};

/// Removes this process's lock files when a signal ends it. `main` calls it once, before anything
/// else.
///
/// Otherwise a Ctrl-C between taking a lock and renaming leaves a `.lock` file that blocks every
/// later writer.
pub fn clean_up_on_signals() {
    gix::tempfile::signal::setup(
        gix::tempfile::signal::handler::Mode::DeleteTempfilesOnTerminationAndRestoreDefaultBehaviour,
    );
}

#[cfg(test)]
pub(crate) mod tests;
