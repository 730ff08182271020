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
mod tools;
mod wait;
pub mod web;
mod wire;
mod world;

pub use forge::Forge;
pub use project::Project;
pub use repo::Repo;
pub use run::{Run, with_random_keys};
pub use sandbox::Sandbox;
pub use siege::Siege;
pub use tools::{find_tool, needs, skip};
pub use wait::{processes_in, wait_for, wait_until, wait_until_idle};
pub use wire::Wire;
pub use world::World;
