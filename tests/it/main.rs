//! The one integration binary: the program as people, hooks and scripts meet it, with real git and real minisign.
//!
//! A test file is added by its `mod` line here. Snapshots are accepted with `INSTA_UPDATE=always cargo test --test it`.

// A test says no by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod forgeries;
mod fuzz;
mod harness;

mod attacks;
mod bad_input;
mod cli;
mod decide;
mod demo;
mod documents;
mod ephemeral;
mod faults;
mod hooks;
mod hosts;
mod json;
mod layering;
mod ledgers;
mod look;
mod look_diff;
mod look_places;
mod look_status;
mod man;
mod manners;
mod mutations;
mod pipelines;
mod policy_life;
mod policy_test;
mod races;
mod readme;
mod recipes;
mod repair;
mod repositories;
mod rules;
mod run;
mod run_terraform;
mod screens;
mod server;
mod server_adopt;
mod server_check;
mod stock;
mod terraform_plan;
mod told;
mod write;
