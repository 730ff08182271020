//! What changes for whom from one policy to another, as text and as JSON.

use anstyle::{AnsiColor, Style};
use schemars::JsonSchema;
use serde::Serialize;

use super::grouping::group_equal;
use super::wrap::{display_width, wrap_hanging};
use crate::domain::policy::{ChangeKind, ChangedSubject, KeyChange, SubjectChange, ValueText};
use crate::domain::text::sanitize;

/// A changed part of the policy.
#[derive(JsonSchema, Serialize)]
pub struct PolicyChange {
    /// What kind of thing changes.
    subject: SubjectWord,
    /// Its name; absent for the admins and the keys at the top of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// How it changes.
    change: ChangeWord,
    /// The keys that differ, or those of a new thing.
    keys: Vec<ChangedKey>,
}

/// What kind of thing changes.
#[derive(Debug, Clone, Copy, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
enum SubjectWord {
    /// A person or a machine.
    Person,
    /// A group.
    Group,
    /// Who may change the policy.
    Admins,
    /// An environment, or a pattern of ephemeral ones.
    Environment,
    /// A component.
    Component,
    /// A key at the top of the file.
    Project,
}

/// How something changes.
#[derive(Debug, Clone, Copy, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
enum ChangeWord {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Some of its keys differ.
    Changed,
}

/// A key whose value changes. Defaults are filled in and groups are expanded.
#[derive(JsonSchema, Serialize)]
struct ChangedKey {
    /// The key of `deploy.toml`; `members` for a group.
    key: &'static str,
    /// The values before; empty if there was none.
    before: Vec<String>,
    /// The values after; empty if there is none. The same as before if the descriptions do not tell
    /// the two apart: compare the lines of the file then.
    after: Vec<String>,
}

/// Returns the changes for a JSON document.
pub fn to_documents(changes: &[SubjectChange]) -> Vec<PolicyChange> {
    changes.iter().map(to_document).collect()
}

fn to_document(change: &SubjectChange) -> PolicyChange {
    PolicyChange {
        subject: match change.subject {
            ChangedSubject::Person => SubjectWord::Person,
            ChangedSubject::Group => SubjectWord::Group,
            ChangedSubject::Admins => SubjectWord::Admins,
            ChangedSubject::Environment => SubjectWord::Environment,
            ChangedSubject::Component => SubjectWord::Component,
            ChangedSubject::Project => SubjectWord::Project,
        },
        name: Some(change.name.clone()).filter(|name| !name.is_empty()),
        change: match change.kind {
            ChangeKind::Added => ChangeWord::Added,
            ChangeKind::Removed => ChangeWord::Removed,
            ChangeKind::Changed => ChangeWord::Changed,
        },
        keys: change
            .keys
            .iter()
            .map(|key| ChangedKey {
                key: key.key,
                before: key.before.to_list(),
                after: key.after.to_list(),
            })
            .collect(),
    }
}

/// Checks whether the changes describe at least one key or thing, and no key is merely known to change.
pub fn is_described(changes: &[SubjectChange]) -> bool {
    let mut keys = changes.iter().flat_map(|it| &it.keys);
    !changes.is_empty() && keys.all(KeyChange::is_described)
}

/// The indentation of keys.
const KEY_INDENT: usize = 6;

/// Renders the changes: a heading for each kind of thing, a line for each thing, and one for each of
/// its keys. Things that change alike share their lines.
pub fn render_text(changes: &[SubjectChange], width: Option<usize>) -> Vec<String> {
    let mut lines = Vec::new();
    for group in changes.chunk_by(|one, next| one.subject == next.subject) {
        let Some(subject) = group.first().map(|it| it.subject) else {
            continue;
        };
        let bold = Style::new().bold();
        lines.push(format!("{bold}{}{bold:#}", heading(subject)));
        let alike = group_equal(
            group
                .iter()
                .map(|it| (it.name.as_str(), (it.kind, &it.keys))),
        );
        for (names, (kind, keys)) in alike {
            let (sign, style) = match kind {
                ChangeKind::Added => ('+', AnsiColor::Green.on_default()),
                ChangeKind::Removed => ('-', AnsiColor::Red.on_default()),
                ChangeKind::Changed => ('~', AnsiColor::Yellow.on_default()),
            };
            let names = names.join(", ");
            if !names.is_empty() {
                let head = format!("  {style}{sign}{style:#} ");
                lines.extend(wrap_hanging(&head, &sanitize(&names), width));
            }
            lines.extend(render_keys(keys, width));
        }
    }
    lines
}

fn heading(subject: ChangedSubject) -> &'static str {
    match subject {
        ChangedSubject::Person => "People",
        ChangedSubject::Group => "Groups",
        ChangedSubject::Admins => "Who may change the policy",
        ChangedSubject::Environment => "Environments",
        ChangedSubject::Component => "Components",
        ChangedSubject::Project => "The whole project",
    }
}

fn render_keys(keys: &[KeyChange], width: Option<usize>) -> Vec<String> {
    let column = keys.iter().map(|it| it.key.len()).max().unwrap_or_default();
    let indent = " ".repeat(KEY_INDENT);
    let render = |key: &KeyChange| {
        let head = format!("{indent}{:column$}  ", key.key);
        let (before, after) = (key.before.to_list(), key.after.to_list());
        if !key.is_described() {
            return wrap_hanging(
                &head,
                "changed, but in a way that this list does not show",
                width,
            );
        }
        let is_list =
            |value: &ValueText| matches!(value, ValueText::List(_) | ValueText::Default(_));
        if before.is_empty() {
            return wrap_hanging(&head, &sanitize(&after.join(", ")), width);
        }
        if is_list(&key.before) || is_list(&key.after) {
            return wrap_hanging(&head, &sanitize(&describe_items(&before, &after)), width);
        }
        let text = |list: &[String]| match list {
            [] => "none".to_owned(),
            list => sanitize(&list.join(", ")),
        };
        let line = format!("{} → {}", text(&before), text(&after));
        if width.is_none_or(|width| head.len() + display_width(&line) <= width) {
            return vec![head + &line];
        }
        let mut lines = wrap_hanging(&head, &text(&before), width);
        let arrow = format!("{}→ ", " ".repeat(head.len().saturating_sub(2)));
        lines.extend(wrap_hanging(&arrow, &text(&after), width));
        lines
    };
    keys.iter().flat_map(render).collect()
}

/// Describes which items of a list are new, and which are gone.
fn describe_items(before: &[String], after: &[String]) -> String {
    let gone = before.iter().filter(|it| !after.contains(it));
    let new = after.iter().filter(|it| !before.contains(it));
    let items: Vec<String> = new
        .map(|it| format!("+ {it}"))
        .chain(gone.map(|it| format!("- {it}")))
        .collect();
    if items.is_empty() {
        // The same items in another order, or another number of times.
        return after.join(", ");
    }
    items.join(", ")
}
