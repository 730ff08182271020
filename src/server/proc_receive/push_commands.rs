//! The updates of a push that git hands to proc-receive.

use crate::server::ref_update::RefUpdate;

/// The updates of a push.
pub(super) struct PushCommands {
    /// The updates, in git's order.
    pub updates: Vec<RefUpdate>,
    /// Whether the push is atomic: either all updates are accepted, or none.
    pub is_atomic: bool,
}
