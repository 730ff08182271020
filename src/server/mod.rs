//! The hooks of a server: they judge a push before its objects are accepted, and again while its
//! refs move.
//!
//! `pre-receive` decides in quarantine and refuses the whole push. `proc-receive` judges the
//! updates of the ledgers again, on the refs at that time and under a lock, and moves them. On
//! hosts that do not call it, `update` and `post-receive` stand in for it. A push that cannot be
//! judged is never accepted.

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

pub use hook_error::HookError;
pub use settings::Settings;
pub use update_verdict::{UpdateVerdict, decide_push};

use std::time::Duration;

/// The most ledger, branch and tag updates that are judged in one push.
const MAX_UPDATES: usize = 10_000;
/// The most new entries in one push.
const MAX_ENTRIES: u64 = 10_000;
/// The time limit of a hook.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);
