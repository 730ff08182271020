//! Who may change the policy itself, and the rules that hold for the project as a whole.
//!
//! Break-glass never reaches these.

use super::people::Members;

/// `[policy]`: who may change `deploy.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminRules {
    /// `admins`: who may publish and approve. `None` without the key: those whose keys the genesis names.
    pub admins: Option<Members>,
    /// `approvals` (default 0): how many admins, who are people, must approve besides the one who publishes.
    pub approvals: u32,
}

/// What holds for paths that no component owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnownedPaths {
    /// `"gated"`: they are a component `rest`, gated like the others.
    Gated,
    /// `"free"`: they may change without a gate.
    Free,
}
