//! The types that describe a table of `deploy.toml`: its keys, and the form of their values.
//!
//! `policy_table!` creates the descriptions; see `table_macros`.

/// The keys of a table.
#[derive(Debug)]
pub struct KeyTable {
    /// The struct that holds the table's values.
    #[cfg_attr(
        not(any(test, feature = "testing")),
        expect(dead_code, reason = "read by tests")
    )]
    pub struct_name: &'static str,
    /// The keys, in the order of the reference.
    pub keys: &'static [TableKey],
    /// Keys that are refused for now, with what they will do.
    pub planned: &'static [(&'static str, &'static str)],
}

impl KeyTable {
    /// Lists the names of the keys.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }

    /// Finds the key of this name.
    pub fn key(&self, name: &str) -> Option<&'static TableKey> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Returns what a planned key will do; `None` for any other key.
    pub fn planned_purpose(&self, name: &str) -> Option<&'static str> {
        self.planned
            .iter()
            .find(|(planned, _)| *planned == name)
            .map(|(_, purpose)| *purpose)
    }
}

/// A key of a table.
#[derive(Debug)]
pub struct TableKey {
    /// The name.
    pub name: &'static str,
    /// The field or method through which code outside this module uses the value.
    #[cfg_attr(
        not(any(test, feature = "testing")),
        expect(dead_code, reason = "read by tests")
    )]
    pub used_as: &'static str,
    /// The form of the value.
    pub form: ValueForm,
    /// The doc comment of the field, in Markdown: a space before each line.
    pub(super) doc: &'static str,
    /// A value, in TOML.
    pub example: &'static str,
    /// What an absent key means: a value in TOML between backquotes, or words. Empty if there is
    /// nothing to say.
    pub default: &'static str,
    /// Whether the key must be present.
    pub required: bool,
    /// What to do if a required key is missing; empty if that is obvious.
    pub hint: &'static str,
    /// Another key of the table that must be present if this one is, and why.
    pub needs: Option<(&'static str, &'static str)>,
    /// Another key of the table: exactly one of the two must be present.
    pub or: Option<&'static str>,
}

impl TableKey {
    /// Returns what the key means, in Markdown.
    pub fn meaning(&self) -> &'static str {
        self.doc.trim_start()
    }
}

/// The form of a value.
#[derive(Debug)]
pub enum ValueForm {
    /// A string of some kind.
    Text(&'static TextForm),
    /// One of a few words.
    Words(&'static [&'static str]),
    /// True or false.
    Flag,
    /// A whole number between two bounds.
    Number(u32, u32),
    /// A string, or a TOML date or time.
    DateOrText(&'static TextForm),
    /// A table with known keys.
    Table(&'static KeyTable),
    /// A table whose keys are names: the form of the names, and that of the values.
    Named(&'static TextForm, &'static ValueForm),
    /// A list; one value may stand alone.
    OneOrMore(&'static ValueForm),
    /// Any of these.
    Either(&'static [ValueForm]),
}

/// A kind of string.
#[derive(Debug)]
pub struct TextForm {
    /// Its name in the reference.
    pub name: &'static str,
    /// A regular expression, in the dialect of JSON Schema, that matches every string that the
    /// parser accepts. The parser is stricter.
    pub pattern: &'static str,
}

impl TextForm {
    pub(super) const fn new(name: &'static str, pattern: &'static str) -> Self {
        Self { name, pattern }
    }
}

/// An enum whose values are words of the file.
pub(super) trait Word: Copy + 'static {
    /// Each word with its value.
    const WORDS: &'static [(&'static str, Self)];
}
