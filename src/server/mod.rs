//! The hooks of a server: they judge a push before its objects are accepted, and again while its
//! refs move.
//!
//! `pre-receive` decides in quarantine and refuses the whole push. `proc-receive` judges the
//! updates of ledgers and environments' branches again, on the refs at that time and under a lock,
//! and moves them. On hosts that do not call it, `update` and `post-receive` stand in for it. A
//! push that cannot be judged is never accepted.
//!
//! `push_judge` judges one update with the refs as they are. It leaves ledgers to `ledger_judge` and
//! the branches and tags of environments to `branch_judge`; each hook collects the verdicts.

mod branch_handover;
mod branch_judge;
mod branch_mover;
pub mod chained_hooks;
pub mod check;
pub mod classify;
pub mod deadline;
pub mod file_replacement;
mod finding;
pub mod handoff;
mod hook_error;
mod hook_files;
pub mod install;
mod install_error;
mod installer;
mod ledger_judge;
mod limits;
mod location;
mod lock;
mod pkt_line;
pub mod post_receive;
pub mod pre_push;
pub mod pre_receive;
pub mod proc_receive;
pub mod push_judge;
pub mod ref_update;
pub mod reference_transaction;
mod required_settings;
pub mod settings;
mod shell;
pub mod shim;
pub mod update_hook;
mod update_verdict;

pub use hook_error::HookError;
pub use limits::TIME_LIMIT;
pub use settings::Settings;
pub use update_verdict::{UpdateVerdict, decide_push};
