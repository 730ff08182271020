//! The commands: one file each, with its arguments and its `run` function.
//!
//! Code that several commands need is one level up, in `src/cli`.

pub(super) mod abort;
pub(super) mod approve;
pub(super) mod attest;
pub(super) mod audit;
pub(super) mod build;
pub(super) mod check;
pub(super) mod completions;
pub(super) mod component;
pub(super) mod contains;
pub(super) mod demo;
pub(super) mod destroy;
pub(super) mod diff;
pub(super) mod environment;
pub(super) mod exec;
pub(super) mod expire;
pub(super) mod good;
pub(super) mod help;
pub(super) mod hook;
pub(super) mod init;
pub(super) mod key;
pub(super) mod lock;
pub(super) mod log;
pub(super) mod man;
pub(super) mod notes;
pub(super) mod person;
pub(super) mod plan;
pub(super) mod policy;
pub(super) mod promote;
pub(super) mod reap;
pub(super) mod record;
pub(super) mod register;
pub(super) mod repair;
pub(super) mod resume;
pub(super) mod revoke;
pub(super) mod rollback;
pub(super) mod run;
pub(super) mod server;
pub(super) mod show;
pub(super) mod status;
pub(super) mod sync;
pub(super) mod unlock;
pub(super) mod unyank;
pub(super) mod verify;
pub(super) mod yank;
