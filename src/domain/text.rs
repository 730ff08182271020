//! Free text in entries, by people or machines: of limited length, and safe to show anywhere.
//!
//! Control, format (including bidirectional marks), line-separating, private and unassigned
//! characters are refused. So a text can be written to a terminal, a log or a note unchanged.

use std::fmt;
use std::str::FromStr;

use super::serde_str::impl_serde_str;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The text is empty.
    #[error("it is empty")]
    Empty,
    /// Too many characters.
    #[error("it has {found} characters, at most {limit} are allowed")]
    TooLong {
        /// The number of characters.
        found: usize,
        /// The maximum number.
        limit: usize,
    },
    /// A character that could mislead the reader or disturb the terminal.
    #[error("it contains the character U+{0:04X}, which is not plain text")]
    Character(u32),
    /// White space at the beginning or the end.
    #[error("it begins or ends with white space")]
    OuterWhitespace,
}

/// Returns whether a character is plain text: not a control, format, line-separating, surrogate,
/// private or unassigned character.
pub fn is_plain(character: char) -> bool {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, Surrogate, Unassigned,
    };
    // A fast path: most characters are ASCII, and the tables are large.
    if matches!(character, ' '..='~') {
        return true;
    }
    !matches!(
        character.general_category(),
        Control | Format | LineSeparator | ParagraphSeparator | PrivateUse | Surrogate | Unassigned
    )
}

/// Returns the text with every character that is not plain replaced by U+FFFD, so that it is safe
/// to show.
pub fn sanitize(text: &str) -> String {
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    text.chars()
        .map(|character| {
            if is_plain(character) {
                character
            } else {
                char::REPLACEMENT_CHARACTER
            }
        })
        .collect()
}

/// Checks the length and the characters of a text. Newlines are allowed if `newlines` is set.
fn check(text: &str, limit: usize, newlines: bool) -> Result<(), TextError> {
    let length = text.chars().count();
    if length == 0 {
        return Err(TextError::Empty);
    }
    if length > limit {
        return Err(TextError::TooLong {
            found: length,
            limit,
        });
    }
    if let Some(bad) = text
        .chars()
        .find(|character| !(is_plain(*character) || newlines && *character == '\n'))
    {
        return Err(TextError::Character(u32::from(bad)));
    }
    if text.trim() != text {
        return Err(TextError::OuterWhitespace);
    }
    Ok(())
}

macro_rules! text {
    ($(#[$doc:meta])* $type:ident, limit: $limit:expr, newlines: $newlines:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Box<str>);

        impl_serde_str!($type);

        impl $type {
            /// The maximum number of characters.
            #[allow(dead_code, reason = "not every kind of text needs it")]
            pub const LIMIT: usize = $limit;

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = TextError;
            fn from_str(text: &str) -> Result<Self, TextError> {
                check(text, $limit, $newlines)?;
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text!(
    /// One line: a reason, a comment, a version, the name of an artifact, a link.
    Line,
    limit: 1_000,
    newlines: false
);
text!(
    /// Several lines: the description of a deployment.
    Description,
    limit: 10_000,
    newlines: true
);

/// Folds the case of a text: to upper case first, because several lower-case letters can share one
/// upper-case letter.
pub fn fold_case(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that this is the Unicode version of the format: with another one, readers would
    /// disagree about which entries are valid.
    #[test]
    fn unicode_version_is_that_of_the_format() {
        assert_eq!(unicode_properties::UNICODE_VERSION, (18, 0, 0));
    }

    /// Checks that text which could hide or forge a line on a terminal is refused.
    #[test]
    fn deceiving_text_is_refused() {
        assert!(
            "Promote 1.4.2 after canary – fine: ünïcödé 日本"
                .parse::<Line>()
                .is_ok()
        );
        for bad in [
            "",
            " x",
            "x ",
            "a\nb",
            "a\tb",
            "a\x1b[31m",
            "a\u{202e}b",
            "a\u{2028}b",
            "a\u{200b}b",
            "a\0",
            "a\u{e000}",
            "a\u{ad}b",
        ] {
            assert!(bad.parse::<Line>().is_err(), "{bad:?}");
        }
        assert!("a\nb".parse::<Description>().is_ok());
        assert!("a\r\nb".parse::<Description>().is_err());
        assert!("x".repeat(1_000).parse::<Line>().is_ok());
        assert!("x".repeat(1_001).parse::<Line>().is_err());
        assert_eq!(sanitize("a\x1bb"), "a\u{fffd}b");
    }
}
