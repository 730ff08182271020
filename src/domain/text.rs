//! Free text that people and machines put into entries: bounded, and harmless wherever it is shown.
//!
//! Control, format (bidirectional marks among them), line-separating, private and unassigned characters are refused, so that a
//! text can reach a terminal, a log or a note as it is.

use std::fmt;
use std::str::FromStr;

use super::serde_str::as_text;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// Too many characters.
    #[error("it has {found} characters, at most {limit} are allowed")]
    TooLong {
        /// Characters found.
        found: usize,
        /// Characters allowed.
        limit: usize,
    },
    /// A character that could deceive or break a terminal.
    #[error("it holds the character U+{0:04X}, which is not plain text")]
    Character(u32),
    /// White space at its beginning or end.
    #[error("it begins or ends with white space")]
    Margin,
}

/// Whether a character is plain text: neither control, format, separator of lines, surrogate, private nor unassigned.
pub fn is_plain(character: char) -> bool {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, Surrogate, Unassigned,
    };
    // Most text is this, and the tables are large.
    if matches!(character, ' '..='~') {
        return true;
    }
    !matches!(
        character.general_category(),
        Control | Format | LineSeparator | ParagraphSeparator | PrivateUse | Surrogate | Unassigned
    )
}

/// Makes any text harmless to show: what is not plain becomes U+FFFD.
pub fn harmless(text: &str) -> String {
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

fn check(text: &str, limit: usize, newlines: bool) -> Result<(), TextError> {
    let found = text.chars().count();
    if found == 0 {
        return Err(TextError::Empty);
    }
    if found > limit {
        return Err(TextError::TooLong { found, limit });
    }
    if let Some(bad) = text
        .chars()
        .find(|character| !(is_plain(*character) || newlines && *character == '\n'))
    {
        return Err(TextError::Character(u32::from(bad)));
    }
    if text.trim() != text {
        return Err(TextError::Margin);
    }
    Ok(())
}

macro_rules! text {
    ($(#[$doc:meta])* $type:ident, limit: $limit:expr, newlines: $newlines:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Box<str>);

        as_text!($type);

        impl $type {
            /// The most characters it may have.
            pub const LIMIT: usize = $limit;

            /// The text.
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
    /// One line: a reason, a comment, a version, a name of an artifact, a link.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The stored format names this version: with another one, an entry that some readers refuse would be accepted by others.
    #[test]
    fn unicode_is_the_formats() {
        assert_eq!(unicode_properties::UNICODE_VERSION, (18, 0, 0));
    }

    /// What could hide or forge a line on a terminal never gets into an entry.
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
        assert_eq!(harmless("a\x1bb"), "a\u{fffd}b");
    }
}
