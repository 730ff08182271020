//! What a push asks for.

use crate::server::ref_update::RefUpdate;

/// The updates of a push, and whether it is atomic: all of them are accepted, or none.
pub(super) struct PushCommands {
    /// The updates, in git's order.
    pub updates: Vec<RefUpdate>,
    /// Whether they are accepted or refused together.
    pub is_atomic: bool,
}
