//! Parses the text of a `deploy.toml` into a [`Policy`].
//!
//! After an error, reading continues with a default, so that all errors are reported. The result is
//! a policy only if there was no error.

use toml::de::{DeTable, DeValue};

use super::check;
use super::environments::read_environments;
use super::error::{ErrorCollector, PolicyErrors};
use super::fields::TableFields;
use super::file::{FileContext, Policy};
use super::notify::read_notify;
use super::reader::TomlValue;
use super::roster::{MAX_PEOPLE, Roster};

/// The largest `deploy.toml`, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// Reads and validates the text of a `deploy.toml`.
pub(super) fn parse(text: &str) -> Result<Policy, PolicyErrors> {
    let errors = ErrorCollector::new(text);
    let policy = parse_toml(text, &errors);
    errors.into_result()?;
    // If there is no policy, an error was reported, so this fallback is never used.
    policy.ok_or_else(|| PolicyErrors::single("it contains no policy"))
}

fn parse_toml(text: &str, errors: &ErrorCollector<'_>) -> Option<Policy> {
    if text.len() > MAX_BYTES {
        let length = text.len();
        let message = format!("the file has {length} bytes, at most {MAX_BYTES} are allowed");
        errors.add(None, "", message, None);
        return None;
    }
    let (document, problems) = DeTable::parse_recoverable(text);
    // Report only the first problem: text after a broken line is misread.
    if let Some(problem) = problems.first() {
        let message = problem.message().split(", expected").next();
        let is_marker = |line: &str| line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ");
        let is_merging = text.lines().any(is_marker);
        errors.add(
            problem.span().map(|span| span.start),
            "",
            format!("not valid TOML: {}", message.unwrap_or_default()),
            is_merging.then(|| "resolve the merge conflict in it first".to_owned()),
        );
        return None;
    }
    let document = DeValue::Table(document.into_inner());
    read_document(&TomlValue::root(&document, errors), errors)
}

fn read_document<'a>(root: &'a TomlValue<'a>, errors: &'a ErrorCollector<'a>) -> Option<Policy> {
    check_schema(root)?;
    let fields = root.fields(&Policy::TABLE);
    let roster = read_roster(&fields, errors);
    let notify = fields.key("notify").read(read_notify).unwrap_or_default();
    let declared = read_environments(&fields, &roster, &notify);
    let context = FileContext {
        root,
        project: fields.key("project").parse(),
        roster: &roster,
        environments: declared.environments,
        patterns: declared.patterns,
    };
    let policy = Policy::read(&fields, context)?;
    check::check(&policy, errors);
    Some(policy)
}

/// Refuses a file of another schema version immediately, because it may contain keys that this
/// version does not know.
fn check_schema(root: &TomlValue<'_>) -> Option<()> {
    let entries = root.named_values(usize::MAX);
    if let Some(schema) = entries.iter().find(|entry| entry.key == "schema")
        && schema.value.number(1, u32::MAX)? != 1
    {
        let hint = "install a newer git-deploy".to_owned();
        let message = "this version supports schema 1 only";
        schema.value.report(message, Some(hint));
        return None;
    }
    Some(())
}

fn read_roster(fields: &TableFields<'_>, errors: &ErrorCollector<'_>) -> Roster {
    let people = fields.key("people");
    let persons = people.named_values(MAX_PEOPLE);
    if let (Some(value), true, true) = (people.value(), persons.is_empty(), errors.is_empty()) {
        let hint = "add a line such as alice = \"RW…\", the second line of her minisign .pub file";
        let message = "no one is listed, so no one could sign anything";
        value.report(message, Some(hint.to_owned()));
    }
    Roster::read(&persons, &fields.key("groups").named_values(MAX_PEOPLE))
}
