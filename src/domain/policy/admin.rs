//! `[policy]`: who may change the policy itself, and how paths without a component are treated.
//!
//! Break-glass never overrides these rules.

use super::forms::MEMBERS;
use super::people::Members;
use super::roster::Roster;
use super::table::ValueForm;
use super::table_macros::{policy_table, policy_words};

policy_table! {
    /// `[policy]`: who may change `deploy.toml`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AdminRules, read with (key, roster: &Roster);

    keys {
        /// Who may publish a policy, and approve one.
        pub admins: Option<Members> {
            form: MEMBERS,
            example: "[\"alice\"]",
            default: "the people whose keys the genesis entry names, such as the one who ran `git deploy init`",
            read: key.read(|value| roster.members(value)),
        }
        /// How many admins must approve a policy, not counting the one who publishes it. Machines
        /// cannot approve. A policy is refused if its own admins are too few to approve the next.
        pub approvals: u32 {
            form: ValueForm::Number(0, 20),
            example: "1",
            default: "`0`",
            read: key.number().unwrap_or(0),
        }
    }
}

impl AdminRules {
    /// Returns the rules of a policy without `[policy]`.
    pub(super) fn absent() -> Self {
        Self {
            admins: None,
            approvals: 0,
        }
    }
}

policy_words! {
    /// How paths that no component owns are treated.
    pub enum UnownedPaths {
        /// They form a component `rest`, gated like the others.
        Gated = "gated",
        /// They may change without a gate.
        Free = "free",
    }
}
