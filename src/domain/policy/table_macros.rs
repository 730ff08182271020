//! The macros that declare a table of `deploy.toml`: each key in one place.
//!
//! A table is a struct that [`policy_table!`] declares. Each field states everything about its key:
//! its meaning (the doc comment, which the reference shows), what its value looks like, an example,
//! its default and how it is read. The parser, the JSON Schema and the reference in
//! `docs/policy.md` all derive from that.

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
            pub(super) const NAMES: &'static [&'static str] = &[$($word),+];

            /// Returns the word for the value.
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

        impl $crate::domain::policy::describe::DescribeValue for $name {
            fn describe(&self) -> $crate::domain::policy::describe::ValueText {
                $crate::domain::policy::describe::ValueText::Text(self.word().to_owned())
            }
        }
    };
}

/// Declares a table: a struct, its keys (`TABLE`) and how it is read (`read`).
///
/// ```text
/// policy_table! {
///     /// The limits for the environments of a pattern.
///     pub struct Ephemeral, read with (key, roster: &Roster);
///     fields {
///         // Optional: fields that are not read from a key, and their values.
///     }
///     planned {
///         // Optional: keys that are refused as not supported yet, and what they will do.
///     }
///     keys {
///         /// The meaning of the key, as the reference shows it.
///         pub limit as "limit": u32 {          // `as` only if the key is not named like the field
///             form: ValueForm::Number(1, 10_000),
///             example: "20",                   // in TOML
///             default: "`20`",                 // in TOML between backquotes, or in words; optional
///             needs: "ttl", because: "…",      // optional
///             or: "ttl",                       // exactly one of the two must be present; optional
///             used_as: "bound",                // the method that returns the value, if not the field
///             read: key.number().unwrap_or(20),
///         }
///     }
/// }
/// ```
///
/// A key that must be present has `required:` instead of `read:`, with an expression that is `None`
/// if the value is wrong, and optionally a `hint:` for a file without the key. Keys are read from
/// top to bottom, and an expression may use the fields above it.
macro_rules! policy_table {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident, read with ($key:ident, $context:ident: $context_type:ty);
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
            pub(super) fn read(
                fields: &$crate::domain::policy::fields::TableFields<'_>,
                $context: $context_type,
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

        impl $crate::domain::policy::describe::DescribeTable for $name {
            fn describe_keys(&self) -> Vec<(
                &'static $crate::domain::policy::table::TableKey,
                $crate::domain::policy::describe::ValueText,
            )> {
                use $crate::domain::policy::describe::DescribeValue as _;
                const KEYS: &[$crate::domain::policy::table::TableKey] = $name::TABLE.keys;
                let values = [$( self.$field.describe() ),+];
                KEYS.iter().zip(values).collect()
            }

            fn compare_values(&self, other: &Self) -> Vec<bool> {
                vec![$( self.$field != other.$field ),+]
            }
        }

        impl $crate::domain::policy::describe::DescribeValue for $name {
            fn describe(&self) -> $crate::domain::policy::describe::ValueText {
                $crate::domain::policy::describe::describe_inline(self)
            }
        }
    };
    // The first expression: a given one, or else the default after it.
    (@first $first:expr $(, $rest:expr)*) => { $first };
    (@is_required) => { false };
    (@is_required $required:expr) => { true };
    (@unwrap $field:ident) => { $field };
    (@unwrap $field:ident, $required:expr) => { $field? };
}

pub(super) use {policy_table, policy_words};
