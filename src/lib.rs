//! git-deploy: a signed deployment ledger inside git.
//!
//! `ARCHITECTURE.md` gives the whole picture, `FORMAT.md` the stored bytes. The modules:
//!
//! - [`domain`]: names, entries, states, policies and rules, pure and using nothing of the rest.
//! - [`clock`]: the one clock and the one source of random bytes.
//! - [`program`]: runs other programs within a time limit.
//! - [`signing`]: minisign keys and signatures, verified strictly.
//! - [`git`]: every access to git, from single objects up to ledgers, their judgement and the notes.
//! - [`server`]: the hooks that judge a push.
//! - [`run`]: what a deployment consists of.
//! - [`view`]: how things look to people and programs.
//! - [`cli`]: the commands, one file each.

pub mod cli;
pub mod clock;
pub mod domain;
pub mod git;
pub mod ledger;
pub mod program;
pub mod run;
pub mod server;
pub mod signing;
pub mod view;

/// The same look for tools as the integration tests have.
#[cfg(test)]
#[path = "../tests/it/harness/tools.rs"]
mod test_tools;
