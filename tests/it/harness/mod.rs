//! A hermetic world for each test: nothing of the machine's, the user's or the hour's gets in, besides the tools on `PATH`.
//!
//! Commits get the steered time, so their ids are the same in every run; only keys are random.

pub mod daemon;
pub mod forge;
mod minisign;
pub mod project;
mod repo;
mod run;
mod sandbox;
pub mod schemas;
pub mod siege;
pub mod smith;
pub mod sshd;
mod tests;
pub mod web;
mod wire;
mod world;

use std::path::PathBuf;

pub use forge::Forge;
pub use project::Project;
pub use repo::Repo;
pub use run::{Run, with_random_keys};
pub use sandbox::Sandbox;
pub use siege::Siege;
pub use wire::Wire;
pub use world::World;

/// Whether a tool is there; where it is not, says so, and in CI fails, because a test that silently does nothing protects nothing.
///
/// `if !needs("minisign") { return; }`
pub fn needs(tool: &str) -> bool {
    if self::tool(tool).is_some() {
        return true;
    }
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(!ci, "skipped: needs {tool}, which CI must have");
    eprintln!("skipped: needs {tool}");
    false
}

/// Where a tool is; servers are where only root's `PATH` leads.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}
