//! Walks a TOML document and says, with its place, what is not as it should be.
//!
//! Reading goes on after a mistake, so that one run shows all of them; a policy is made only if there was none.

use std::fmt::Display;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ErrorCollector, suggest_nearest};
use super::schema::{KeyTable, ValueForm};
use crate::domain::time::Span;

/// A value of the file, and the key that leads to it.
#[derive(Clone)]
pub(super) struct TomlValue<'a> {
    value: &'a DeValue<'a>,
    offset: usize,
    /// Such as `environments.prod.approvals`.
    pub(super) path: String,
    out: &'a ErrorCollector<'a>,
}

/// A key of a table whose keys are names, with its value.
pub(super) struct NamedValue<'a> {
    pub(super) key: &'a str,
    pub(super) value: TomlValue<'a>,
    offset: usize,
}

impl NamedValue<'_> {
    /// The key as a name.
    pub(super) fn parse_name<T: FromStr<Err: Display>>(&self) -> Option<T> {
        self.key
            .parse()
            .map_err(|error: T::Err| self.report(error.to_string(), None))
            .ok()
    }

    /// Reports the key.
    pub(super) fn report(&self, what: impl AsRef<str>, hint: Option<String>) {
        self.value
            .out
            .add(Some(self.offset), &self.value.path, what, hint);
    }
}

impl<'a> TomlValue<'a> {
    pub(super) fn root(document: &'a DeValue<'a>, out: &'a ErrorCollector<'a>) -> Self {
        Self {
            value: document,
            offset: 0,
            path: String::new(),
            out,
        }
    }

    /// Reports this value.
    pub(super) fn report(&self, what: impl AsRef<str>, hint: Option<String>) {
        self.out.add(Some(self.offset), &self.path, what, hint);
    }

    pub(super) fn report_type(&self, expected: &str) {
        let found = match self.value {
            DeValue::String(_) => "a text",
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

    fn child_path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.report_type("a text in quotes");
        }
        text
    }

    /// A text, or a TOML date or time in its written form.
    pub(super) fn date_or_text(&self) -> Option<String> {
        match self.value {
            DeValue::Datetime(datetime) => Some(datetime.to_string()),
            _ => self.text().map(str::to_owned),
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.report_type("true or false");
        }
        flag
    }

    pub(super) fn number(&self, least: u32, most: u32) -> Option<u32> {
        let Some(integer) = self.value.as_integer() else {
            self.report_type("a whole number");
            return None;
        };
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.report(
                format!("{integer} is not a whole number from {least} to {most}"),
                None,
            );
        }
        number
    }

    /// A text that has a type of its own.
    pub(super) fn parse<T: FromStr<Err: Display>>(&self) -> Option<T> {
        self.parse_with(|text| text.parse::<T>().map_err(|error| error.to_string()))
    }

    /// A text that a function reads.
    pub(super) fn parse_with<T>(&self, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        read(self.text()?)
            .map_err(|error| self.report(error, None))
            .ok()
    }

    /// A span of at least a second.
    pub(super) fn span(&self) -> Option<Span> {
        let span: Span = self.parse()?;
        if span.as_seconds() == 0 {
            self.report("it must be at least one second", None);
        }
        Some(span)
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            let expected = format!("{text:?} is not {}", known.join(" or "));
            self.report(
                expected,
                suggest_nearest(text, words.iter().map(|(word, _)| *word)),
            );
        }
        found
    }

    /// The values of a list; a value that is no list stands for a list of itself.
    pub(super) fn list(&self) -> Vec<Self> {
        match self.value {
            DeValue::Array(items) => items
                .iter()
                .map(|item| self.spanned(item, self.path.clone()))
                .collect(),
            _ => vec![self.clone()],
        }
    }

    fn spanned(&self, item: &'a Spanned<DeValue<'a>>, path: String) -> Self {
        Self {
            value: item.get_ref(),
            offset: item.span().start,
            path,
            out: self.out,
        }
    }

    fn as_table(&self) -> Option<&'a DeTable<'a>> {
        let table = self.value.as_table();
        if table.is_none() {
            self.report_type("a table");
        }
        table
    }

    /// A table whose keys are known; others are reported.
    pub(super) fn fields(&self, known: &'static KeyTable) -> TableFields<'a> {
        let table = self.as_table();
        for (key, _) in table.into_iter().flatten() {
            let word = key.get_ref().as_ref();
            if known.key(word).is_none() {
                let hint = suggest_nearest(word, known.names());
                let all = || {
                    format!(
                        "known keys are {}",
                        known.names().collect::<Vec<_>>().join(", ")
                    )
                };
                let hint = hint.unwrap_or_else(all);
                let place = if self.path.is_empty() {
                    "at the top of the file"
                } else {
                    "here"
                };
                let what = format!("unknown key {word:?} {place}");
                self.out
                    .add(Some(key.span().start), &self.path, what, Some(hint));
            }
        }
        TableFields {
            table,
            node: self.clone(),
            known,
        }
    }

    /// A table whose keys are names, at most `most`, in order of key.
    pub(super) fn named_values(&self, most: usize) -> Vec<NamedValue<'a>> {
        let Some(table) = self.as_table() else {
            return Vec::new();
        };
        if table.len() > most {
            self.report(
                format!("it has {} entries, at most {most} are allowed", table.len()),
                None,
            );
            return Vec::new();
        }
        let entry = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let key: &'a Spanned<std::borrow::Cow<'a, str>> = key;
            let word = key.get_ref().as_ref();
            let path = self.child_path(word);
            self.out.record_position(&path, key.span().start);
            NamedValue {
                key: word,
                value: self.spanned(value, path),
                offset: key.span().start,
            }
        };
        table.iter().map(entry).collect()
    }
}

/// A table with known keys.
pub(super) struct TableFields<'a> {
    table: Option<&'a DeTable<'a>>,
    pub(super) node: TomlValue<'a>,
    known: &'static KeyTable,
}

impl<'a> TableFields<'a> {
    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<TomlValue<'a>> {
        debug_assert!(
            self.known.key(key).is_some(),
            "{key} is read but not listed as known"
        );
        let value = self.table?.get(key)?;
        let node = self.node.spanned(value, self.node.child_path(key));
        self.node.out.record_position(&node.path, node.offset);
        Some(node)
    }

    /// What a function reads from a key's value, if it is there and right.
    pub(super) fn with<T>(
        &self,
        key: &str,
        read: impl FnOnce(&TomlValue<'a>) -> Option<T>,
    ) -> Option<T> {
        self.get(key).and_then(|node| read(&node))
    }

    /// A number within the key's bounds, if it is there and right.
    pub(super) fn number(&self, key: &str) -> Option<u32> {
        let Some(ValueForm::Number(least, most)) = self.known.key(key).map(|key| &key.form) else {
            return None;
        };
        self.with(key, |node| node.number(*least, *most))
    }

    /// What one of the key's words stands for, if it is there and right.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        debug_assert!(
            matches!(self.known.key(key).map(|key| &key.form), Some(ValueForm::Words(known))
                if known.iter().eq(words.iter().map(|(word, _)| word))),
            "the words of {key} are not those that are listed"
        );
        self.with(key, |node| node.word(words))
    }

    /// What a function reads from each value of a key's list; nothing without the key.
    pub(super) fn each<T>(
        &self,
        key: &str,
        read: impl FnMut(&TomlValue<'a>) -> Option<T>,
    ) -> Vec<T> {
        self.get(key)
            .map(|node| node.list().iter().filter_map(read).collect())
            .unwrap_or_default()
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, key: &str) -> Option<TomlValue<'a>> {
        let node = self.get(key);
        if node.is_none() && self.table.is_some() {
            self.node
                .report(format!("the key {key:?} is missing"), None);
        }
        node
    }

    /// Reports `key`, if it is there while `other`, without which it means nothing, is not.
    pub(super) fn needs(&self, key: &str, other: &str, why: &str) {
        if let (Some(node), None) = (self.get(key), self.get(other)) {
            node.report(format!("it needs the key {other:?}: {why}"), None);
        }
    }
}
