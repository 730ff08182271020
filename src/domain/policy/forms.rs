//! The kinds of strings that several tables of `deploy.toml` use, as the JSON Schema and the
//! reference describe them.

use super::table::{TextForm, ValueForm};

/// The grammar of all names.
pub(super) const NAME: TextForm = TextForm::new("name", "^[a-z0-9][a-z0-9._-]{0,62}$");
/// The name of a person or a group.
const MEMBER: TextForm = TextForm::new("person or group", NAME.pattern);
/// People, machines and groups.
pub(super) const MEMBERS: ValueForm = ValueForm::OneOrMore(&ValueForm::Text(&MEMBER));

/// Checks whether a value of this form is a list of people and groups.
pub(super) fn is_member_list(form: &ValueForm) -> bool {
    matches!(form, ValueForm::OneOrMore(ValueForm::Text(text)) if text.name == MEMBER.name)
}

/// A span of time.
pub(super) const SPAN: TextForm = TextForm::new("span", "^[0-9]*[1-9][0-9]*[smhdw]$");
/// The short name of a branch.
pub(super) const BRANCH: TextForm =
    TextForm::new("branch", "^[^-\\s~^:?*\\\\\\[][^\\s~^:?*\\\\\\[]*$");
/// A command for `sh -c`.
pub(super) const COMMAND: TextForm = TextForm::new("command", "\\S");
/// The name of an input of a deployment.
pub(super) const INPUT: TextForm = TextForm::new(
    "input",
    "^(change|release|message|requested-by|system|run-url|actor|repository|branch|tag|email|label:[a-z0-9][a-z0-9._-]{0,62})$",
);
/// An in-toto predicate type.
pub(super) const PREDICATE: TextForm =
    TextForm::new("attestation type", "^[a-z-]+$|^[A-Za-z][A-Za-z0-9+.-]*:.+$");
