//! The hooks of a server: what a push may change, judged before it is there and again while it goes in.
//!
//! `pre-receive` decides in quarantine and refuses the whole push; `proc-receive` judges the updates of the ledgers once more on the
//! refs as they are then, under a lock, and moves them. `update` and `post-receive` stand in for it where a host does not call it.
//! Whatever cannot be established is never let in.

pub mod chained_hooks;
pub mod check;
pub mod classify;
pub mod deadline;
pub mod handoff;
mod hook_error;
pub mod install;
mod lock;
mod pkt_line;
pub mod post_receive;
pub mod pre_push;
pub mod pre_receive;
pub mod proc_receive;
pub mod push_judge;
pub mod ref_update;
pub mod reference_transaction;
pub mod settings;
pub mod shim;
pub mod update_hook;
mod update_verdict;

pub use hook_error::Fault;
pub use settings::Settings;
pub use update_verdict::{Judgement, decision};

use std::time::Duration;

/// The most updates of ours in one push.
const MAX_UPDATES: usize = 10_000;
/// The most entries in one push.
const MAX_ENTRIES: u64 = 10_000;
/// How long a hook takes at most.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);
