//! `[policy]`: who may change the policy itself, and how paths without a component are treated.
//!
//! Break-glass never overrides these rules.

use std::collections::BTreeSet;

use super::Policy;
use super::check::count_approvals;
use super::forms::MEMBERS;
use super::people::Members;
use super::roster::Roster;
use super::table::ValueForm;
use super::table_macros::{policy_table, policy_words};
use crate::domain::name::Person;

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

impl Policy {
    /// Returns why these admins could not publish another policy, because too few of them can
    /// approve it; `None` if they could.
    pub fn describe_admin_shortage(&self, admins: &BTreeSet<Person>) -> Option<String> {
        let required = self.admin_rules.approvals;
        let persons = admins
            .iter()
            .filter(|admin| !self.is_machine(admin))
            .count();
        // If an admin is a machine, it can publish, and then every person can approve.
        let must_publish_as_person = persons == admins.len();
        let needed = required as usize + usize::from(must_publish_as_person);
        (required > 0 && needed > persons).then(|| {
            format!(
                "it needs {} in addition to the publisher's signature, but the admins include only {persons} {}: no policy could be published again",
                count_approvals(required),
                if persons == 1 { "person" } else { "people" },
            )
        })
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
