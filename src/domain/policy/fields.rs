//! A table of the policy file with the keys that it may have, and methods that read their values.

use std::fmt::Display;
use std::str::FromStr;

use toml::de::DeTable;

use super::error::suggest_nearest;
use super::reader::{NamedValue, TomlValue};
use super::table::{KeyTable, TableKey, ValueForm, Word};
use crate::domain::time::Span;

/// A table with known keys.
pub(super) struct TableFields<'a> {
    table: Option<&'a DeTable<'a>>,
    parent: TomlValue<'a>,
    key_table: &'static KeyTable,
}

impl<'a> TableFields<'a> {
    /// Wraps a table, and reports each key that needs another key which is absent.
    pub(super) fn new(
        table: Option<&'a DeTable<'a>>,
        parent: &TomlValue<'a>,
        key_table: &'static KeyTable,
    ) -> Self {
        let fields = Self {
            table,
            parent: parent.clone(),
            key_table,
        };
        fields.report_unmet_needs();
        fields
    }

    /// Makes an empty table for a table that the file does not have.
    pub(super) fn absent(parent: &TomlValue<'a>, key_table: &'static KeyTable) -> Self {
        Self {
            table: None,
            parent: parent.clone(),
            key_table,
        }
    }

    /// Looks up a key by its name.
    pub(super) fn key(&self, name: &'static str) -> TableField<'_, 'a> {
        TableField { fields: self, name }
    }

    fn report_unmet_needs(&self) {
        for key in self.key_table.keys {
            if let Some((needed, reason)) = key.needs
                && let Some(value) = self.key(key.name).value()
                && self.key(needed).value().is_none()
            {
                value.report(format!("it needs the key {needed:?}: {reason}"), None);
            }
        }
    }
}

impl<'a> TomlValue<'a> {
    /// Reads a table with known keys, and reports unknown keys and each key that needs another key
    /// which is absent.
    pub(super) fn fields(&self, key_table: &'static KeyTable) -> TableFields<'a> {
        let table = self.as_table();
        for (key, _) in table.into_iter().flatten() {
            if key_table.key(key.get_ref()).is_none() {
                self.report_unknown(key.get_ref(), key.span().start, key_table);
            }
        }
        TableFields::new(table, self, key_table)
    }
}

/// A key of a table, which may be absent. Its readers return `None` if it is absent or wrong, and
/// report what is wrong.
pub(super) struct TableField<'f, 'a> {
    fields: &'f TableFields<'a>,
    name: &'static str,
}

impl<'a> TableField<'_, 'a> {
    fn definition(&self) -> Option<&'static TableKey> {
        self.fields.key_table.key(self.name)
    }

    /// Returns the value, if the key is present.
    pub(super) fn value(&self) -> Option<TomlValue<'a>> {
        debug_assert!(
            self.definition().is_some(),
            "{} is read but not declared",
            self.name
        );
        let value = self.fields.table?.get(self.name)?;
        Some(self.fields.parent.field(self.name, value))
    }

    /// Reports the key if it is required and absent, unless the table has a misspelling of it,
    /// which is reported as an unknown key.
    pub(super) fn report_missing(&self) {
        let (Some(table), Some(key)) = (self.fields.table, self.definition()) else {
            return;
        };
        if !key.required || self.value().is_some() {
            return;
        }
        let is_misspelling = |word: &str| {
            self.fields.key_table.key(word).is_none()
                && suggest_nearest(word, [self.name]).is_some()
        };
        if table.keys().any(|word| is_misspelling(word.get_ref())) {
            return;
        }
        let hint = (!key.hint.is_empty()).then(|| key.hint.to_owned());
        self.fields.parent.report_missing(self.name, hint);
    }

    /// Reads the value with a function.
    pub(super) fn read<T>(&self, read: impl FnOnce(&TomlValue<'a>) -> Option<T>) -> Option<T> {
        self.value().and_then(|value| read(&value))
    }

    /// Reads each value of a list with a function. The result is empty if the key is absent.
    pub(super) fn read_each<T>(&self, read: impl FnMut(&TomlValue<'a>) -> Option<T>) -> Vec<T> {
        self.value()
            .map(|value| value.list().iter().filter_map(read).collect())
            .unwrap_or_default()
    }

    /// Reads a table whose keys are names, at most `max`. The result is empty if the key is absent.
    pub(super) fn named_values(&self, max: usize) -> Vec<NamedValue<'a>> {
        self.value()
            .map(|value| value.named_values(max))
            .unwrap_or_default()
    }

    /// Parses a string with the `FromStr` of a type.
    pub(super) fn parse<T: FromStr<Err: Display>>(&self) -> Option<T> {
        self.read(TomlValue::parse)
    }

    /// Parses a string with a function.
    pub(super) fn parse_with<T>(&self, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.read(|value| value.parse_with(parse))
    }

    /// Reads a span of at least one second.
    pub(super) fn span(&self) -> Option<Span> {
        self.read(TomlValue::span)
    }

    /// Reads `true` or `false`.
    pub(super) fn flag(&self) -> Option<bool> {
        self.read(TomlValue::flag)
    }

    /// Reads a number within the bounds that the key's form states.
    pub(super) fn number(&self) -> Option<u32> {
        match self.definition()?.form {
            ValueForm::Number(min, max) => self.read(|value| value.number(min, max)),
            _ => None,
        }
    }

    /// Reads a word of an enum.
    pub(super) fn word<T: Word>(&self) -> Option<T> {
        self.read(TomlValue::word)
    }

    /// Reads one of a few words.
    pub(super) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        self.read(|value| value.one_of(words))
    }
}
