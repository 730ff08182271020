//! How a table of `deploy.toml` is declared: each key in one place.
//!
//! A table is a struct that [`policy_table!`] declares. Each field states everything about its key:
//! its meaning (the doc comment, which the reference shows), what its value looks like, an example,
//! its default and how it is read. The parser, the JSON Schema and the reference in
//! `docs/policy.md` all derive from that.

/// The keys of a table.
#[derive(Debug)]
pub struct KeyTable {
    /// The struct that holds the table's values.
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
    pub fn plan_for(&self, name: &str) -> Option<&'static str> {
        let found = self.planned.iter().find(|(planned, _)| *planned == name);
        found.map(|(_, purpose)| *purpose)
    }
}

/// A key of a table.
#[derive(Debug)]
pub struct TableKey {
    /// The name.
    pub name: &'static str,
    /// The field or method through which code outside this module uses the value.
    pub used_as: &'static str,
    /// What the value looks like.
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
    /// What to do if a key that must be present is missing; empty if that is plain.
    pub hint: &'static str,
    /// Another key of the table without which this one means nothing, and why.
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

/// What a value looks like.
#[derive(Debug)]
pub enum ValueForm {
    /// A text of some kind.
    Text(&'static TextForm),
    /// One of a few words.
    Words(&'static [&'static str]),
    /// True or false.
    Flag,
    /// A whole number between two bounds.
    Number(u32, u32),
    /// A text, or a date or time of TOML.
    DateOrText(&'static TextForm),
    /// A table with known keys.
    Table(&'static KeyTable),
    /// A table whose keys are names: what these look like, and their values.
    Named(&'static TextForm, &'static ValueForm),
    /// A list; one value may stand alone.
    OneOrMore(&'static ValueForm),
    /// Any of these.
    Either(&'static [ValueForm]),
}

/// A kind of text.
#[derive(Debug)]
pub struct TextForm {
    /// The word for it in the reference.
    pub name: &'static str,
    /// A regular expression, in the dialect of JSON Schema, that matches every text that the parser
    /// accepts. The parser is stricter.
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

/// Declares an enum whose values are words of the file: each variant with its word.
macro_rules! policy_words {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $( $(#[$variant_attribute:meta])* $variant:ident = $word:literal, )+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        $visibility enum $name {
            $( $(#[$variant_attribute])* $variant, )+
        }

        impl $name {
            /// The words, for the form of a key.
            pub(in $crate::domain::policy) const NAMES: &'static [&'static str] = &[$($word),+];

            /// Returns the word for it.
            $visibility fn word(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )+
                }
            }
        }

        impl $crate::domain::policy::table::Word for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$( ($word, Self::$variant) ),+];
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }
    };
}

/// Declares a table: a struct, its keys (`TABLE`) and how it is read (`read`).
///
/// ```text
/// policy_table! {
///     /// What bounds the environments of a pattern.
///     pub struct Ephemeral, read with (key, roster: &Roster);
///     fields {
///         // Fields that hold no key's value, and where they come from. May be left out.
///     }
///     planned {
///         // Keys that are refused as not supported yet, and what they will do. May be left out.
///     }
///     keys {
///         /// The meaning of the key, as the reference shows it.
///         pub limit as "limit": u32 {          // `as` only if the key is not named like the field
///             form: ValueForm::Number(1, 10_000),
///             example: "20",                   // in TOML
///             default: "`20`",                 // in TOML between backquotes, or in words; optional
///             needs: "ttl", because: "…",      // optional
///             or: "ttl",                       // exactly one of the two must be present; optional
///             used_as: "bound",                // the method that hands the value out, if not the field
///             read: key.number().unwrap_or(20),
///         }
///     }
/// }
/// ```
///
/// A key that must be present has `required:` instead of `read:`, with an expression that is `None`
/// if the value is wrong, and perhaps a `hint:` for a file without it. Keys are read from top to
/// bottom, and an expression may use the fields above it.
macro_rules! policy_table {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident, read with ($key:ident, $given:ident: $given_type:ty);
        $( fields {
            $( $(#[$plain_attribute:meta])* $plain_visibility:vis $plain:ident: $plain_type:ty = $plain_value:expr; )*
        } )?
        $( planned { $( $planned:literal: $purpose:literal, )* } )?
        keys {
            $(
                $(#[doc = $meaning:literal])+
                $field_visibility:vis $field:ident $(as $key_name:literal)?: $type:ty {
                    form: $form:expr,
                    example: $example:literal,
                    $(default: $default:literal,)?
                    $(needs: $needed:literal, because: $reason:literal,)?
                    $(or: $other:literal,)?
                    $(used_as: $used_as:literal,)?
                    $(read: $read:expr,)?
                    $(required: $required:expr $(, hint: $hint:literal)?,)?
                }
            )+
        }
    ) => {
        $(#[$attribute])*
        $visibility struct $name {
            $( $( $(#[$plain_attribute])* $plain_visibility $plain: $plain_type, )* )?
            $( $(#[doc = $meaning])+ $field_visibility $field: $type, )+
        }

        impl $name {
            /// The keys of the table.
            $visibility const TABLE: $crate::domain::policy::table::KeyTable =
                $crate::domain::policy::table::KeyTable {
                    struct_name: stringify!($name),
                    planned: &[$( $( ($planned, $purpose) ),* )?],
                    keys: &[$( $crate::domain::policy::table::TableKey {
                        name: policy_table!(@first $($key_name,)? stringify!($field)),
                        used_as: policy_table!(@first $($used_as,)? stringify!($field)),
                        form: $form,
                        doc: concat!($($meaning),+),
                        example: $example,
                        default: policy_table!(@first $($default,)? ""),
                        required: policy_table!(@is_required $($required)?),
                        hint: policy_table!(@first $($($hint,)?)? ""),
                        needs: policy_table!(@first $(Some(($needed, $reason)),)? None),
                        or: policy_table!(@first $(Some($other),)? None),
                    } ),+],
                };

            /// Reads the table; `None` if a key that must be present is missing or wrong.
            pub(in $crate::domain::policy) fn read(
                fields: &$crate::domain::policy::fields::TableFields<'_>,
                $given: $given_type,
            ) -> Option<Self> {
                $( $( let $plain: $plain_type = $plain_value; )* )?
                $(
                    let $key = fields.key(policy_table!(@first $($key_name,)? stringify!($field)));
                    $key.report_missing();
                    $( let $field: $type = $read; )?
                    $( let $field: Option<$type> = $required; )?
                )+
                Some(Self {
                    $( $( $plain, )* )?
                    $( $field: policy_table!(@unwrap $field $(, $required)?), )+
                })
            }
        }
    };
    // The first of what is there.
    (@first $first:expr $(, $rest:expr)*) => { $first };
    (@is_required) => { false };
    (@is_required $required:expr) => { true };
    (@unwrap $field:ident) => { $field };
    (@unwrap $field:ident, $required:expr) => { $field? };
}

pub(super) use {policy_table, policy_words};
