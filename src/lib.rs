//! git-deploy: a signed deployment ledger inside git.

pub mod cli;
pub mod clock;
pub mod domain;
pub mod git;
pub mod run;
pub mod server;
pub mod signing;
pub mod view;
