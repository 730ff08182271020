//! The settings of `git -c name=value deploy …`, which git passes on in `GIT_CONFIG_PARAMETERS`;
//! gix does not read that variable.
//!
//! They are words in single quotes, separated by spaces: `'name=value'` as older git writes it,
//! `'name'='value'` as newer git does.

use std::os::unix::ffi::OsStringExt as _;

use gix::bstr::BString;

use super::error::{Error, Result};

/// The variable that holds the settings.
const VARIABLE: &str = "GIT_CONFIG_PARAMETERS";

/// Returns the settings of this process, each as `name=value` or as a name alone.
///
/// # Errors
/// [`Error::Corrupt`] if the variable does not have git's format.
pub(super) fn read_process_settings() -> Result<Vec<BString>> {
    let value = std::env::var_os(VARIABLE).unwrap_or_default().into_vec();
    parse_settings(&value)
        .ok_or_else(|| Error::corrupt(VARIABLE, "it is not what git writes there"))
}

/// Parses the value of the variable; `None` if it does not have git's format.
fn parse_settings(mut rest: &[u8]) -> Option<Vec<BString>> {
    let mut settings = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(settings);
        }
        let (mut setting, after) = parse_word(rest)?;
        rest = after;
        if let Some(value) = rest.strip_prefix(b"=") {
            setting.push(b'=');
            if value.first().is_some_and(|byte| *byte != b' ') {
                let (value, after) = parse_word(value)?;
                setting.extend(value);
                rest = after;
            } else {
                // A name without a value means true.
                setting.pop();
                rest = value;
            }
        }
        settings.push(setting.into());
    }
}

/// Parses one word in single quotes, in which `'\''` stands for a quote and `'\!'` for an
/// exclamation mark. Returns the word and the bytes after it.
fn parse_word(quoted: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = quoted.strip_prefix(b"'")?;
    let mut word = Vec::new();
    loop {
        let end = rest.iter().position(|byte| *byte == b'\'')?;
        let (part, after) = rest.split_at_checked(end)?;
        word.extend(part);
        rest = after.strip_prefix(b"'")?;
        match rest {
            [b'\\', escaped @ (b'\'' | b'!'), b'\'', after @ ..] => {
                word.push(*escaped);
                rest = after;
            }
            _ => return Some((word, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses what git writes as git does, and refuses anything else rather than parse half of it.
    #[test]
    fn words() {
        for (text, settings) in [
            ("", &[][..]),
            ("'a.b=c d'", &["a.b=c d"]),
            ("'a.b'='c d' 'e.f'= 'g.h'=''", &["a.b=c d", "e.f", "g.h="]),
            (r"'a.b'='it'\''s'\!''", &["a.b=it's!"]),
        ] {
            let expected: Vec<BString> = settings.iter().map(|it| BString::from(*it)).collect();
            assert_eq!(parse_settings(text.as_bytes()), Some(expected), "{text}");
        }
        for text in ["a.b=c", "'a.b", "'a'='b", "'a'x"] {
            assert_eq!(parse_settings(text.as_bytes()), None, "{text}");
        }
    }
}
