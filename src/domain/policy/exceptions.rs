//! Exceptions from an environment's rules: break-glass and hotfixes.

use std::collections::BTreeSet;

use super::forms::MEMBERS;
use super::people::Members;
use super::reader::TomlValue;
use super::roster::Roster;
use super::table::ValueForm;
use super::table_macros::{policy_table, policy_words};

policy_table! {
    /// `break_glass`: the people who may override the rules.
    pub(super) struct BreakGlass, read with (key, roster: &Roster);

    keys {
        /// Who may override the rules. Machines in a group do not count.
        pub(super) by: Members {
            form: MEMBERS,
            example: "\"oncall\"",
            used_as: "break_glass",
            required: key.read(|value| roster.persons(value, "breaks glass")),
        }
    }
}

policy_table! {
    /// `hotfix`: who may deploy a hotfix, and which rules it skips.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Hotfix, read with (key, context: HotfixContext<'_>);

    keys {
        /// Who may deploy a hotfix.
        pub by: Members {
            form: MEMBERS,
            example: "\"release\"",
            default: "the deployers",
            read: key.read(|value| context.roster.members(value))
                .unwrap_or_else(|| context.deployers.clone()),
        }
        /// The rules that do not apply to a hotfix.
        pub skip: BTreeSet<HotfixSkip> {
            form: ValueForm::OneOrMore(&ValueForm::Words(HotfixSkip::NAMES)),
            example: "[\"promote_from\", \"soak\"]",
            default: "none",
            read: key.read_each(TomlValue::word).into_iter().collect(),
        }
    }
}

/// What the reader of `hotfix` needs in addition to the table.
pub(super) struct HotfixContext<'a> {
    pub(super) roster: &'a Roster,
    /// The environment's deployers.
    pub(super) deployers: &'a Members,
}

policy_words! {
    /// A rule that a hotfix may skip.
    pub enum HotfixSkip {
        /// The commit need not have run in the environment that `promote_from` names.
        PromoteFrom = "promote_from",
        /// The commit need not have run there for the time that `soak` requires.
        Soak = "soak",
    }
}
