//! Adds and removes entries of a table in the form in which the other entries are written.

use toml_edit::{Decor, DocumentMut, InlineTable, Item, Key, Table, Value};

/// An entry to add.
pub(super) struct NewEntry {
    keys: Vec<(&'static str, Value)>,
    /// The key whose value may stand for the whole entry if it is the only one.
    short: Option<&'static str>,
}

impl NewEntry {
    /// Returns an entry with these keys.
    pub(super) fn new(keys: impl Iterator<Item = (&'static str, Value)>) -> Self {
        Self {
            keys: keys.collect(),
            short: None,
        }
    }

    /// Lets the value of this key stand for the entry if it is the only one.
    pub(super) fn shortened_to(self, key: &'static str) -> Self {
        Self {
            short: Some(key),
            ..self
        }
    }

    /// Returns the entry on one line.
    fn into_value(mut self) -> Value {
        if let ([(key, _)], Some(short)) = (&self.keys[..], self.short)
            && *key == short
        {
            return self.keys.remove(0).1;
        }
        let mut table = InlineTable::new();
        for (key, value) in self.keys {
            table.insert(key, value);
        }
        table.into()
    }

    /// Returns the entry as a table with a header of its own.
    fn into_table(self) -> Table {
        let mut table = Table::new();
        table.decor_mut().set_prefix("\n");
        for (key, value) in self.keys {
            table.insert(key, Item::Value(value));
        }
        table
    }
}

/// Adds an entry at the end of a table, or after the entry `after`. Returns `None` if the item is not
/// a table.
pub(super) fn insert_entry(
    parent: &mut Item,
    name: &str,
    new: NewEntry,
    after: Option<&str>,
) -> Option<()> {
    if parent.is_inline_table() {
        insert_key(parent, name, new.into_value());
        return Some(());
    }
    let table = parent.as_table_mut()?;
    let later = after.map_or_else(Vec::new, |after| take_entries_after(table, after));
    let has_headers = table.iter().next().is_some()
        && table
            .iter()
            .all(|(_, item)| item.as_table().is_some_and(|it| !it.is_dotted()));
    if has_headers {
        table.insert(name, Item::Table(new.into_table()));
    } else {
        let key = aligned_key(table, name);
        table.insert_formatted(&key, Item::Value(new.into_value()));
    }
    for (key, item) in later {
        table.insert_formatted(&key, item);
    }
    Some(())
}

/// Adds a key at the end of a table.
pub(super) fn insert_key(table: &mut Item, name: &str, mut value: Value) {
    if let Item::Value(Value::InlineTable(table)) = table {
        // The space before the closing brace stays there.
        if let Some((_, last)) = table.iter_mut().last() {
            let suffix = last.decor().suffix().cloned().unwrap_or_default();
            last.decor_mut().set_suffix("");
            *value.decor_mut() = Decor::new(" ", suffix);
        }
        table.insert(name, value);
    } else if let Some(table) = table.as_table_like_mut() {
        table.insert(name, Item::Value(value));
    }
}

/// Removes the entries after this one from a table, and returns them.
fn take_entries_after(table: &mut Table, name: &str) -> Vec<(Key, Item)> {
    let later: Vec<String> = table
        .iter()
        .skip_while(|(key, _)| *key != name)
        .skip(1)
        .map(|(key, _)| key.to_owned())
        .collect();
    later
        .iter()
        .filter_map(|key| table.remove_entry(key))
        .collect()
}

/// Returns a key, with its equals sign below those of the other keys if these are aligned.
fn aligned_key(table: &Table, name: &str) -> Key {
    let mut key = Key::new(name);
    let width = key.display_repr().chars().count();
    let mut columns = table.iter().filter_map(|(other, item)| {
        let key = table.key(other).filter(|_| item.is_value())?;
        let space = key.leaf_decor().suffix().and_then(|it| it.as_str());
        Some(key.display_repr().chars().count() + space.map_or(1, str::len))
    });
    let first = columns.next();
    let column = first.filter(|first| columns.all(|other| other == *first));
    let space = column.unwrap_or(0).saturating_sub(width).max(1);
    *key.leaf_decor_mut() = Decor::new("", " ".repeat(space));
    key
}

/// A comment that loses its place, because the table below it is removed.
pub(super) struct LooseComment {
    text: String,
    /// The position of the removed table in the file.
    position: Option<isize>,
}

impl LooseComment {
    /// Puts the comment before the next table of the file, or at its end.
    pub(super) fn place(self, document: &mut DocumentMut) {
        let mut next = None;
        visit_tables(document.as_table_mut(), &mut |table| {
            if let Some(position) = table.position()
                && self.position.is_none_or(|removed| position > removed)
                && next.is_none_or(|next| position < next)
            {
                next = Some(position);
            }
        });
        if next.is_none() {
            let trailing = document.trailing().as_str().unwrap_or_default();
            let joined = format!("{}{trailing}", self.text);
            document.set_trailing(joined);
            return;
        }
        visit_tables(document.as_table_mut(), &mut |table| {
            if table.position() == next {
                prepend(table.decor_mut(), &self.text);
            }
        });
    }
}

/// Calls `visit` with each table that has a header, below `table`.
fn visit_tables(table: &mut Table, visit: &mut dyn FnMut(&mut Table)) {
    for (_, item) in table.iter_mut() {
        match item {
            Item::Table(inner) => {
                if !inner.is_implicit() && !inner.is_dotted() {
                    visit(inner);
                }
                visit_tables(inner, visit);
            }
            Item::ArrayOfTables(tables) => {
                for inner in tables.iter_mut() {
                    visit(inner);
                    visit_tables(inner, visit);
                }
            }
            _ => {}
        }
    }
}

/// Removes an entry from a table. Comments that stand above it, apart from it or at the beginning of
/// the table, are kept. Returns those that have no place in the table.
pub(super) fn remove_entry(parent: &mut Item, name: &str) -> Option<LooseComment> {
    let Some(table) = parent.as_table_mut() else {
        if let Some(table) = parent.as_table_like_mut() {
            table.remove(name);
        }
        return None;
    };
    let is_first = table.iter().next().is_some_and(|(key, _)| key == name);
    let later = take_entries_after(table, name);
    let (key, item) = table.remove_entry(name)?;
    let prefix = match &item {
        Item::Table(table) => table.decor().prefix(),
        _ => key.leaf_decor().prefix(),
    };
    let prefix = prefix.and_then(|it| it.as_str()).unwrap_or_default();
    let kept = if item.is_table() || !is_first {
        // The lines directly above belong to the entry.
        prefix.rfind("\n\n").map_or("", |end| &prefix[..=end])
    } else {
        prefix
    };
    let mut kept = kept.contains('#').then(|| kept.to_owned());
    for (mut key, mut item) in later {
        if let Some(kept) = kept.take() {
            prepend_comment(&mut key, &mut item, &kept);
        }
        table.insert_formatted(&key, item);
    }
    // It was the last entry, so the comment becomes the end of the one before.
    let text = kept?;
    if let Some((_, Item::Value(value))) = table.iter_mut().last() {
        let decor = value.decor_mut();
        let suffix = decor
            .suffix()
            .and_then(|it| it.as_str())
            .unwrap_or_default();
        let joined = format!("{suffix}\n{}", text.trim_end_matches('\n'));
        decor.set_suffix(joined);
        return None;
    }
    let position = item.as_table().and_then(Table::position);
    Some(LooseComment { text, position })
}

/// Puts a comment before an entry.
fn prepend_comment(key: &mut Key, item: &mut Item, comment: &str) {
    let decor = match item {
        Item::Table(table) => table.decor_mut(),
        _ => key.leaf_decor_mut(),
    };
    prepend(decor, comment);
}

fn prepend(decor: &mut Decor, comment: &str) {
    let prefix = decor
        .prefix()
        .and_then(|it| it.as_str())
        .unwrap_or_default();
    let joined = format!("{comment}{prefix}");
    decor.set_prefix(joined);
}
