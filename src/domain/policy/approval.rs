//! `approvals` of an environment: how many people of which groups must approve a deployment.

use super::forms::{MEMBERS, SPAN};
use super::people::Members;
use super::reader::TomlValue;
use super::roster::Roster;
use super::table::ValueForm;
use super::table_macros::policy_table;
use crate::domain::time::Span;

/// The most approvals that all requirements of an environment may ask for together.
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
        /// Exclude the person who starts the deployment, the person who requested it, and the
        /// authors of the newly deployed commits. Git authorship can be forged, so only two
        /// required approvals guarantee a second person.
        pub prevent_self: bool {
            form: ValueForm::Flag,
            example: "false",
            default: "`true`",
            read: key.flag().unwrap_or(true),
        }
        /// Bind an approval to one plan: it counts only while the digest of each component's plan
        /// is the same.
        pub bind: ApprovalBinding {
            form: ValueForm::Words(&["plan"]),
            example: "\"plan\"",
            default: "any plan of the same commit",
            read: key.one_of(&[("plan", ApprovalBinding::Plan)]).unwrap_or(ApprovalBinding::Commit),
        }
        /// How long an approval counts.
        pub expires: Span {
            form: ValueForm::Text(&SPAN),
            example: "\"2d\"",
            default: "`\"7d\"`",
            read: key.span().unwrap_or(EXPIRES),
        }
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
            prevent_self: true,
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
