//! The keys of a table: which are present, and what is read from them.

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
    known: &'static KeyTable,
}

impl<'a> TableFields<'a> {
    /// Wraps a table whose keys are known. Keys without the key that they need are reported.
    pub(super) fn new(
        table: Option<&'a DeTable<'a>>,
        parent: &TomlValue<'a>,
        known: &'static KeyTable,
    ) -> Self {
        let fields = Self {
            table,
            parent: parent.clone(),
            known,
        };
        fields.report_unmet_needs();
        fields
    }

    /// Makes a table that the file does not have, in which every key is absent.
    pub(super) fn absent(parent: &TomlValue<'a>, known: &'static KeyTable) -> Self {
        Self {
            table: None,
            parent: parent.clone(),
            known,
        }
    }

    /// Looks up a key by its name.
    pub(super) fn key(&self, name: &'static str) -> TableField<'_, 'a> {
        TableField { fields: self, name }
    }

    fn report_unmet_needs(&self) {
        for key in self.known.keys {
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
    /// Reads a table whose keys are known. Unknown keys and keys without the one that they need are
    /// reported.
    pub(super) fn fields(&self, known: &'static KeyTable) -> TableFields<'a> {
        let table = self.as_table();
        for (key, _) in table.into_iter().flatten() {
            if known.key(key.get_ref()).is_none() {
                self.report_unknown(key.get_ref(), key.span().start, known);
            }
        }
        TableFields::new(table, self, known)
    }
}

/// A key of a table, which may be absent. What is read from it is `None` if it is absent or wrong;
/// a mistake is reported.
pub(super) struct TableField<'f, 'a> {
    fields: &'f TableFields<'a>,
    name: &'static str,
}

impl<'a> TableField<'_, 'a> {
    fn definition(&self) -> Option<&'static TableKey> {
        self.fields.known.key(self.name)
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

    /// Reports the key if it must be present and is not, unless the table has a misspelling of it.
    pub(super) fn report_missing(&self) {
        let (Some(table), Some(key)) = (self.fields.table, self.definition()) else {
            return;
        };
        if !key.required || self.value().is_some() {
            return;
        }
        let is_misspelling = |word: &str| {
            self.fields.known.key(word).is_none() && suggest_nearest(word, [self.name]).is_some()
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

    /// Reads each value of a list with a function. Without the key there is none.
    pub(super) fn each<T>(&self, read: impl FnMut(&TomlValue<'a>) -> Option<T>) -> Vec<T> {
        self.value()
            .map(|value| value.list().iter().filter_map(read).collect())
            .unwrap_or_default()
    }

    /// Reads a table whose keys are names. Without the key it is empty.
    pub(super) fn named_values(&self, most: usize) -> Vec<NamedValue<'a>> {
        self.value()
            .map(|value| value.named_values(most))
            .unwrap_or_default()
    }

    /// Parses a text into a type of its own.
    pub(super) fn parse<T: FromStr<Err: Display>>(&self) -> Option<T> {
        self.read(TomlValue::parse)
    }

    /// Parses a text with a function.
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
            ValueForm::Number(least, most) => self.read(|value| value.number(least, most)),
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
