//! The lists of names in a `deploy.toml`: finds those that name people, and changes one name.

use toml_edit::{Array, Item, RawString, Table, TableLike, Value};

use crate::domain::policy::Policy;
use crate::domain::policy::forms::is_member_list;
use crate::domain::policy::table::{KeyTable, ValueForm};

/// Calls `visit` with the path and the value of each list of people and groups, `[groups]` included.
pub(super) fn visit_member_lists(root: &mut Table, visit: &mut dyn FnMut(&str, &mut Item)) {
    let groups = root.get_mut("groups").and_then(Item::as_table_like_mut);
    for (name, item) in groups.into_iter().flat_map(TableLike::iter_mut) {
        visit(&format!("groups.{}", name.get()), item);
    }
    visit_table(root, &Policy::TABLE, "", visit);
}

fn visit_table(
    table: &mut dyn TableLike,
    keys: &'static KeyTable,
    path: &str,
    visit: &mut dyn FnMut(&str, &mut Item),
) {
    for (name, item) in table.iter_mut() {
        if let Some(key) = keys.key(name.get()) {
            visit_item(item, &key.form, &join(path, name.get()), visit);
        }
    }
}

/// Follows the form of a value to the lists of people in it. A form that the value does not have
/// leads nowhere.
fn visit_item(
    item: &mut Item,
    form: &'static ValueForm,
    path: &str,
    visit: &mut dyn FnMut(&str, &mut Item),
) {
    if is_member_list(form) {
        return visit(path, item);
    }
    match form {
        ValueForm::Table(keys) => {
            if let Some(table) = item.as_table_like_mut() {
                visit_table(table, keys, path, visit);
            }
        }
        ValueForm::Named(_, inner) => {
            let table = item.as_table_like_mut();
            for (name, item) in table.into_iter().flat_map(TableLike::iter_mut) {
                visit_item(item, inner, &join(path, name.get()), visit);
            }
        }
        ValueForm::OneOrMore(inner) => visit_each(item, inner, path, visit),
        ValueForm::Either(forms) => {
            for form in *forms {
                visit_item(item, form, path, visit);
            }
        }
        _ => {}
    }
}

/// Visits the tables of a list, or the one that stands for a list.
fn visit_each(
    item: &mut Item,
    form: &'static ValueForm,
    path: &str,
    visit: &mut dyn FnMut(&str, &mut Item),
) {
    let keys = match form {
        ValueForm::Table(keys) => Some(*keys),
        ValueForm::Either(forms) => forms.iter().find_map(|form| match form {
            ValueForm::Table(keys) => Some(*keys),
            _ => None,
        }),
        _ => None,
    };
    let Some(keys) = keys else { return };
    match item {
        Item::ArrayOfTables(tables) => {
            for table in tables.iter_mut() {
                visit_table(table, keys, path, visit);
            }
        }
        Item::Value(Value::Array(array)) => {
            for table in array.iter_mut().filter_map(Value::as_inline_table_mut) {
                visit_table(table, keys, path, visit);
            }
        }
        _ => {
            if let Some(table) = item.as_table_like_mut() {
                visit_table(table, keys, path, visit);
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Lists the names in a list, or the one that stands for a list.
pub(super) fn names_in(item: &Item) -> Vec<String> {
    match item {
        Item::Value(Value::String(name)) => vec![name.value().clone()],
        Item::Value(Value::Array(array)) => array
            .iter()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// Adds a name to a list, unless it is there. A single name becomes a list.
pub(super) fn add_name(item: &mut Item, name: &str) {
    if names_in(item).iter().any(|it| it == name) {
        return;
    }
    if let Item::Value(Value::String(single)) = item {
        let mut array = Array::new();
        array.push(single.value().as_str());
        *array.decor_mut() = single.decor().clone();
        *item = Item::Value(Value::Array(array));
    }
    if let Item::Value(Value::Array(array)) = item {
        push_in_layout(array, name);
    }
}

/// Adds a name at the end of an array: on a line of its own if the last one has one.
fn push_in_layout(array: &mut Array, name: &str) {
    let index = array.len();
    let prefix = index.checked_sub(1).and_then(|last| array.get(last));
    let prefix = prefix.and_then(|value| value.decor().prefix()?.as_str());
    let indent = prefix.and_then(|it| it.rfind('\n').map(|start| it[start..].to_owned()));
    array.push(name);
    let Some(indent) = indent else { return };
    // A comment behind the last name belongs to it, so the new one begins after it.
    let before = index.checked_sub(1).and_then(|last| array.get_mut(last));
    let mut comment = String::new();
    if let Some(decor) = before.map(Value::decor_mut) {
        let suffix = decor.suffix().and_then(|it| it.as_str());
        suffix.unwrap_or_default().clone_into(&mut comment);
        decor.set_suffix("");
    }
    let trailing = array.trailing().as_str().unwrap_or_default().to_owned();
    let (comment, end) = if array.trailing_comma() {
        let split = trailing.rfind('\n').unwrap_or(0);
        (trailing[..split].to_owned(), trailing[split..].to_owned())
    } else {
        (comment.trim_end().to_owned(), trailing)
    };
    array.set_trailing(end);
    if let Some(new) = array.get_mut(index) {
        new.decor_mut().set_prefix(format!("{comment}{indent}"));
        if !array.trailing_comma() {
            array.set_trailing("\n");
        }
    }
}

/// Removes a name from a list that has others, with the comments of that name only.
pub(super) fn remove_name(item: &mut Item, name: &str) {
    let Item::Value(Value::Array(array)) = item else {
        return;
    };
    let find = |array: &Array| array.iter().position(|value| value.as_str() == Some(name));
    while let Some(index) = find(array) {
        remove_value(array, index);
    }
}

/// Removes a value from an array. A comment behind a value is part of what stands before the next one,
/// or before the end: it stays with the value that it stands behind.
fn remove_value(array: &mut Array, index: usize) {
    let removed = array.remove(index);
    let before = text_of(removed.decor().prefix()).to_owned();
    let (line_before, above) = split_line(&before);
    let kept = above.map_or("", |above| keep_comments(above, index == 0));
    if let Some(next) = array.get_mut(index) {
        let after = text_of(next.decor().prefix());
        let joined = match (above, split_line(after)) {
            (Some(_), (_, Some(line))) => format!("{line_before}{kept}{line}"),
            // The next value takes the place of the removed one.
            (_, (_, None)) if above.is_some() || index == 0 => before,
            (None, (_, Some(line))) if index == 0 => format!("{}{line}", before.trim_end()),
            // The line has another value, which keeps its comment.
            _ => after.to_owned(),
        };
        next.decor_mut().set_prefix(joined);
        return;
    }
    let suffix = if array.trailing_comma() {
        ""
    } else {
        text_of(removed.decor().suffix())
    };
    let after = format!("{suffix}{}", text_of(Some(array.trailing())));
    let end = match (above, split_line(&after)) {
        (None, _) => after,
        (Some(_), (_, Some(line))) => format!("{line_before}{kept}{line}"),
        (Some(_), (end, None)) if kept.is_empty() && line_before.is_empty() => end.to_owned(),
        (Some(_), (_, None)) => format!("{line_before}{kept}\n"),
    };
    array.set_trailing(end);
}

/// Splits a text at the end of its first line: that line, and the rest from the line break on.
fn split_line(text: &str) -> (&str, Option<&str>) {
    match text.find('\n') {
        Some(end) => (&text[..end], Some(&text[end..])),
        None => (text, None),
    }
}

/// Returns the comments above a removed value that are kept: those that a blank line sets apart, or all
/// at the beginning of the list.
fn keep_comments(above: &str, is_first: bool) -> &str {
    let end = if is_first {
        above.rfind('\n')
    } else {
        above.rfind("\n\n").map(|end| end + 1)
    };
    let kept = end.map_or("", |end| &above[..end]);
    if kept.contains('#') { kept } else { "" }
}

fn text_of(text: Option<&RawString>) -> &str {
    text.and_then(RawString::as_str).unwrap_or_default()
}
