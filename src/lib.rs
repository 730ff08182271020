//! git-deploy: a signed deployment ledger inside git.
//!
//! `ARCHITECTURE.md` gives the whole picture, `FORMAT.md` the stored bytes. The modules:
//!
//! - [`domain`]: names, entries, states, policies and the rules; pure, uses no other module.
//! - [`clock`]: the only clock and the only source of random bytes.
//! - [`signing`]: minisign keys and signatures, with strict verification.
//! - [`git`]: objects, refs, trees, ancestry and git commands; knows nothing of entries.
//! - [`ledger`]: entries in git: reading, validating and appending them, sync, audit, notes.
//! - [`server`]: the hooks that check a push, their installation and `server check`.
//! - [`run`]: what a deployment consists of, and its execution.
//! - [`view`]: how results look, as text and as JSON.
//! - [`cli`]: the commands, one file each.

pub mod cli;
pub mod clock;
pub mod domain;
pub mod git;
pub mod ledger;
pub mod run;
pub mod server;
pub mod signing;
pub mod view;
