//! Edits the text of a `deploy.toml`, and keeps its comments, its order and its layout.
//!
//! An edit changes the text only. The caller parses the result with [`super::Policy::parse`], which
//! decides whether it is valid.

mod layout;
mod lists;

use toml_edit::{DocumentMut, Item, Table, Value};

use super::Policy;
use super::people::KeyStatus;
use crate::domain::id::PublicKey;
use crate::domain::name::{EnvName, Person};
use layout::{NewEntry, insert_entry, insert_key, remove_entry};
use lists::{add_name, names_in, remove_name, visit_member_lists};

/// The byte order mark that some editors write at the beginning of a file.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why a file cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file is not TOML.
    #[error("it is not valid TOML")]
    Syntax,
    /// Writing the file back would change other lines.
    #[error("some of its lines end in CRLF and others in LF, so an edit would change other lines")]
    Layout,
    /// A table that the edit needs has another form.
    #[error("{0} is not a table")]
    NotATable(String),
}

/// What happened to the lists in which a removed person was named.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RemovedFromLists {
    /// The lists from which the name was removed, such as `groups.release`.
    pub shortened: Vec<String>,
    /// The lists that name no one else, so that the name was kept.
    pub sole_member: Vec<String>,
}

/// The value of a new key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewValue {
    /// A string.
    Text(String),
    /// A list of strings. A single one stands alone.
    List(Vec<String>),
    /// A list of strings, also if there is only one.
    Array(Vec<String>),
    /// A whole number.
    Number(u32),
    /// `true`.
    True,
    /// A table on one line.
    Table(Vec<(&'static str, NewValue)>),
}

impl NewValue {
    fn into_value(self) -> Value {
        match self {
            Self::Text(text) => text.into(),
            Self::List(mut list) if list.len() == 1 => list.remove(0).into(),
            Self::List(list) | Self::Array(list) => Value::from_iter(list),
            Self::Number(number) => i64::from(number).into(),
            Self::True => true.into(),
            Self::Table(keys) => {
                let mut table = toml_edit::InlineTable::new();
                for (key, value) in keys {
                    table.insert(key, value.into_value());
                }
                table.into()
            }
        }
    }
}

/// A `deploy.toml` that is being edited.
pub struct PolicyEditor {
    document: DocumentMut,
    has_mark: bool,
    has_crlf: bool,
}

impl PolicyEditor {
    /// Parses the text.
    ///
    /// # Errors
    /// It is not TOML, or an edit would change more than it should.
    pub fn parse(text: &str) -> Result<Self, EditError> {
        let without_mark = text.strip_prefix(BYTE_ORDER_MARK);
        let unix = without_mark.unwrap_or(text).replace("\r\n", "\n");
        let editor = Self {
            document: unix.parse().map_err(|_| EditError::Syntax)?,
            has_mark: without_mark.is_some(),
            has_crlf: text.contains("\r\n"),
        };
        let written = editor.text();
        // A last line without an end gets one.
        let lacks_end = !text.ends_with('\n') && written.trim_end_matches(['\r', '\n']) == text;
        if written == text || lacks_end {
            Ok(editor)
        } else {
            Err(EditError::Layout)
        }
    }

    /// Returns the edited text.
    pub fn text(&self) -> String {
        let mut text = self.document.to_string();
        if self.has_crlf {
            text = text.replace('\n', "\r\n");
        }
        if self.has_mark {
            text.insert(0, BYTE_ORDER_MARK);
        }
        text
    }

    /// Checks whether the file has a table of this name at its top.
    pub fn has_table(&self, name: &str) -> bool {
        self.document.contains_key(name)
    }

    /// Adds an entry, such as a person, to a table at the top of the file. It becomes the last one,
    /// or stands after the entry `after`.
    pub fn add_entry(
        &mut self,
        table: &str,
        name: &str,
        keys: Vec<(&'static str, NewValue)>,
        after: Option<&str>,
    ) -> Result<(), EditError> {
        let mut new = NewEntry::new(
            keys.into_iter()
                .map(|(key, value)| (key, value.into_value())),
        );
        if table == "people" {
            new = new.shortened_to("key");
        }
        insert_entry(self.table(table)?, name, new, after)
            .ok_or_else(|| EditError::NotATable(table.to_owned()))
    }

    /// Adds a name to a list such as `policy.admins`, which need not exist yet. `present` are the
    /// names that the list stands for if it is absent.
    pub fn add_to_list(
        &mut self,
        table: &str,
        key: &str,
        name: &str,
        present: &[String],
    ) -> Result<(), EditError> {
        let parent = self.table(table)?;
        if parent.get(key).is_none() {
            insert_key(parent, key, Value::from_iter(present));
        }
        add_to_key(parent, key, name);
        Ok(())
    }

    /// Replaces a person's key. The old one becomes a retired key, or is removed.
    pub fn replace_key(
        &mut self,
        person: &Person,
        key: &PublicKey,
        retired: Option<&PublicKey>,
    ) -> Result<(), EditError> {
        let not_a_table = || EditError::NotATable(format!("people.{person}"));
        let item = child(self.table("people")?, person.as_str()).ok_or_else(not_a_table)?;
        if let Some(Value::String(_)) = item.as_value() {
            let new = match retired {
                None => NewValue::Text(key.to_string()),
                Some(retired) => NewValue::Table(vec![
                    ("key", NewValue::Text(key.to_string())),
                    ("retired", NewValue::Text(retired.to_string())),
                ]),
            };
            replace_value(item, new.into_value());
            return Ok(());
        }
        let old = child(item, "key").ok_or_else(not_a_table)?;
        replace_value(old, key.to_string().into());
        if let Some(retired) = retired {
            add_to_key(item, "retired", &retired.to_string());
        }
        Ok(())
    }

    /// Removes a person from `[people]` and from every list that also names someone else.
    pub fn remove_person(&mut self, person: &Person) -> Result<RemovedFromLists, EditError> {
        let mut removed = RemovedFromLists::default();
        visit_member_lists(self.document.as_table_mut(), &mut |path, item| {
            let names = names_in(item);
            if !names.iter().any(|name| name == person.as_str()) {
                return;
            }
            if names.iter().all(|name| name == person.as_str()) {
                removed.sole_member.push(path.to_owned());
            } else {
                remove_name(item, person.as_str());
                removed.shortened.push(path.to_owned());
            }
        });
        if let Some(comment) = remove_entry(self.table("people")?, person.as_str()) {
            comment.place(&mut self.document);
        }
        Ok(removed)
    }

    /// Makes an environment promote from `new` in place of `old`.
    pub fn promote_from(
        &mut self,
        environment: &EnvName,
        old: Option<&EnvName>,
        new: &EnvName,
    ) -> Result<(), EditError> {
        let not_a_table = || EditError::NotATable(format!("environments.{environment}"));
        let table = child(self.table("environments")?, environment.as_str())
            .filter(|it| it.is_table_like())
            .ok_or_else(not_a_table)?;
        match (child(table, "promote_from"), old) {
            (Some(list), Some(old)) if names_in(list) == [old.as_str()] => {
                replace_value(list, new.as_str().into());
            }
            (Some(list), Some(old)) => {
                add_name(list, new.as_str());
                remove_name(list, old.as_str());
            }
            _ => add_to_key(table, "promote_from", new.as_str()),
        }
        Ok(())
    }

    /// Returns a table at the top of the file, which is added at its end if it is missing.
    fn table(&mut self, name: &str) -> Result<&mut Item, EditError> {
        let root = self.document.as_table_mut();
        let is_empty = root.is_empty();
        let item = root.entry(name).or_insert_with(|| {
            let mut table = Table::new();
            table
                .decor_mut()
                .set_prefix(if is_empty { "" } else { "\n" });
            Item::Table(table)
        });
        if item.is_table_like() {
            Ok(item)
        } else {
            Err(EditError::NotATable(name.to_owned()))
        }
    }
}

/// Adds a name to the list in a key, which need not exist yet.
fn add_to_key(table: &mut Item, key: &str, name: &str) {
    match child(table, key) {
        Some(list) => add_name(list, name),
        None => insert_key(table, key, name.into()),
    }
}

/// Returns the value of a key of a table, if it is there.
fn child<'t>(table: &'t mut Item, key: &str) -> Option<&'t mut Item> {
    // Another index operation of the library would add an empty item.
    let item = table.as_table_like_mut()?.get_mut(key)?;
    (!item.is_none()).then_some(item)
}

/// Replaces a value, and keeps the space and the comments around it.
fn replace_value(item: &mut Item, mut new: Value) {
    if let Some(old) = item.as_value() {
        *new.decor_mut() = old.decor().clone();
    }
    *item = Item::Value(new);
}

impl Policy {
    /// Returns the owner of a key in words: "the key of bob", "a retired key of bob".
    pub fn describe_key_owner(&self, key: &PublicKey) -> Option<String> {
        self.person_of_key(key)
            .map(|(person, status)| match status {
                KeyStatus::Current => format!("the key of {person}"),
                KeyStatus::Retired => format!("a retired key of {person}"),
            })
    }
}

#[cfg(test)]
mod tests;
