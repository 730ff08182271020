//! The lists of names in a `deploy.toml`: finds those that name people, and changes one name.

use toml_edit::{Array, Item, Table, TableLike, Value};

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

/// Removes a name from a list that has others.
pub(super) fn remove_name(item: &mut Item, name: &str) {
    let Item::Value(Value::Array(array)) = item else {
        return;
    };
    let first = array.get(0).map(|value| value.decor().clone());
    let is_first = array.get(0).and_then(Value::as_str) == Some(name);
    array.retain(|value| value.as_str() != Some(name));
    if let (true, Some(decor), Some(value)) = (is_first, first, array.get_mut(0)) {
        // The next name takes the place of the first one, unless it has a line of its own.
        let has_line = |decor: &toml_edit::Decor| {
            let prefix = decor.prefix().and_then(|it| it.as_str());
            prefix.is_some_and(|it| it.contains('\n'))
        };
        if !has_line(value.decor()) {
            *value.decor_mut() = decor;
        }
    }
}
