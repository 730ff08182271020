//! git-deploy: a signed deployment ledger inside Git.
//!
//! `ARCHITECTURE.md` describes the layout, and `FORMAT.md` specifies what is stored. Everything
//! except [`main`] is private, so that the compiler finds dead code.

mod cli;
mod clock;
mod domain;
mod git;
mod input_file;
mod ledger;
mod program;
mod run;
mod server;
mod signing;
#[cfg(feature = "testing")]
pub mod testing;
mod view;

pub use cli::main;

/// Finds tools for the unit tests in the same way as the integration tests do.
#[cfg(test)]
#[path = "../tests/it/harness/tools.rs"]
mod test_tools;
