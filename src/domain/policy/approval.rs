//! `approvals` of an environment: how many people of which groups must approve a deployment.

use super::forms::{MEMBERS, SPAN};
use super::people::Members;
use super::reader::TomlValue;
use super::roster::Roster;
use super::table::ValueForm;
use super::table_macros::policy_table;
use crate::domain::time::Span;

/// The largest number of approvals that all requirements of an environment may ask for together.
const MAX_APPROVALS: u32 = 20;
/// How long an approval counts by default.
const EXPIRES: Span = Span::from_days(7);

/// What the value of `approvals` looks like.
pub(super) const APPROVALS: ValueForm = ValueForm::Either(&[
    ValueForm::Number(0, MAX_APPROVALS),
    ValueForm::OneOrMore(&ValueForm::Table(&ApprovalRequirement::TABLE)),
]);

policy_table! {
    /// A requirement: how many different people of a set must approve.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ApprovalRequirement, read with (key, roster: &Roster);

    keys {
        /// How many different people must approve.
        pub required: u32 {
            form: ValueForm::Number(1, MAX_APPROVALS),
            example: "2",
            default: "`1`",
            read: key.number().unwrap_or(1),
        }
        /// Who may approve. Machines in a group do not count.
        pub by: Members {
            form: MEMBERS,
            example: "\"release\"",
            default: "every person",
            read: key.read(|value| roster.persons(value, "approves"))
                .unwrap_or_else(|| roster.all_persons.clone()),
        }
        /// Whose own approval does not count. `true`: the person who starts the deployment, the
        /// person who requested it, and the authors, committers and co-authors of the newly
        /// deployed commits that touch the component, merges included. `"starter"`: only the first
        /// two, as on GitHub. `false`: everyone's counts. Git authorship can be forged, so only two required approvals guarantee a second
        /// person.
        pub prevent_self: PreventSelf {
            form: ValueForm::Either(&[ValueForm::Flag, ValueForm::Words(&["starter"])]),
            example: "\"starter\"",
            default: "`true`",
            read: key.read(PreventSelf::read).unwrap_or(PreventSelf::Involved),
        }
        /// Bind an approval to one plan: it counts only while the digest of each component's plan
        /// is the same.
        pub bind: ApprovalBinding {
            form: ValueForm::Words(&["plan"]),
            example: "\"plan\"",
            default: "any plan of the same commit",
            read: key.one_of(&[("plan", ApprovalBinding::Plan)]).unwrap_or(ApprovalBinding::Commit),
        }
        /// How long an approval counts. It stops counting 5 minutes (the tolerance for clocks)
        /// before this time is over.
        pub expires: Span {
            form: ValueForm::Text(&SPAN),
            example: "\"2d\"",
            default: "`\"7d\"`",
            read: key.span().unwrap_or(EXPIRES),
        }
    }
}

/// Whose own approval does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreventSelf {
    /// `true`: that of the starter, the requester, and the authors of the new commits.
    Involved,
    /// `"starter"`: that of the starter and the requester.
    Starter,
    /// `false`: everyone's approval counts.
    Off,
}

impl PreventSelf {
    /// Returns whether the authors, committers and co-authors of the new commits are excluded.
    pub fn excludes_authors(self) -> bool {
        self == Self::Involved
    }

    /// Returns whether the starter and the requester are excluded.
    pub fn excludes_starters(self) -> bool {
        self != Self::Off
    }

    fn read(value: &TomlValue<'_>) -> Option<Self> {
        if value.is_text() {
            return value.one_of(&[("starter", Self::Starter)]);
        }
        Some(if value.flag()? {
            Self::Involved
        } else {
            Self::Off
        })
    }
}

/// What an approval is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalBinding {
    /// The commit, the environment and the set of components.
    Commit,
    /// `"plan"`: the same, and the digest of each component's plan.
    Plan,
}

/// Reads `approvals`: a number of approvals by any person, or a list of requirements.
pub(super) fn read_approvals(value: &TomlValue<'_>, roster: &Roster) -> Vec<ApprovalRequirement> {
    if value.is_integer() {
        let required = value.number(0, MAX_APPROVALS).unwrap_or(0);
        let requirement = ApprovalRequirement {
            required,
            by: roster.all_persons.clone(),
            prevent_self: PreventSelf::Involved,
            bind: ApprovalBinding::Commit,
            expires: EXPIRES,
        };
        return (required > 0).then_some(requirement).into_iter().collect();
    }
    // One more than the limit is enough to detect that there are too many.
    let list = value.list().into_iter().take(MAX_APPROVALS as usize + 1);
    let requirements: Vec<ApprovalRequirement> = list
        .filter_map(|value| {
            if !value.is_table() {
                value.report_type(
                    "a whole number, or a table such as { required = 1, by = \"alice\" }",
                );
                return None;
            }
            ApprovalRequirement::read(&value.fields(&ApprovalRequirement::TABLE), roster)
        })
        .collect();
    let total: u32 = requirements.iter().map(|it| it.required).sum();
    if total > MAX_APPROVALS {
        value.report(
            format!("it asks for {total} approvals, at most {MAX_APPROVALS} are allowed"),
            None,
        );
        return Vec::new();
    }
    requirements
}
