//! The small tables of an environment: `ephemeral` and `advance`.

use super::forms::{BRANCH, SPAN};
use super::refname::BranchName;
use super::table::ValueForm;
use super::table_macros::policy_table;
use crate::domain::time::Span;

policy_table! {
    /// `ephemeral`: the limits for the environments of a pattern.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Ephemeral, read with (key, _context: ());

    keys {
        /// How long an environment may live without being renewed.
        pub ttl: Span {
            form: ValueForm::Text(&SPAN),
            example: "\"8h\"",
            required: key.span(),
        }
        /// How many environments may exist at the same time.
        pub limit: u32 {
            form: ValueForm::Number(1, 10_000),
            example: "20",
            required: key.number(),
        }
    }
}

policy_table! {
    /// `advance`: the branch that is moved after a success.
    pub(super) struct Advance, read with (key, _context: ());

    keys {
        /// The branch to move.
        pub(super) branch: BranchName {
            form: ValueForm::Text(&BRANCH),
            example: "\"release\"",
            used_as: "advance",
            required: key.parse(),
        }
        /// How the branch is moved: by fast-forward only.
        _method as "method": () {
            form: ValueForm::Words(&["ff"]),
            example: "\"ff\"",
            default: "`\"ff\"`",
            used_as: "advance",
            read: key.one_of(&[("ff", ())]).unwrap_or(()),
        }
    }
}
