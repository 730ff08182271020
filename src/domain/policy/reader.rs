//! Reads a TOML document value by value and reports each error with its position.
//!
//! Reading continues after an error, so that all errors are reported together.

use std::fmt::Display;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ErrorCollector, suggest_nearest};
use super::table::{KeyTable, Word};
use crate::domain::time::Span;

/// A value of the file, and the key that leads to it.
#[derive(Clone)]
pub(super) struct TomlValue<'a> {
    value: &'a DeValue<'a>,
    offset: usize,
    /// The path of the key, such as `environments.prod.approvals`.
    path: String,
    errors: &'a ErrorCollector<'a>,
}

/// A value in a table whose keys are names, with its name.
pub(super) struct NamedValue<'a> {
    pub(super) key: &'a str,
    pub(super) value: TomlValue<'a>,
    offset: usize,
}

impl NamedValue<'_> {
    /// Parses the key as a name.
    pub(super) fn parse_name<T: FromStr<Err: Display>>(&self) -> Option<T> {
        self.key
            .parse()
            .map_err(|error: T::Err| self.report(error.to_string(), None))
            .ok()
    }

    /// Reports an error at the key.
    pub(super) fn report(&self, message: impl AsRef<str>, hint: Option<String>) {
        self.value
            .errors
            .add(Some(self.offset), &self.value.path, message, hint);
    }
}

impl<'a> TomlValue<'a> {
    pub(super) fn root(document: &'a DeValue<'a>, errors: &'a ErrorCollector<'a>) -> Self {
        Self {
            value: document,
            offset: 0,
            path: String::new(),
            errors,
        }
    }

    /// Reports an error at this value.
    pub(super) fn report(&self, message: impl AsRef<str>, hint: Option<String>) {
        self.errors
            .add(Some(self.offset), &self.path, message, hint);
    }

    /// Reports that the value is of the wrong type.
    pub(super) fn report_type(&self, expected: &str) {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.report(format!("expected {expected}, found {found}"), None);
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(super) fn is_integer(&self) -> bool {
        self.value.is_integer()
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.is_str()
    }

    fn child_path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Reads a string.
    pub(super) fn text(&self) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.report_type("a string in quotes");
        }
        text
    }

    /// Reads a string, or a TOML date or time as a string.
    pub(super) fn date_or_text(&self) -> Option<String> {
        match self.value {
            DeValue::Datetime(datetime) => Some(datetime.to_string()),
            _ => self.text().map(str::to_owned),
        }
    }

    /// Reads `true` or `false`.
    pub(super) fn flag(&self) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.report_type("true or false");
        }
        flag
    }

    /// Reads a whole number from `min` to `max`.
    pub(super) fn number(&self, min: u32, max: u32) -> Option<u32> {
        let Some(integer) = self.value.as_integer() else {
            self.report_type("a whole number");
            return None;
        };
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.report(
                format!("{integer} is not a whole number from {min} to {max}"),
                None,
            );
        }
        number
    }

    /// Parses a string with the `FromStr` of a type.
    pub(super) fn parse<T: FromStr<Err: Display>>(&self) -> Option<T> {
        self.parse_with(|text| text.parse::<T>().map_err(|error| error.to_string()))
    }

    /// Parses a string with a function.
    pub(super) fn parse_with<T>(&self, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        parse(self.text()?)
            .map_err(|error| self.report(error, None))
            .ok()
    }

    /// Reads a span of at least one second.
    pub(super) fn span(&self) -> Option<Span> {
        let span: Span = self.parse()?;
        if span.as_seconds() == 0 {
            self.report("it must be at least one second", None);
        }
        Some(span)
    }

    /// Reads a word of an enum.
    pub(super) fn word<T: Word>(&self) -> Option<T> {
        self.one_of(T::WORDS)
    }

    /// Reads one of a few words.
    pub(super) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let matching = words.iter().find(|(word, _)| *word == text);
        if matching.is_none() {
            let allowed: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            let message = format!("{text:?} is not {}", allowed.join(" or "));
            let hint = suggest_nearest(text, words.iter().map(|(word, _)| *word));
            self.report(message, hint);
        }
        matching.map(|(_, value)| *value)
    }

    /// Returns the items of a list. A value that is not a list counts as a list with one item.
    pub(super) fn list(&self) -> Vec<Self> {
        match self.value {
            DeValue::Array(items) => items
                .iter()
                .map(|item| self.child(item, self.path.clone()))
                .collect(),
            _ => vec![self.clone()],
        }
    }

    fn child(&self, item: &'a Spanned<DeValue<'a>>, path: String) -> Self {
        Self {
            value: item.get_ref(),
            offset: item.span().start,
            path,
            errors: self.errors,
        }
    }

    /// Returns the value as a table. Reports any other value.
    pub(super) fn as_table(&self) -> Option<&'a DeTable<'a>> {
        let table = self.value.as_table();
        if table.is_none() {
            self.report_type("a table");
        }
        table
    }

    /// Wraps the value of a key of this table, and records its position.
    pub(super) fn field(&self, name: &str, value: &'a Spanned<DeValue<'a>>) -> Self {
        let field = self.child(value, self.child_path(name));
        self.errors.record_position(&field.path, field.offset);
        field
    }

    /// Reports a key that is missing in this table.
    pub(super) fn report_missing(&self, name: &str, hint: Option<String>) {
        // A key that is missing at the top of the file has no position.
        let offset = (!self.path.is_empty()).then_some(self.offset);
        let message = format!("the key {name:?} is missing");
        self.errors.add(offset, &self.path, message, hint);
    }

    pub(super) fn report_unknown(&self, word: &str, offset: usize, key_table: &KeyTable) {
        if let Some(purpose) = key_table.planned_purpose(word) {
            let message = format!("the key {word:?} is not supported yet: {purpose}");
            let hint = "remove it for now".to_owned();
            self.errors
                .add(Some(offset), &self.path, message, Some(hint));
            return;
        }
        let hint = suggest_nearest(word, key_table.names()).unwrap_or_else(|| {
            let names: Vec<_> = key_table.names().collect();
            format!("known keys are {}", names.join(", "))
        });
        let location = if self.path.is_empty() {
            "at the top of the file"
        } else {
            "here"
        };
        let message = format!("unknown key {word:?} {location}");
        self.errors
            .add(Some(offset), &self.path, message, Some(hint));
    }

    /// Reads a table of at most `max` entries whose keys are names, in the order of the names.
    pub(super) fn named_values(&self, max: usize) -> Vec<NamedValue<'a>> {
        let Some(table) = self.as_table() else {
            return Vec::new();
        };
        if table.len() > max {
            self.report(
                format!("it has {} entries, at most {max} are allowed", table.len()),
                None,
            );
            return Vec::new();
        }
        let named_value = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let key: &'a Spanned<std::borrow::Cow<'a, str>> = key;
            let word = key.get_ref().as_ref();
            let path = self.child_path(word);
            self.errors.record_position(&path, key.span().start);
            NamedValue {
                key: word,
                value: self.child(value, path),
                offset: key.span().start,
            }
        };
        table.iter().map(named_value).collect()
    }
}
