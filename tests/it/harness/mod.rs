//! An isolated world for each test: nothing of the machine, the user or the time gets in, except
//! the tools on `PATH`.
//!
//! Commits get the steered time, so their ids are the same in every run; only keys are random.

pub mod attack;
pub mod daemon;
mod demo_sandbox;
pub mod folder_copy;
pub mod forgery;
pub mod http_server;
pub mod member;
mod minisign;
pub mod project;
mod raw_push;
mod repo;
mod run;
pub mod run_entries;
pub mod schemas;
pub mod sshd;
mod tests;
mod tools;
mod wait;
mod world;

pub use attack::AttackRunner;
pub use demo_sandbox::Sandbox;
pub use member::Member;
pub use project::Project;
pub use raw_push::RawPush;
pub use repo::Repo;
pub use run::{Run, with_random_keys};
pub use tools::{find_tool, has_tool, skip};
pub use wait::{processes_in, wait_for, wait_until, wait_until_idle};
pub use world::{World, copy_program_to};
